//! Debian packages into a root filesystem, by mmdebstrap as an ordinary user.
//!
//! mmdebstrap could make a user namespace itself (`--mode=unshare`), but its processes would outlive a
//! killed build. In ours, which has its own process ids, the kernel ends them all.

use std::collections::BTreeMap;
use std::path::Path;

use crate::apt;
use crate::command::{Log, quote};
use crate::error::{IoContext, Result};
use crate::namespace;
use crate::packages::lock::{LockError, Pins, Section};
use crate::packages::{self, Packages};

/// What to install.
#[derive(Debug, serde::Serialize, Default)]
pub(crate) struct Bootstrap {
    pub release: String,
    pub components: Vec<String>,
    pub packages: Vec<String>,
    pub exclude: Vec<String>,
    /// mmdebstrap's `--setup-hook`s.
    pub setup_hooks: Vec<String>,
    /// What the packages' own scripts find in their environment: names and values.
    pub environment: Vec<(String, String)>,
}

impl Bootstrap {
    /// What a lock is the answer to.
    pub fn request(&self) -> String {
        format!("{} {}: {}", self.release, self.components.join(" "), self.packages.join(" "))
    }

    /// The packages of a lock's section, if it is the answer to this.
    pub fn fitting<'s>(&self, section: Option<&'s Section>) -> Result<&'s Pins, LockError> {
        let section = section.ok_or(LockError::Absent)?;
        if section.request == self.request() { Ok(&section.packages) } else { Err(LockError::Stale) }
    }
}

/// Installs what a stage asks for.
pub(crate) struct Installer<'a> {
    pub packages: &'a Packages<'a>,
    pub bootstrap: &'a Bootstrap,
    /// Nothing but these; what the mirror has without them.
    pub pins: Option<&'a Pins>,
    /// The stage.
    pub name: &'a str,
    pub scratch: &'a Path,
    pub log: &'a Log,
}

/// Traces of the host that mmdebstrap leaves behind: its mirror, how to reach it, its name and name server.
const FORGET_HOST: &str = "rm -f \"$1\"/etc/apt/sources.list \"$1\"/etc/apt/sources.list.d/* \
                           \"$1\"/etc/apt/apt.conf.d/99mmdebstrap \"$1\"/etc/resolv.conf \"$1\"/etc/hostname";

/// A root that is lost with the host is made again: dpkg need not wait for the disk after each file, least of all while others write.
const UNSAFE_IO: &str = "force-unsafe-io";

/// The systems made of it take better care, wherever dpkg runs in them. mmdebstrap leaves its options for dpkg in a root.
const SAFE_IO: &str = "sed -i /^force-unsafe-io$/d \"$1\"/etc/dpkg/dpkg.cfg.d/99mmdebstrap";

impl Installer<'_> {
    /// Installs into a tar file; without one only the `customize_hooks` see the result. Returns name and version of every
    /// installed package.
    pub fn run(
        &self,
        purpose: &str,
        tar: Option<&Path>,
        customize_hooks: &[String],
    ) -> Result<BTreeMap<String, String>> {
        let Self { bootstrap, scratch, log, .. } = self;
        let debs = self.packages.cache.persistent("debs")?;
        let status = scratch.join("status");
        let mut arguments = vec!["--mode=root".to_owned(), "--variant=essential".into()];
        let mut arg = |text: String| arguments.push(text);
        // The host's /sys cannot be mounted from a user namespace, and no package needs it.
        arg("--skip=chroot/mount/sys,download/empty,essential/unlink".into());
        arg(format!("--format={}", if tar.is_some() { "tar" } else { "null" }));
        arg(format!("--components={}", bootstrap.components.join(",")));
        arg("--dpkgopt=force-confold".into());
        arg(format!("--dpkgopt={UNSAFE_IO}"));
        bootstrap.exclude.iter().for_each(|path| arg(format!("--dpkgopt=path-exclude={path}")));
        if !bootstrap.packages.is_empty() {
            arg(format!("--include={}", bootstrap.packages.join(",")));
        }
        bootstrap.setup_hooks.iter().for_each(|hook| arg(format!("--setup-hook={hook}")));
        customize_hooks.iter().for_each(|hook| arg(format!("--customize-hook={hook}")));
        arg(format!("--customize-hook=cp \"$1\"/var/lib/dpkg/status {}", quote(&status)));
        arg(format!("--customize-hook={FORGET_HOST}"));
        arg(format!("--customize-hook={SAFE_IO}"));
        let sources = match self.pins {
            Some(pins) => {
                let repository = scratch.join("repository");
                packages::repository(self.packages.cache, pins, &bootstrap.release, &repository, log)?;
                let path = repository.to_string_lossy().replace('%', "%25").replace(' ', "%20");
                // Whether apt's own user can read the cache depends on the cache. It is a trace, in the owners of its folders.
                arg("--aptopt=APT::Sandbox::User \"root\"".into());
                // Trusted: each file's hash was compared with the lock.
                Some(format!("deb [trusted=yes] copy:{path} ./\n"))
            }
            None => {
                apt::acquire_options(log).into_iter().for_each(|option| arg(format!("--aptopt={option}")));
                // Not mmdebstrap's own sync-in and sync-out: they cannot read a folder into which another build moves
                // packages, and write packages anew where another build reads them. These appear as a whole or not at all.
                let archives = "\"$1\"/var/cache/apt/archives";
                let packages = "-maxdepth 1 -type f -name '*.deb' -exec";
                arg(format!("--setup-hook=mkdir -p {archives}/partial"));
                arg(format!("--setup-hook=find {} {packages} cp -t {archives} {{}} +", quote(&debs)));
                arg(format!("--customize-hook=find {archives} {packages} mv -t {} {{}} +", quote(&debs)));
                let mirrors = self.packages.mirrors;
                apt::keyring().and_then(|k| mirrors.sources(&bootstrap.release, &bootstrap.components, &k))
            }
        };
        arg(bootstrap.release.clone());
        arg(tar.unwrap_or(Path::new("-")).to_string_lossy().into_owned());
        if sources.is_some() {
            arg("-".into());
        }
        let words: Vec<_> = arguments.iter().map(quote).collect();
        // TMPDIR: big trees do not fit a /tmp in memory. INITRD: the initramfs is made later, once, with
        // everything it needs.
        let more: String =
            bootstrap.environment.iter().map(|(name, value)| format!(" {name}={}", quote(value))).collect();
        let script = format!(
            "export TMPDIR={} INITRD=No SOURCE_DATE_EPOCH={}{more}\nexec mmdebstrap {}",
            quote(scratch),
            self.packages.source_date(),
            words.join(" ")
        );
        let command = namespace::command(&script);
        log.run_with_input(purpose, command, sources.unwrap_or_default().as_bytes())?;
        let installed = installed(&std::fs::read_to_string(&status).at("read", &status)?);
        if let Some(pins) = self.pins {
            self.check(pins, &installed)?;
        }
        Ok(installed)
    }

    /// The installed packages have to be the locked ones.
    fn check(&self, pins: &Pins, installed: &BTreeMap<String, String>) -> Result<(), LockError> {
        let lacking = pins.iter().filter(|(name, pin)| installed.get(*name) != Some(&pin.version));
        let lacking = lacking.map(|(name, pin)| format!("{name} {} was not installed", pin.version));
        let more = installed.iter().filter(|(name, _)| !pins.contains_key(*name));
        let more = more.map(|(name, version)| format!("{name} {version} was installed"));
        let differences: Vec<_> = lacking.chain(more).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(LockError::Differs { stage: self.name.into(), differences })
    }
}

/// Name and version of every installed package, from dpkg's status file.
fn installed(status: &str) -> BTreeMap<String, String> {
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let stanzas = status
        .split("\n\n")
        .filter(|s| field(s, "Status").is_some_and(|status| status.ends_with(" installed")));
    stanzas.filter_map(|s| Some((field(s, "Package")?, field(s, "Version")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_from_dpkgs_status() {
        let status = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        assert_eq!(installed(status), [("bash".to_owned(), "5.2".to_owned())].into());
    }
}
