use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A system's folders with disks in them.
struct Box(tempfile::TempDir);

impl Box {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["dev/disk/by-id", "sys/class/block", "run/udev/data", "run/boot-disk", "proc/self"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Self(root)
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A disk `name` with a number and size in bytes, and what udev knows of it.
    fn disk(&self, name: &str, number: &str, size: u64, record: &str) {
        let folder = format!("sys/class/block/{name}");
        self.write(&format!("{folder}/dev"), &format!("{number}\n"));
        self.write(&format!("{folder}/size"), &(size / 512).to_string());
        self.write(&format!("{folder}/queue/logical_block_size"), "4096\n");
        self.write(&format!("{folder}/queue/rotational"), "1\n");
        self.write(&format!("dev/{name}"), "");
        self.write(&format!("run/udev/data/b{number}"), record);
    }

    /// A partition of a disk.
    fn partition(&self, disk: &str, name: &str, number: &str, record: &str) {
        let folder = format!("sys/class/block/{disk}/{name}");
        self.write(&format!("{folder}/dev"), number);
        self.write(&format!("{folder}/partition"), "1");
        symlink(format!("{disk}/{name}"), self.root().join("sys/class/block").join(name)).unwrap();
        self.write(&format!("dev/{name}"), "");
        self.write(&format!("run/udev/data/b{number}"), record);
    }

    fn facts(&self, name: &str) -> Facts {
        Facts::read(self.root(), name).unwrap()
    }

    fn unusable(&self, name: &str) -> String {
        self.facts(name).unusable(self.root(), &Uses { guid: Some(77), ..Uses::of_system(self.root()) })
    }
}

const GIB: u64 = 1 << 30;
const NAMED: &str = "S:disk/by-id/ata-X_1\nE:ID_SERIAL_SHORT=1\n";

#[test]
fn only_whole_disks_are_disks() {
    let system = Box::new();
    for name in ["sda", "vdb", "nvme0n1", "mmcblk0", "xvda", "rbd0"] {
        system.disk(name, "8:0", GIB, NAMED);
    }
    for name in [
        "loop0",
        "nbd3",
        "zram0",
        "zd16",
        "dm-0",
        "md127",
        "sr0",
        "fd0",
        "ram1",
        "mmcblk0boot0",
        "mmcblk0rpmb",
    ] {
        system.disk(name, "9:0", GIB, NAMED);
    }
    system.partition("sda", "sda1", "8:1", "");
    system.disk("nvme0c0n1", "259:9", GIB, NAMED);
    system.write("sys/class/block/nvme0c0n1/hidden", "1\n");
    let mut names: Vec<_> = all(system.root()).into_iter().map(|facts| facts.kernel).collect();
    names.sort();
    assert_eq!(names, ["mmcblk0", "nvme0n1", "rbd0", "sda", "vdb", "xvda"]);
}

#[tokio::test]
async fn a_disk_is_described_as_its_owner_knows_it() {
    let system = Box::new();
    let record = "S:disk/by-id/usb-Maker_Stick_77\nE:ID_BUS=usb\nE:ID_VENDOR=Maker\nE:ID_MODEL=Stick\n\
                  E:ID_SERIAL_SHORT=77\nE:ID_PART_TABLE_TYPE=dos\n";
    system.disk("sdb", "8:16", 16 * GIB, record);
    system.partition("sdb", "sdb1", "8:17", "E:ID_FS_TYPE=ntfs\nE:ID_FS_LABEL=DATA\n");
    let disk = system.facts("sdb").describe(system.root(), &Uses::default()).await;
    let expected = zfs::Disk {
        name: "/dev/disk/by-id/usb-Maker_Stick_77".into(),
        node: "/dev/sdb".into(),
        model: "Maker Stick".into(),
        serial: "77".into(),
        size: 16 * GIB,
        sector_size: 4096,
        rotational: true,
        removable: true,
        contents: "partition table (dos) with 1 partition: a Windows NTFS file system \"DATA\"".into(),
        usable: String::new(),
    };
    assert_eq!(disk, expected);
}

#[test]
fn a_disk_says_why_it_cannot_be_used() {
    let system = Box::new();
    system.disk("vda", "8:0", 8 * GIB, NAMED);
    assert_eq!(system.unusable("vda"), "");
    system.disk("vdb", "8:16", GIB - 512, NAMED);
    assert_eq!(system.unusable("vdb"), "too small: at least 1 GiB");
    system.disk("vdc", "8:32", 8 * GIB, "S:disk/by-path/pci-1\n");
    assert!(system.unusable("vdc").contains("no serial number"));
    system.disk("vdd", "8:48", 8 * GIB, NAMED);
    system.write("sys/class/block/vdd/ro", "1");
    assert_eq!(system.unusable("vdd"), "read-only");
    system.disk("vde", "8:64", 0, NAMED);
    assert!(system.unusable("vde").contains("no medium"));
    system.disk("vdf", "8:80", 8 * GIB, NAMED);
    system.partition("vdf", "vdf1", "8:81", "");
    system.write("sys/class/block/vdf/vdf1/holders/dm-0", "");
    assert_eq!(system.unusable("vdf"), "in use by this box");
}

#[test]
fn the_disks_of_the_system_and_of_the_pool_are_known() {
    let system = Box::new();
    system.disk("sda", "8:0", 8 * GIB, NAMED);
    system.partition("sda", "sda7", "8:7", "");
    symlink(system.root().join("dev/sda7"), system.root().join("run/boot-disk/state")).unwrap();
    assert_eq!(system.unusable("sda"), "this box starts from it");
    system.disk("sdb", "8:16", 8 * GIB, NAMED);
    system.partition("sdb", "sdb1", "8:17", "");
    system.write("proc/self/mountinfo", "36 35 8:17 / /mnt rw - ext4 /dev/sdb1 rw\n");
    assert_eq!(system.unusable("sdb"), "mounted");
    for (name, guid, reason) in [("sdc", "77", "part of this box's pool"), ("sdd", "78", "")] {
        system.disk(name, &format!("8:3{guid}"), 8 * GIB, NAMED);
        let record = format!("E:ID_FS_TYPE=zfs_member\nE:ID_FS_UUID={guid}\nE:ID_FS_LABEL=understudy\n");
        system.partition(name, &format!("{name}1"), &format!("8:4{guid}"), &record);
        assert_eq!(system.unusable(name), reason);
    }
}

#[tokio::test]
async fn a_disk_without_any_name_of_its_own_is_listed_by_its_node() {
    let system = Box::new();
    system.disk("vda", "8:0", 8 * GIB, "S:disk/by-diskseq/4\n");
    system.disk("vdb", "8:16", 8 * GIB, "S:disk/by-path/pci-0000:00:04.0\n");
    let names = [("vda", "/dev/vda"), ("vdb", "/dev/disk/by-path/pci-0000:00:04.0")];
    for (kernel, name) in names {
        let disk = system.facts(kernel).describe(system.root(), &Uses::default()).await;
        assert_eq!((disk.name.as_str(), disk.serial.as_str(), disk.contents.as_str()), (name, "", ""));
        assert!(!disk.usable.is_empty());
    }
}
