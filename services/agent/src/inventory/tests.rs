//! Inventories of machines that exist only as trees of files.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use understudy_wire::{Bytes, Firmware, Inventory};

use super::*;

/// A root directory with the files of a machine, and what lies on its disks.
struct Machine {
    dir: tempfile::TempDir,
    contents: BTreeMap<PathBuf, Superblock>,
}

struct Listed(BTreeMap<PathBuf, Superblock>);

impl Probe for Listed {
    fn probe(&self, device: &Path) -> anyhow::Result<Superblock> {
        Ok(self.0.get(device).cloned().unwrap_or_default())
    }
}

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap(), contents: BTreeMap::new() };
        machine.file("etc/machine-id", "8d3a0d4f7c5e4c1f9e0b3c2a1d4e5f60\n");
        machine.file("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n");
        machine.file("proc/sys/kernel/random/boot_id", "boot-1\n");
        machine.file("proc/1/mountinfo", "21 1 254:2 / / rw - ext4 /dev/vda2 rw\n");
        machine.file("proc/meminfo", "MemTotal:        2014448 kB\nMemFree: 1 kB\n");
        machine.file("proc/partitions", "");
        machine.file("sys/devices/system/cpu/online", "0-1\n");
        std::fs::create_dir_all(machine.path("sys/class/net")).unwrap();
        std::fs::create_dir_all(machine.path("sys/block")).unwrap();
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn file(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn disk(&self, name: &str, number: &str, sectors: u64, attributes: &[(&str, &str)]) {
        let common = [
            ("dev", number),
            ("size", &sectors.to_string()),
            ("removable", "0"),
            ("queue/logical_block_size", "512"),
        ];
        for (attribute, value) in common.iter().chain(attributes) {
            self.file(&format!("sys/block/{name}/{attribute}"), &format!("{value}\n"));
        }
    }

    fn partition(&self, disk: &str, name: &str, number: (u32, &str), start: u64, sectors: u64) {
        for (attribute, value) in [
            ("partition", number.0.to_string()),
            ("dev", number.1.to_owned()),
            ("start", start.to_string()),
            ("size", sectors.to_string()),
        ] {
            self.file(&format!("sys/block/{disk}/{name}/{attribute}"), &value);
        }
    }

    fn holds(&mut self, device: &str, superblock: Superblock) {
        self.contents.insert(device.into(), superblock);
    }

    fn inventory(&self, memory: &mut Memory) -> Inventory {
        collect(&Root::new(self.dir.path()), &Listed(self.contents.clone()), memory).unwrap()
    }
}

fn table(id: &str) -> Superblock {
    Superblock { table: "gpt".into(), table_id: id.into(), ..Superblock::default() }
}

fn filesystem(kind: &str, uuid: &str) -> Superblock {
    Superblock { filesystem: kind.into(), uuid: uuid.into(), ..Superblock::default() }
}

fn memory() -> (tempfile::TempDir, Memory) {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::open(dir.path()).unwrap();
    (dir, memory)
}

#[test]
fn a_virtual_machine_with_two_disks_is_described() {
    let mut machine = Machine::new();
    std::fs::create_dir_all(machine.path("sys/firmware/efi")).unwrap();
    machine.disk("vda", "254:0", 8_388_608, &[("serial", "system")]);
    machine.partition("vda", "vda2", (2, "254:2"), 206_848, 8_179_712);
    machine.partition("vda", "vda1", (1, "254:1"), 2048, 204_800);
    machine.disk("vdb", "254:16", 1_000_001, &[("queue/logical_block_size", "512")]);
    machine.holds("/dev/vda", table("disk-guid"));
    machine.holds("/dev/vda1", filesystem("vfat", "AAAA-BBBB"));
    machine.holds("/dev/vda2", filesystem("ext4", "root-uuid"));
    machine.holds("/dev/vdb", filesystem("xfs", "data-uuid"));
    machine.file(
        "proc/1/mountinfo",
        "21 1 254:2 / / rw - ext4 /dev/vda2 rw\n22 21 254:1 / /boot/efi rw - vfat /dev/vda1 rw\n\
         23 21 254:16 / /srv/data rw - xfs /dev/vdb rw\n",
    );
    let inventory = machine.inventory(&mut memory().1);
    assert_eq!((inventory.firmware, inventory.cpus), (Firmware::Uefi, 2));
    assert_eq!(inventory.memory, Bytes(2_014_448 * 1024));
    assert_eq!(inventory.os, "Debian GNU/Linux 13 (trixie)");
    assert_eq!(inventory.machine_id, "8d3a0d4f7c5e4c1f9e0b3c2a1d4e5f60");
    let [vda, vdb] = inventory.disks.as_slice() else { panic!("{:?}", inventory.disks) };
    assert_eq!((vda.name.as_str(), vda.serial.as_str(), vda.table.as_str()), ("vda", "system", "gpt"));
    assert_eq!((vda.table_id.as_str(), vda.size, vda.sector_size), ("disk-guid", Bytes(4 << 30), 512));
    let partitions: Vec<_> =
        vda.partitions.iter().map(|p| (p.number, p.filesystem.as_str(), p.start)).collect();
    assert_eq!(partitions, [(1, "vfat", Bytes(1 << 20)), (2, "ext4", Bytes(101 << 20))]);
    assert_eq!(vda.partitions[0].mounted_at, ["/boot/efi"]);
    assert_eq!((vdb.size, vdb.filesystem.as_str()), (Bytes(1_000_001 * 512), "xfs"));
    assert_eq!((vdb.table.as_str(), vdb.mounted_at.as_slice()), ("", ["/srv/data".to_owned()].as_slice()));
}

#[test]
fn a_disk_keeps_its_id_when_it_is_renamed() {
    let (dir, mut memory) = memory();
    let mut first = Machine::new();
    first.disk("sda", "8:0", 1000, &[]);
    first.disk("sdb", "8:16", 1000, &[("device/serial", "S2")]);
    first.holds("/dev/sda", table("one"));
    first.holds("/dev/sdb", table("two"));
    let before = first.inventory(&mut memory).disks;
    memory.store().unwrap();

    let mut second = Machine::new();
    second.file("proc/sys/kernel/random/boot_id", "boot-2\n");
    second.disk("vda", "254:0", 1000, &[("serial", "S2")]);
    second.disk("vdb", "254:16", 1000, &[]);
    second.holds("/dev/vda", table("two"));
    second.holds("/dev/vdb", table("one"));
    let after = second.inventory(&mut Memory::open(dir.path()).unwrap()).disks;
    assert_eq!([after[0].id, after[1].id], [before[1].id, before[0].id]);
}

#[test]
fn what_is_no_disk_of_the_machine_is_left_out() {
    let machine = Machine::new();
    machine.disk("loop0", "7:0", 100, &[]);
    machine.disk("dm-0", "253:0", 100, &[]);
    machine.disk("sr0", "11:0", 100, &[]);
    machine.disk("sda", "8:0", 0, &[]);
    machine.disk("sdb", "8:16", 100, &[("removable", "1")]);
    machine.disk("sdd", "8:48", 100, &[]);
    // A volume of a box, and one of somebody else's storage: only the first is left out.
    for (disk, number, session, target) in [
        ("sde", "8:64", "session1", "iqn.2026-01.org.understudy:job.0.0"),
        ("sdf", "8:80", "session2", "iqn.2010-01.net.example:store"),
    ] {
        let real = machine.path(&format!("sys/devices/platform/host1/{session}/target1/block/{disk}"));
        std::fs::create_dir_all(&real).unwrap();
        symlink(&real, machine.path(&format!("sys/block/{disk}"))).unwrap();
        machine.disk(disk, number, 100, &[]);
        machine.file(
            &format!("sys/devices/platform/host1/{session}/iscsi_session/{session}/targetname"),
            target,
        );
    }
    let names: Vec<_> = machine.inventory(&mut memory().1).disks.into_iter().map(|disk| disk.name).collect();
    assert_eq!(names, ["sdd", "sdf"]);
}

#[test]
fn a_scsi_serial_number_is_read_from_its_page() {
    let machine = Machine::new();
    machine.disk("sda", "8:0", 100, &[]);
    std::fs::create_dir_all(machine.path("sys/block/sda/device")).unwrap();
    std::fs::write(machine.path("sys/block/sda/device/vpd_pg80"), b"\x00\x80\x00\x06 Z4D0 extra").unwrap();
    assert_eq!(machine.inventory(&mut memory().1).disks[0].serial, "Z4D0");
}

#[test]
fn memory_is_what_is_plugged_in_where_the_kernel_says_so() {
    let machine = Machine::new();
    machine.file("sys/devices/system/memory/block_size_bytes", "8000000\n");
    for block in 0..16 {
        machine.file(&format!("sys/devices/system/memory/memory{block}/online"), "1\n");
    }
    machine.file("sys/devices/system/memory/memory16/online", "0\n");
    assert_eq!(machine.inventory(&mut memory().1).memory, Bytes(2 << 30));
}

#[test]
fn only_interfaces_with_hardware_are_described() {
    let machine = Machine::new();
    machine.file("sys/class/net/ens3/address", "52:54:00:12:34:56\n");
    std::fs::create_dir_all(machine.path("sys/class/net/ens3/device")).unwrap();
    machine.file("sys/class/net/br0/address", "52:54:00:12:34:56\n");
    let addresses = BTreeMap::from([("ens3".to_owned(), vec!["192.0.2.7/24".to_owned()])]);
    let found = interfaces::read(&Root::new(machine.dir.path()), &addresses).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].mac.as_str()), ("ens3", "52:54:00:12:34:56"));
    assert_eq!(found[0].addresses, ["192.0.2.7/24"]);
}

#[test]
fn a_mount_changes_the_fingerprint_and_time_does_not() {
    let machine = Machine::new();
    let root = Root::new(machine.dir.path());
    let before = fingerprint(&root).unwrap();
    assert_eq!(fingerprint(&root).unwrap(), before);
    machine.file(
        "proc/1/mountinfo",
        "21 1 254:2 / / rw - ext4 /dev/vda2 rw\n22 21 8:1 / /mnt rw - ext4 /dev/sda1 rw\n",
    );
    assert_ne!(fingerprint(&root).unwrap(), before);
}

/// What any user of any machine may read; superblocks and the host's mounts are for root, and are tested on images above.
#[test]
fn this_machine_can_be_described() {
    let root = Root::system();
    assert!(system::cpus(&root).unwrap() >= 1);
    assert!(system::memory(&root).unwrap() > Bytes(64 << 20));
    assert!(!system::boot_id(&root).unwrap().is_empty());
    assert!(!host_name().unwrap().is_empty() && !system::kernel().unwrap().is_empty());
    interfaces::read(&root, &interfaces::addresses().unwrap()).unwrap();
    for found in block::disks(&root).unwrap() {
        assert!(found.disk.size > Bytes(0) && found.disk.sector_size >= 512, "{found:?}");
        for partition in &found.disk.partitions {
            assert!(partition.start.0 + partition.size.0 <= found.disk.size.0, "{found:?}");
        }
    }
}
