//! A machine to describe.

use std::path::Path;

use understudy_agent::inventory::{Probe, Superblock};
use understudy_wire::{Bytes, Firmware, Inventory, PROTOCOL};

pub fn inventory() -> Inventory {
    Inventory {
        protocol: PROTOCOL,
        agent_version: "1".into(),
        capabilities: Vec::new(),
        host_name: "ledger".into(),
        machine_id: "8d3a0d4f7c5e4c1f9e0b3c2a1d4e5f60".into(),
        os: "Debian GNU/Linux 13 (trixie)".into(),
        kernel: "6.12.0".into(),
        firmware: Firmware::Uefi,
        cpus: 2,
        memory: Bytes(2 << 30),
        disks: Vec::new(),
        interfaces: Vec::new(),
    }
}

/// A root directory with the files an inventory is read from, and one disk.
pub fn tree(root: &Path) {
    for (path, text) in [
        ("etc/machine-id", "8d3a0d4f7c5e4c1f9e0b3c2a1d4e5f60\n"),
        ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
        ("proc/sys/kernel/random/boot_id", "boot-1\n"),
        ("proc/1/mountinfo", "21 1 254:0 / / rw - ext4 /dev/vda rw\n"),
        ("proc/meminfo", "MemTotal:        2014448 kB\n"),
        ("proc/partitions", ""),
        ("sys/devices/system/cpu/online", "0-1\n"),
        ("sys/block/vda/dev", "254:0\n"),
        ("sys/block/vda/size", "2048\n"),
        ("sys/block/vda/serial", "system\n"),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(root.join("sys/class/net")).unwrap();
}

/// Finds an ext4 on every device.
pub struct Ext4;

impl Probe for Ext4 {
    fn probe(&self, _: &Path) -> anyhow::Result<Superblock> {
        Ok(Superblock { filesystem: "ext4".into(), uuid: "u".into(), ..Superblock::default() })
    }
}
