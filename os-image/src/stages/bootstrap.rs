//! Debian packages into a root filesystem, by mmdebstrap as an ordinary user.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::Mirrors;
use crate::cache::Cache;
use crate::command::{Log, quote, tied};
use crate::error::{IoContext, Result};

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
    pub fn run(
        &self,
        cache: &Cache,
        mirrors: &Mirrors,
        log: &Log,
        purpose: &str,
        tar: Option<&Path>,
        customize_hooks: &[String],
    ) -> Result<()> {
        let debs = cache.persistent("debs")?;
        let mut command = tied("mmdebstrap");
        // Big trees do not fit a /tmp in memory, and the mapped users cannot reach into a private home.
        command.env("TMPDIR", "/var/tmp");
        // The initramfs is made later, once, with everything it needs.
        command.env("INITRD", "No");
        command.args(["--mode=unshare", "--variant=essential"]);
        command.arg(format!("--format={}", if tar.is_some() { "tar" } else { "null" }));
        command.arg(format!("--components={}", self.components.join(",")));
        command.args(["--skip=download/empty", "--skip=essential/unlink", "--dpkgopt=force-confold"]);
        for path in self.exclude {
            command.arg(format!("--dpkgopt=path-exclude={path}"));
        }
        for option in host_acquire_options(log) {
            command.arg(format!("--aptopt={option}"));
        }
        if !self.packages.is_empty() {
            command.arg(format!("--include={}", self.packages.join(",")));
        }
        command.arg("--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives/partial");
        command.arg(format!("--setup-hook=sync-in {} /var/cache/apt/archives/", quote(&debs)));
        command.args(self.setup_hooks.iter().map(|hook| format!("--setup-hook={hook}")));
        command.arg(format!("--customize-hook=sync-out /var/cache/apt/archives {}", quote(&debs)));
        command.args(customize_hooks.iter().map(|hook| format!("--customize-hook={hook}")));
        let keyring = KEYRINGS.map(PathBuf::from).into_iter().find(|k| k.exists());
        let sources = keyring.and_then(|k| mirrors.sources(self.release, self.components, &k));
        command.arg(self.release).arg(tar.unwrap_or(Path::new("-")));
        if sources.is_some() {
            command.arg("-");
        }
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
