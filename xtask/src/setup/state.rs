//! What a host has.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What setup decides on.
#[derive(Debug, Clone)]
pub struct Host {
    /// Debian's codename, such as `bookworm`.
    pub codename: String,
    /// Installed packages with their versions.
    pub packages: BTreeMap<String, String>,
    /// Version of the installed QEMU, if any.
    pub qemu: Option<(u32, u32)>,
    /// Login name of who builds.
    pub user: String,
    /// Whether that is root.
    pub is_root: bool,
    /// `/etc/subuid` and `/etc/subgid`.
    pub subordinate_ids: [String; 2],
    /// Where this host takes Debian from.
    pub archive: Option<String>,
}

impl Host {
    /// Looks at this host.
    pub fn examine() -> Result<Self> {
        if std::env::consts::ARCH != "x86_64" {
            bail!("this host is {}; images are built on and for x86-64", std::env::consts::ARCH);
        }
        let release =
            std::fs::read_to_string("/etc/os-release").context("cannot tell which system this is")?;
        let field = |name: &str| {
            let value = release.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        if field("ID") != "debian" {
            bail!(
                "this host is {}, setup knows Debian 12 and 13; on another system build in a Debian container or \
                 virtual machine",
                field("PRETTY_NAME")
            );
        }
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let id = |flag: &str| -> Result<String> {
            let out = Command::new("id").arg(flag).output().context("cannot run id")?;
            Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
        };
        Ok(Self {
            codename: field("VERSION_CODENAME"),
            packages: packages()?,
            qemu: qemu_version(),
            user: id("-un")?,
            is_root: id("-u")? == "0",
            subordinate_ids: ["/etc/subuid", "/etc/subgid"].map(read),
            archive: os_image::Mirrors::of_host().archive,
        })
    }
}

fn packages() -> Result<BTreeMap<String, String>> {
    let out = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"])
        .output()
        .context("cannot ask dpkg what is installed")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let entry = |line: &str| {
        let mut words = line.strip_prefix("installed ")?.split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(entry).collect())
}

fn qemu_version() -> Option<(u32, u32)> {
    let out = Command::new("qemu-system-x86_64").arg("--version").output().ok()?;
    parse_qemu_version(&String::from_utf8_lossy(&out.stdout))
}

/// From `QEMU emulator version 10.0.2 (…)`.
fn parse_qemu_version(text: &str) -> Option<(u32, u32)> {
    let version = text.split_once("version ")?.1;
    let mut numbers = version.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_version_is_read_from_what_it_prints() {
        assert_eq!(
            parse_qemu_version("QEMU emulator version 7.2.19 (Debian 1:7.2)\nCopyright"),
            Some((7, 2))
        );
        assert_eq!(parse_qemu_version("QEMU emulator version 10.0.2"), Some((10, 0)));
        assert_eq!(parse_qemu_version("command not found"), None);
    }
}
