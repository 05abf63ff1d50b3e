//! An installed Linux: who it is, and what would keep it from booting elsewhere.

use std::io;

use crate::kernels::{self, Kernels};
use crate::tree::Tree;

const SMALL: u64 = 64 << 10;

/// An operating system found on a file system.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct System {
    /// `PRETTY_NAME`.
    pub name: String,
    /// Host name.
    pub host_name: String,
    /// Machine id.
    pub machine_id: String,
    /// Its kernels.
    pub kernels: Kernels,
    /// What stands in its way.
    pub problems: Vec<String>,
}

/// Looks at a file system; `None` if it is not the root of a Linux.
pub fn look(tree: &Tree) -> io::Result<Option<System>> {
    let release = match tree.text("etc/os-release", SMALL)? {
        Some(text) => Some(text),
        None => tree.text("usr/lib/os-release", SMALL)?,
    };
    let Some(release) = release else { return Ok(None) };
    let line = |path: &str| -> io::Result<String> {
        let text = tree.text(path, SMALL)?.unwrap_or_default();
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(first.unwrap_or_default().to_owned())
    };
    let mut problems = Vec::new();
    problems.extend(mounts_by_old_names(&tree.text("etc/fstab", SMALL)?.unwrap_or_default()));
    problems.extend(narrow_initramfs(tree)?);
    let kernels = kernels::installed(tree)?;
    if kernels.virtio.is_empty() {
        problems.push(match kernels.other.as_slice() {
            [] => "No installed kernel was found in /lib/modules.".to_owned(),
            others => format!("None of its kernels ({}) has virtio drivers.", others.join(", ")),
        });
    }
    Ok(Some(System {
        name: pretty_name(&release),
        host_name: line("etc/hostname")?,
        machine_id: line("etc/machine-id")?,
        kernels,
        problems,
    }))
}

/// `PRETTY_NAME` of os-release(5): shell-like, quoted or not.
fn pretty_name(release: &str) -> String {
    let value = |key: &str| release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
    let quoted = value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or("Linux").trim();
    let mut name = String::new();
    let mut characters = quoted.trim_matches(|c| c == '"' || c == '\'').chars();
    while let Some(character) = characters.next() {
        name.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    name
}

/// Mounts of fstab(5) whose device will have another name on virtio.
fn mounts_by_old_names(fstab: &str) -> Vec<String> {
    const OLD: [&str; 7] = [
        "/dev/sd",
        "/dev/hd",
        "/dev/nvme",
        "/dev/xvd",
        "/dev/mmcblk",
        "/dev/disk/by-path/",
        "/dev/disk/by-id/",
    ];
    let mut problems = Vec::new();
    for line in fstab.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [device, place, _, options, ..] = fields[..] else { continue };
        let waited_for = !options.split(',').any(|option| matches!(option, "noauto" | "nofail"));
        if waited_for && OLD.iter().any(|old| device.starts_with(old)) {
            problems.push(format!(
                "/etc/fstab mounts {place} from {device}, a name the disk does not have on virtual hardware; use its UUID."
            ));
        }
    }
    problems
}

/// An initramfs made for one machine's hardware only may lack what another needs.
fn narrow_initramfs(tree: &Tree) -> io::Result<Option<String>> {
    let setting = |text: &str, wanted: &str| {
        text.lines()
            .any(|line| line.split('#').next().unwrap_or_default().replace(['"', '\'', ' '], "") == wanted)
    };
    let debian = ["etc/initramfs-tools/conf.d/driver-policy", "etc/initramfs-tools/initramfs.conf"];
    for path in debian {
        if tree.text(path, SMALL)?.is_some_and(|text| setting(&text, "MODULES=dep")) {
            return Ok(Some(format!(
                "Its initramfs holds only the drivers of the original's hardware (MODULES=dep in /{path}) and may not find \
                 a virtio disk."
            )));
        }
    }
    for folder in ["usr/lib/dracut/dracut.conf.d", "etc/dracut.conf.d"] {
        for name in tree.list(folder)? {
            let path = format!("{folder}/{name}");
            if tree.text(&path, SMALL)?.is_some_and(|text| setting(&text, "hostonly=yes")) {
                return Ok(Some(format!(
                    "Its initramfs holds only the drivers of the original's hardware (hostonly in /{path}) and may not find \
                     a virtio disk."
                )));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
