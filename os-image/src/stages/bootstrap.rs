//! Debian packages into a root filesystem, by mmdebstrap as an ordinary user.
//!
//! mmdebstrap could make a user namespace itself (`--mode=unshare`), but its processes would outlive a
//! killed build. In ours, which has its own process ids, the kernel ends them all.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::Mirrors;
use crate::cache::Cache;
use crate::command::{Log, quote};
use crate::error::{IoContext, Result};
use crate::namespace;

/// What to install.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Bootstrap<'a> {
    pub release: &'a str,
    pub components: &'a [String],
    pub packages: &'a [String],
    pub exclude: &'a [String],
    /// mmdebstrap's `--setup-hook`s.
    pub setup_hooks: Vec<String>,
}

/// The names under which Debian ships its archive keys.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

impl Bootstrap<'_> {
    /// Installs into a tar file; without one only the `customize_hooks` see the result.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing the run needs")]
    pub fn run(
        &self,
        cache: &Cache,
        mirrors: &Mirrors,
        log: &Log,
        purpose: &str,
        scratch: &Path,
        tar: Option<&Path>,
        customize_hooks: &[String],
    ) -> Result<()> {
        let debs = cache.persistent("debs")?;
        let mut arguments = vec!["--mode=root".to_owned(), "--variant=essential".into()];
        let mut arg = |text: String| arguments.push(text);
        // The host's /sys cannot be mounted from a user namespace, and no package needs it.
        arg("--skip=chroot/mount/sys,download/empty,essential/unlink".into());
        arg(format!("--format={}", if tar.is_some() { "tar" } else { "null" }));
        arg(format!("--components={}", self.components.join(",")));
        arg("--dpkgopt=force-confold".into());
        self.exclude.iter().for_each(|path| arg(format!("--dpkgopt=path-exclude={path}")));
        host_acquire_options(log).into_iter().for_each(|option| arg(format!("--aptopt={option}")));
        if !self.packages.is_empty() {
            arg(format!("--include={}", self.packages.join(",")));
        }
        arg("--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives/partial".into());
        arg(format!("--setup-hook=sync-in {} /var/cache/apt/archives/", quote(&debs)));
        self.setup_hooks.iter().for_each(|hook| arg(format!("--setup-hook={hook}")));
        arg(format!("--customize-hook=sync-out /var/cache/apt/archives {}", quote(&debs)));
        customize_hooks.iter().for_each(|hook| arg(format!("--customize-hook={hook}")));
        let keyring = KEYRINGS.map(PathBuf::from).into_iter().find(|k| k.exists());
        let sources = keyring.and_then(|k| mirrors.sources(self.release, self.components, &k));
        arg(self.release.to_owned());
        arg(tar.unwrap_or(Path::new("-")).to_string_lossy().into_owned());
        if sources.is_some() {
            arg("-".into());
        }
        let words: Vec<_> = arguments.iter().map(quote).collect();
        // TMPDIR: big trees do not fit a /tmp in memory. INITRD: the initramfs is made later, once, with
        // everything it needs.
        let script =
            format!("export TMPDIR={} INITRD=No\nexec mmdebstrap {}", quote(scratch), words.join(" "));
        let command = namespace::command(&script);
        let output = log.run_with_input(purpose, command, sources.unwrap_or_default().as_bytes());
        // apt's own lock and half downloads are of no use to the next build.
        for leftover in ["lock", "partial"] {
            let path = debs.join(leftover);
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
        output?;
        if let Some(tar) = tar {
            tar.metadata().at("find mmdebstrap's result", tar)?;
        }
        Ok(())
    }
}

/// How this host reaches its mirror: proxies, time-outs, checks that its administrator switched off.
fn host_acquire_options(log: &Log) -> Vec<String> {
    let mut command = Command::new("apt-config");
    command.args(["dump", "Acquire"]);
    let Ok(dump) = log.run("read the host's apt configuration", command) else { return Vec::new() };
    let wanted = ["http", "https", "ftp", "Retries", "ForceIPv", "Check-Valid-Until", "Check-Date"];
    String::from_utf8_lossy(&dump)
        .lines()
        .filter(|line| {
            let name = line.strip_prefix("Acquire::").unwrap_or_default();
            wanted.iter().any(|w| name.starts_with(w)) && !line.ends_with("\"\";")
        })
        .map(str::to_owned)
        .collect()
}
