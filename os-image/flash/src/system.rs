//! Which disks the running system lies on, through partitions, device mapper, md, loop devices and overlays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};

/// Where a system has what it cannot do without; `/boot/efi` and the like lie below one of them.
const NEEDED: [&str; 4] = ["/", "/usr", "/boot", "/efi"];

/// Names of whole devices (`sda`, `dm-0`), each with what of the running system lies on it.
pub(crate) type Uses = BTreeMap<String, BTreeSet<String>>;

/// Asks the kernel.
pub(crate) fn uses() -> Result<Uses> {
    let own = Path::new("/proc/self/mountinfo");
    let mut all = mounts(&fs::read_to_string(own).at("read", own)?);
    // In a container or a chroot the system's own root is another one; what may not be read there is still found in use by the
    // kernel when the disk is opened.
    all.extend(fs::read_to_string("/proc/1/mountinfo").iter().flat_map(|text| mounts(text)));
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default(); // absent from a kernel without swap
    Ok(Stack { sys: "/sys".into(), mounts: all }.uses(&swaps))
}

/// A line of mountinfo (proc_pid_mountinfo(5)).
struct Mount {
    number: String,
    at: PathBuf,
    kind: String,
    source: String,
    options: String,
}

fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (own, filesystem) = line.split_once(" - ")?;
        let (own, filesystem): (Vec<_>, Vec<_>) = (own.split(' ').collect(), filesystem.split(' ').collect());
        Some(Mount {
            number: own.get(2)?.to_string(),
            at: unescape(own.get(4)?).into(),
            kind: filesystem.first()?.to_string(),
            source: unescape(filesystem.get(1)?),
            options: unescape(filesystem.get(2)?),
        })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// The kernel writes these four characters in octal.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// What lies on what.
struct Stack {
    sys: PathBuf,
    mounts: Vec<Mount>,
}

impl Stack {
    fn uses(&self, swaps: &str) -> Uses {
        let mut uses = Uses::new();
        let mut add = |what: &str, devices: BTreeSet<String>| {
            for name in devices {
                uses.entry(name).or_default().insert(what.to_owned());
            }
        };
        let needed = |mount: &&Mount| {
            NEEDED.iter().any(|place| match *place {
                "/" => mount.at == Path::new("/"),
                place => mount.at.starts_with(place),
            })
        };
        for mount in self.mounts.iter().filter(needed) {
            let mut devices = BTreeSet::new();
            self.below_mount(mount, &mut devices);
            add(&mount.at.display().to_string(), devices);
        }
        // A table with a headline; a path with a blank is escaped.
        for path in swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
            let mut devices = BTreeSet::new();
            self.below_file(Path::new(&unescape(path)), &mut devices);
            add("swap", devices);
        }
        uses
    }

    fn below_mount(&self, mount: &Mount, found: &mut BTreeSet<String>) {
        if let Ok(device) = self.sys.join("dev/block").join(&mount.number).canonicalize() {
            self.below_device(&device, found);
        } else if mount.source.starts_with("/dev/") {
            self.below_file(Path::new(&mount.source), found); // btrfs has a number of its own
        } else if mount.kind == "overlay" {
            let layers = mount.options.split(',').filter_map(|option| option.split_once('='));
            let layers = layers.filter(|(key, _)| ["lowerdir", "upperdir"].contains(key));
            for folder in layers.flat_map(|(_, folders)| folders.split(':')) {
                // A container sees the paths of its layers but not what they mean outside.
                let below = self.mount_of(Path::new(folder)).filter(|below| below.kind != "overlay");
                below.into_iter().for_each(|below| self.below_mount(below, found));
            }
        }
    }

    /// A file, or a device by its path.
    fn below_file(&self, path: &Path, found: &mut BTreeSet<String>) {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let device = path
            .starts_with("/dev")
            .then(|| self.sys.join("class/block").join(path.file_name()?).canonicalize().ok());
        match device.flatten() {
            Some(device) => self.below_device(&device, found),
            None => self.mount_of(&path).into_iter().for_each(|mount| self.below_mount(mount, found)),
        }
    }

    /// A device by its folder in sysfs.
    fn below_device(&self, device: &Path, found: &mut BTreeSet<String>) {
        if device.join("partition").exists() {
            return device.parent().into_iter().for_each(|disk| self.below_device(disk, found));
        }
        if !found.insert(device.file_name().unwrap_or_default().display().to_string()) {
            return;
        }
        for slave in fs::read_dir(device.join("slaves")).into_iter().flatten().flatten() {
            slave.path().canonicalize().into_iter().for_each(|slave| self.below_device(&slave, found));
        }
        if let Ok(file) = fs::read_to_string(device.join("loop/backing_file")) {
            self.below_file(Path::new(file.trim_end()), found);
        }
    }

    /// The mount a path lies on: the deepest, and of those the last, which covers the others.
    fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let over = self.mounts.iter().filter(|mount| path.starts_with(&mount.at));
        over.max_by_key(|mount| mount.at.components().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A made-up sysfs: `sda` with two partitions, `sdb` and `sdc`, md0 on partitions of both, dm-0 (crypt) on md0, and loop0.
    fn sysfs() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let device = |folder: &str, number: &str, slaves: &[&str]| {
            let dir = root.path().join("block").join(folder);
            fs::create_dir_all(dir.join("slaves")).unwrap();
            let name = dir.file_name().unwrap();
            if folder.contains('/') {
                fs::write(dir.join("partition"), "1\n").unwrap();
            }
            for (kind, link) in [("class/block", name.to_str().unwrap()), ("dev/block", number)] {
                fs::create_dir_all(root.path().join(kind)).unwrap();
                symlink(&dir, root.path().join(kind).join(link)).unwrap();
            }
            for slave in slaves {
                let to = root.path().join("block").join(slave);
                symlink(&to, dir.join("slaves").join(to.file_name().unwrap())).unwrap();
            }
        };
        device("sda", "8:0", &[]);
        device("sda/sda1", "8:1", &[]);
        device("sda/sda2", "8:2", &[]);
        device("sdb", "8:16", &[]);
        device("sdb/sdb1", "8:17", &[]);
        device("sdc", "8:32", &[]);
        device("md0", "9:0", &["sda/sda2", "sdb/sdb1"]);
        device("dm-0", "253:0", &["md0"]);
        device("loop0", "7:0", &[]);
        root
    }

    fn found(mountinfo: &str, swaps: &str, sys: &Path) -> Vec<(String, String)> {
        let stack = Stack { sys: sys.to_owned(), mounts: mounts(mountinfo) };
        let uses = stack.uses(&format!("Filename\tType\tSize\tUsed\tPriority\n{swaps}"));
        uses.into_iter().map(|(name, what)| (name, what.into_iter().collect::<Vec<_>>().join(" "))).collect()
    }

    fn is(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn a_root_on_a_partition_is_a_root_on_its_disk() {
        let sys = sysfs();
        let mounts =
            "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n30 27 8:32 / /srv rw - xfs /dev/sdc rw\n";
        assert_eq!(found(mounts, "", sys.path()), is(&[("sda", "/")]));
    }

    #[test]
    fn an_encrypted_root_on_a_mirror_lies_on_both_disks() {
        let sys = sysfs();
        let mounts =
            "27 1 253:0 / / rw - ext4 /dev/mapper/root rw\n28 27 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n";
        let expected = [("dm-0", "/"), ("md0", "/"), ("sda", "/ /boot/efi"), ("sdb", "/")];
        assert_eq!(found(mounts, "", sys.path()), is(&expected));
    }

    #[test]
    fn a_file_system_with_a_number_of_its_own_is_found_by_its_source() {
        let sys = sysfs();
        assert_eq!(found("27 1 0:25 /@ / rw - btrfs /dev/sdb1 rw", "", sys.path()), is(&[("sdb", "/")]));
    }

    #[test]
    fn a_live_systems_overlay_lies_on_the_stick_its_image_was_loaded_from() {
        let sys = sysfs();
        fs::create_dir(sys.path().join("block/loop0/loop")).unwrap();
        fs::write(sys.path().join("block/loop0/loop/backing_file"), "/run/live/medium/live/root.squashfs\n")
            .unwrap();
        let mounts = "20 1 0:30 / / rw - overlay overlay rw,lowerdir=/run/live/rootfs,upperdir=/run/cow/rw,workdir=/run/cow/work
21 20 7:0 / /run/live/rootfs ro - squashfs /dev/loop0 ro
22 20 8:17 / /run/live/medium ro - iso9660 /dev/sdb1 ro
23 20 0:31 / /run/cow rw - tmpfs tmpfs rw
";
        assert_eq!(found(mounts, "", sys.path()), is(&[("loop0", "/"), ("sdb", "/")]));
    }

    #[test]
    fn swap_counts_as_device_and_as_file() {
        let sys = sysfs();
        let swaps = "/dev/sda2 partition 1 0 -2\n/srv/swap\\040file file 1 0 -3\n";
        let mounts = "30 27 8:32 / /srv rw - xfs /dev/sdc rw\n";
        assert_eq!(found(mounts, swaps, sys.path()), is(&[("sda", "swap"), ("sdc", "swap")]));
    }

    #[test]
    fn an_overlay_that_seems_to_lie_on_itself_ends() {
        let sys = sysfs();
        let mounts = "20 1 0:30 / / rw - overlay overlay rw,lowerdir=/var/lib/layers/1:/var/lib/layers/2,upperdir=/var/lib/up\n";
        assert_eq!(found(mounts, "", sys.path()), []);
    }
}
