//! Which mounted file systems lie on which disks, as the host sees it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The host's own view, whatever namespace the agent runs in.
const HOST_MOUNTS: &str = "/proc/1/mountinfo";
const HOST_ROOT: &str = "/proc/1/root";

/// A block device number.
pub type DevNumber = (u64, u64);

/// One line of mountinfo (proc_pid_mountinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `st_dev` of its files. Major 0 where the file system has no single device (btrfs).
    pub dev: DevNumber,
    /// Where it is mounted, in the host's namespace.
    pub point: PathBuf,
    /// File system type.
    pub kind: String,
    /// What was mounted, a device node for those that concern us.
    pub source: String,
}

impl Mount {
    /// All mounts of the host, in the order they were made.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let text = fs::read_to_string(HOST_MOUNTS)
            .with_context(|| format!("cannot read {HOST_MOUNTS}; the agent must run as root"))?;
        Ok(text.lines().filter_map(Self::parse).collect())
    }

    /// Opens the root directory of what is mounted: through the host's root, which is right in any mount namespace, or
    /// where that is forbidden, directly. Only what is of this very file system counts: something else may be mounted
    /// over it, or there.
    pub fn open(&self) -> io::Result<File> {
        let below = Path::new(HOST_ROOT).join(self.point.strip_prefix("/").unwrap_or(&self.point));
        let mut reason = io::Error::other("something else is mounted over it");
        for path in [below.as_path(), self.point.as_path()] {
            let opened = File::options()
                .read(true)
                .custom_flags(nix::libc::O_DIRECTORY | nix::libc::O_CLOEXEC)
                .open(path)
                .and_then(|root| Ok((split(root.metadata()?.dev()) == self.dev, root)));
            match opened {
                Ok((true, root)) => return Ok(root),
                Ok((false, _)) => {}
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    /// The block device under it, if there is one.
    pub fn device(&self) -> Option<DevNumber> {
        if self.dev.0 != 0 {
            return Some(self.dev);
        }
        let metadata = on_host(Path::new(&self.source))?;
        (metadata.mode() & nix::libc::S_IFMT == nix::libc::S_IFBLK).then(|| split(metadata.rdev()))
    }

    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let (major, minor) = left.next()?.split_once(':')?;
        let point = unescape(left.nth(1)?);
        let mut right = right.split(' ');
        Some(Self {
            dev: (major.parse().ok()?, minor.parse().ok()?),
            point: PathBuf::from(point),
            kind: right.next()?.to_owned(),
            source: unescape(right.next()?),
        })
    }
}

/// Blanks and the like are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| byte == b'\\').and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Looks at an absolute path of the host's.
fn on_host(path: &Path) -> Option<fs::Metadata> {
    let below = Path::new(HOST_ROOT).join(path.strip_prefix("/").ok()?);
    fs::metadata(below).or_else(|_| fs::metadata(path)).ok()
}

/// Splits a device number as stat(2) gives it.
pub fn split(dev: u64) -> DevNumber {
    (nix::sys::stat::major(dev), nix::sys::stat::minor(dev))
}

/// The kernel names of the whole disks a block device lies on, through partitions, LVM, RAID and loop devices; every
/// device on the way counts, so that a loop device or a RAID that is itself backed up is found, too.
pub fn disks_under(device: DevNumber) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(device, &mut found, 0);
    found
}

fn collect((major, minor): DevNumber, found: &mut BTreeSet<String>, depth: u32) {
    let Ok(mut folder) = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) else { return };
    if folder.join("partition").exists() {
        folder.pop();
    }
    let Some(name) = folder.file_name() else { return };
    if !found.insert(name.to_string_lossy().into_owned()) || depth > 16 {
        return;
    }
    let below = fs::read_dir(folder.join("slaves")).into_iter().flatten().flatten().filter_map(|slave| {
        let text = fs::read_to_string(slave.path().join("dev")).ok()?;
        let (major, minor) = text.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    let file = fs::read_to_string(folder.join("loop/backing_file"))
        .ok()
        .and_then(|path| Some(split(on_host(Path::new(path.trim_end()))?.dev())));
    below.chain(file).for_each(|device| collect(device, found, depth + 1));
}

/// The mounts to freeze for `disks` (kernel names), one a file system, in the order to freeze them: what was mounted
/// later may lie on what was mounted earlier, so the latest comes first and the root last.
pub fn to_freeze(
    mounts: &[Mount],
    disks: &[String],
    under: impl Fn(DevNumber) -> BTreeSet<String>,
) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<Mount> = mounts
        .iter()
        .filter(|mount| {
            mount.device().is_some_and(|device| !under(device).is_disjoint(&disks.iter().cloned().collect()))
        })
        // The first mount decides the place in the order; later ones of the same file system are bind mounts.
        .filter(|mount| seen.insert(mount.dev))
        .cloned()
        .collect();
    chosen.reverse();
    // The root may stand anywhere, because an initramfs mounts others before it moves to it.
    chosen.sort_by_key(|mount| mount.point == Path::new("/"));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
24 22 0:21 / /proc rw - proc proc rw
25 22 8:1 / /boot/efi rw - vfat /dev/sda1 rw
26 22 8:17 / /srv/my\\040data rw shared:7 master:2 - xfs /dev/sdb1 rw
27 22 8:2 /home /mnt/bind rw - ext4 /dev/sda2 rw
28 26 7:0 / /srv/my\\040data/image rw - ext4 /dev/loop0 rw
29 22 8:33 / /other rw - ext4 /dev/sdc1 rw";

    fn chosen(disks: &[&str]) -> Vec<String> {
        let mounts: Vec<_> = TEXT.lines().filter_map(Mount::parse).collect();
        let disks: Vec<_> = disks.iter().map(|&disk| disk.to_owned()).collect();
        // The loop device's file lies on sdb.
        let under = |(major, minor)| match (major, minor) {
            (8, 0..16) => BTreeSet::from(["sda".to_owned()]),
            (8, 16..32) => BTreeSet::from(["sdb".to_owned()]),
            (7, 0) => BTreeSet::from(["loop0".to_owned(), "sdb".to_owned()]),
            _ => BTreeSet::from(["sdc".to_owned()]),
        };
        to_freeze(&mounts, &disks, under).iter().map(|mount| mount.point.display().to_string()).collect()
    }

    #[test]
    fn each_file_system_of_the_disks_is_chosen_once_dependants_first_and_the_root_last() {
        assert_eq!(chosen(&["sda", "sdb"]), ["/srv/my data/image", "/srv/my data", "/boot/efi", "/"]);
    }

    #[test]
    fn file_systems_of_other_disks_stay_untouched() {
        assert_eq!(chosen(&["sdc"]), ["/other"]);
        assert!(chosen(&["sdd"]).is_empty());
    }

    #[test]
    fn a_mount_line_without_its_parts_is_ignored() {
        for line in ["", "22 1 8:2 / /", "x - y", "22 1 8 / / rw - ext4 /dev/sda rw"] {
            assert_eq!(Mount::parse(line), None, "{line:?}");
        }
        assert_eq!(unescape("a\\134b\\0"), "a\\b\\0");
    }
}
