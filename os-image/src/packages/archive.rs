//! An apt of our own: asks the host's mirror what a release has, without touching the host's packages.

use std::collections::BTreeSet;
use std::path::Path;

use super::lock::{Pin, Pins};
use crate::apt::{self, Mirrors};
use crate::command::{Log, tied};
use crate::error::{Error, IoContext, Result};

/// What the mirror has of a release now.
pub(super) struct Archive<'a> {
    folder: &'a Path,
    log: &'a Log,
}

/// Folders that apt does not make itself.
const FOLDERS: [&str; 5] = [
    "etc/apt.conf.d",
    "etc/preferences.d",
    "etc/sources.list.d",
    "state/lists/partial",
    "cache/archives/partial",
];

impl<'a> Archive<'a> {
    /// Reads the mirror's indexes of `release` into `folder`, which only this apt uses.
    pub fn open(
        folder: &'a Path,
        mirrors: &Mirrors,
        release: &str,
        components: &[String],
        log: &'a Log,
    ) -> Result<Self> {
        for name in FOLDERS {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).at("create", &path)?;
        }
        let sources = apt::keyring().and_then(|keyring| mirrors.sources(release, components, &keyring));
        let sources = sources.ok_or_else(|| {
            let hint = "name one in /etc/apt/sources.list.d, and install debian-archive-keyring";
            Error::content(release, "this host's apt knows no Debian archive to ask", hint)
        })?;
        let list = folder.join("etc/sources.list");
        std::fs::write(&list, sources).at("write", &list)?;
        let config = folder.join("apt.conf");
        std::fs::write(&config, configuration(folder, &apt::acquire_options(log))).at("write", &config)?;
        let archive = Self { folder, log };
        archive.ask("read the mirror's indexes", "apt-get", &["update", "--error-on=any"], folder)?;
        Ok(archive)
    }

    /// The essential packages, `packages`, and what they need.
    pub fn resolve(&self, packages: &[String]) -> Result<Pins> {
        let install = |purpose: &str, names: &[String]| {
            let mut words = vec!["install", "--print-uris", "-qq"];
            words.extend(names.iter().map(String::as_str));
            self.ask(purpose, "apt-get", &words, self.folder)
        };
        // In two steps, as mmdebstrap installs them: an essential package decides between alternatives that others offer.
        let essential = pins(&install("choose the essential packages", &["?essential".into()])?);
        let names: Vec<_> = essential.into_keys().chain(packages.iter().cloned()).collect();
        Ok(pins(&install("choose the packages", &names)?))
    }

    /// Those of `wanted` whose version the mirror does not have.
    pub fn lacks(&self, wanted: &Pins) -> Result<Pins> {
        let mut words = vec!["madison"];
        words.extend(wanted.keys().map(String::as_str));
        let table = self.ask("look for versions", "apt-cache", &words, self.folder)?;
        let known: BTreeSet<_> = table
            .lines()
            .filter_map(|line| {
                let mut columns = line.split('|').map(str::trim);
                Some((columns.next()?, columns.next()?))
            })
            .collect();
        let is_known = |(name, pin): &(&String, &Pin)| known.contains(&(name.as_str(), pin.version.as_str()));
        let lost = wanted.iter().filter(|package| !is_known(package));
        Ok(lost.map(|(name, pin)| (name.clone(), pin.clone())).collect())
    }

    /// Downloads the files of `wanted` into the folder `to`.
    pub fn download(&self, wanted: &Pins, to: &Path) -> Result<()> {
        let names: Vec<_> = wanted.iter().map(|(name, pin)| format!("{name}={}", pin.version)).collect();
        let mut words = vec!["download", "-qq"];
        words.extend(names.iter().map(String::as_str));
        self.ask("download the locked packages", "apt-get", &words, to)?;
        Ok(())
    }

    fn ask(&self, purpose: &str, program: &str, words: &[&str], folder: &Path) -> Result<String> {
        let mut command = tied(program);
        command
            .args(words)
            .current_dir(folder)
            .env("LC_ALL", "C")
            .env("APT_CONFIG", self.folder.join("apt.conf"));
        Ok(String::from_utf8_lossy(&self.log.run(purpose, command)?).into_owned())
    }
}

/// Nothing of the host's configuration counts but how it reaches its mirror.
fn configuration(folder: &Path, acquire: &[String]) -> String {
    format!(
        r#"Dir "{folder}";
Dir::Etc "{folder}/etc";
Dir::State "{folder}/state";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::ForceHash "SHA256";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
// As mmdebstrap has it: apt itself is not essential.
pkgCacheGen::ForceEssential ",";
{acquire}
"#,
        folder = folder.display(),
        acquire = acquire.join("\n"),
    )
}

/// Reads `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SHA256:HASH` lines.
fn pins(uris: &str) -> Pins {
    let pin = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (file, hash) = (words.next()?.strip_suffix(".deb")?, words.nth(1)?.strip_prefix("SHA256:")?);
        let mut parts = file.splitn(3, '_');
        let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
        let pin = Pin {
            version: version.replace("%3a", ":"),
            architecture: architecture.into(),
            sha256: hash.into(),
        };
        Some((name.to_owned(), pin))
    };
    uris.lines().filter_map(pin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_from_what_apt_would_download() {
        let hash = "0123456789abcdef".repeat(4);
        let text = format!(
            "'http://m.example/pool/b/busybox_1.37%2bb9_amd64.deb' busybox_1%3a1.37.0-6+b9_amd64.deb 484988 SHA256:{hash}\n"
        );
        let pins = pins(&text);
        assert_eq!(pins["busybox"].version, "1:1.37.0-6+b9");
        assert_eq!((pins["busybox"].architecture.as_str(), &pins["busybox"].sha256), ("amd64", &hash));
    }
}
