//! Which file systems are on something that somebody brought: a USB stick, or, where the kernel has no USB, a disk of a virtual machine.
//!
//! Nothing is opened for it: the kernel says which disks there are, and udev what is on them. What the system runs from is never one of
//! them, nor is the configuration disk, which is for settings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use understudy_udev::{Record, printable};

use crate::engine::Found;
use crate::names::is_device;

/// Disks by the beginning of their names. Not volumes, not loops, not what a stream of RAUC's looks like.
const DISKS: [&str; 5] = ["sd", "vd", "xvd", "nvme", "mmcblk"];
/// Label of the configuration disk.
const CONFIGURATION: &str = "UNDERSTUDY";

/// All of them, by device. `root` is where `/sys` and `/run` are.
pub fn all(root: &Path) -> Vec<Found> {
    let boot = boot_disks(root);
    let entries = std::fs::read_dir(root.join("sys/class/block")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<_> = names.filter_map(|name| look(root, &name, &boot)).collect();
    found.sort_by(|a, b| a.device.cmp(&b.device));
    found
}

/// Whether files may be read from this device, and written to it. The units that do so ask for themselves: they need not trust who started
/// them not to name a partition of the system.
pub fn is_stick(root: &Path, device: &str) -> bool {
    look(root, device, &boot_disks(root)).is_some_and(|found| found.unreadable.is_empty())
}

fn look(root: &Path, device: &str, boot: &BTreeSet<String>) -> Option<Found> {
    if !is_device(device) || !DISKS.iter().any(|kind| device.starts_with(kind)) {
        return None;
    }
    let disk = whole_disk(root, device)?;
    let folder = root.join("sys/class/block").join(device);
    let record = Record::read(root, &text(&folder, "dev")?);
    let unreadable = unreadable(record.get("ID_FS_TYPE")?)?;
    if boot.contains(&disk) || record.get("ID_FS_LABEL") == Some(CONFIGURATION) {
        return None;
    }
    let whole = root.join("sys/class/block").join(&disk);
    if !is_brought(&whole, &disk) {
        return None;
    }
    let model = text(&whole, "dev").map(|number| Record::read(root, &number).model()).unwrap_or_default();
    Some(Found {
        device: device.to_owned(),
        label: printable(record.get("ID_FS_LABEL").unwrap_or_default()),
        model: printable(&model),
        size: text(&folder, "size")?.parse::<u64>().ok()?.saturating_mul(512),
        unreadable: unreadable.to_owned(),
    })
}

/// Whether somebody can have put this disk in: at USB, a card, anything with a slot; for virtual machines, any disk. One that is built in is
/// none, whatever is on it.
fn is_brought(whole: &Path, disk: &str) -> bool {
    const SLOTS: [&str; 3] = ["mmcblk", "vd", "xvd"];
    let at_usb = |path: PathBuf| path.iter().any(|part| part.to_string_lossy().starts_with("usb"));
    SLOTS.iter().any(|kind| disk.starts_with(kind))
        || text(whole, "removable").as_deref() == Some("1")
        || whole.canonicalize().is_ok_and(at_usb)
}

/// Why a file system of this kind, as libblkid names it, cannot be read; empty if it can; nothing for those that no stick has.
fn unreadable(kind: &str) -> Option<&'static str> {
    match kind {
        "vfat" => Some(""),
        "exfat" => Some("it is formatted as exFAT, which this box does not read: format it as FAT32"),
        "ntfs" => Some("it is formatted as NTFS, which this box does not read: format it as FAT32"),
        _ => None,
    }
}

/// Disks that the system runs from: the initramfs has left links to their partitions.
fn boot_disks(root: &Path) -> BTreeSet<String> {
    let links = std::fs::read_dir(root.join("run/boot-disk")).into_iter().flatten().flatten();
    // Only their names: `/dev` need not be there.
    let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    let names = targets.filter_map(|target| Some(target.file_name()?.to_str()?.to_owned()));
    names.filter_map(|name| whole_disk(root, &name)).collect()
}

/// The disk that this one is, or that this partition is on.
fn whole_disk(root: &Path, device: &str) -> Option<String> {
    let real = root.join("sys/class/block").join(device).canonicalize().ok()?;
    if !real.join("partition").exists() {
        return Some(device.to_owned());
    }
    Some(real.parent()?.file_name()?.to_str()?.to_owned())
}

fn text(folder: &Path, name: &str) -> Option<String> {
    Some(std::fs::read_to_string(folder.join(name)).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A box with a system disk, a data disk of the pool, and sticks.
    fn world() -> tempfile::TempDir {
        let world = tempfile::tempdir().unwrap();
        let root = world.path();
        for folder in ["sys/class/block", "run/udev/data", "run/boot-disk"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let disks = [
            ("vda", "254:0", "E:ID_PART_TABLE_TYPE=gpt\n"),
            ("vda/vda1", "254:1", "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=ESP\n"),
            ("vda/vda7", "254:7", "E:ID_FS_TYPE=ext4\n"),
            ("usb1/sdb", "8:16", "E:ID_VENDOR=SanDisk\nE:ID_MODEL=Ultra\nE:ID_BUS=usb\n"),
            ("usb1/sdb/sdb1", "8:17", "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=TOOLS\n"),
            ("usb1/sdc", "8:32", "E:ID_FS_TYPE=exfat\nE:ID_FS_LABEL=BIG\n"),
            ("usb1/sdd", "8:48", "E:ID_FS_TYPE=zfs_member\n"),
            ("ata1/sde", "8:64", "E:ID_FS_TYPE=vfat\n"),
            ("ata1/sdf", "8:80", "E:ID_FS_TYPE=vfat\n"),
            ("nvme0/nvme0n1", "259:0", "E:ID_FS_TYPE=vfat\n"),
            ("vdb", "254:16", "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=UNDERSTUDY\n"),
            ("vdc", "254:32", "E:ID_FS_TYPE=vfat\n"),
            ("zd0", "230:0", "E:ID_FS_TYPE=vfat\n"),
            ("nbd0", "43:0", "E:ID_FS_TYPE=vfat\n"),
        ];
        for (path, number, record) in disks {
            let name = path.rsplit('/').next().unwrap();
            let folder = root.join("sys/devices").join(path);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
            std::fs::write(folder.join("size"), "2048\n").unwrap();
            if name.starts_with(path.rsplit('/').nth(1).unwrap_or("none")) {
                std::fs::write(folder.join("partition"), "1\n").unwrap();
            }
            symlink(&folder, root.join("sys/class/block").join(name)).unwrap();
            std::fs::write(root.join(format!("run/udev/data/b{number}")), record).unwrap();
        }
        // A slot for disks.
        std::fs::write(root.join("sys/devices/ata1/sdf/removable"), "1\n").unwrap();
        symlink("/dev/vda7", root.join("run/boot-disk/state")).unwrap();
        std::fs::write(root.join("run/boot-disk/proven"), "").unwrap();
        world
    }

    #[test]
    fn sticks_are_what_somebody_brought_and_nothing_of_the_box() {
        let world = world();
        let found = all(world.path());
        let devices: Vec<_> = found.iter().map(|stick| stick.device.as_str()).collect();
        assert_eq!(devices, ["sdb1", "sdc", "sdf", "vdc"]);
        let stick = &found[0];
        assert_eq!(
            (stick.label.as_str(), stick.model.as_str(), stick.size),
            ("TOOLS", "SanDisk Ultra", 1 << 20)
        );
        assert_eq!(stick.unreadable, "");
        assert!(found[1].unreadable.contains("format it as FAT32"));
    }

    #[test]
    fn the_units_touch_sticks_only_whatever_they_are_told() {
        let world = world();
        assert!(is_stick(world.path(), "sdb1") && is_stick(world.path(), "vdc"));
        for no in [
            "vda1", "vda7", "vda", "vdb", "sdc", "sdd", "sde", "nvme0n1", "zd0", "nbd0", "sdz", "../sdb1", "",
        ] {
            assert!(!is_stick(world.path(), no), "{no}");
        }
    }
}
