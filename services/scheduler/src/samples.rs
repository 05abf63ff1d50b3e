//! Values for unit tests.

use understudy_wire::{Bytes, Disk, DiskId, Firmware, Interface, Inventory, JobId, MachineId, Partition};

use crate::machine_record::MachineRecord;
use crate::point_record::PointRecord;

/// A machine with as many disks, each with three partitions.
pub fn inventory(name: &str, disks: usize) -> Inventory {
    let partition = |number: u32| Partition {
        number,
        start: Bytes(u64::from(number) << 30),
        size: Bytes(1 << 30),
        filesystem: "ext4".into(),
        mounted_at: vec![format!("/srv/data/volume-{number}")],
    };
    let disk = |index: usize| Disk {
        id: DiskId::new(),
        name: format!("sd{index}"),
        serial: format!("WD-WCC4N0000{index:08}"),
        size: Bytes((index as u64 + 1) << 40),
        sector_size: 512,
        table: "gpt".into(),
        table_id: "5a0b7c1e-88a4-4c7e-9f0c-3f2d1e0b9a87".into(),
        partitions: (1..=3).map(partition).collect(),
        filesystem: String::new(),
        mounted_at: Vec::new(),
    };
    let interface = |index: usize| Interface {
        name: format!("enp{index}s0"),
        mac: "52:54:00:12:34:56".into(),
        addresses: vec!["192.0.2.7/24".into(), "2001:db8::5054:ff:fe12:3456/64".into()],
    };
    Inventory {
        protocol: 1,
        agent_version: "0.1.0".into(),
        capabilities: Vec::new(),
        host_name: name.into(),
        machine_id: MachineId::new().to_string(),
        os: "Debian GNU/Linux 13 (trixie)".into(),
        kernel: "6.12.48+deb13-amd64".into(),
        firmware: Firmware::Uefi,
        cpus: 8,
        memory: Bytes(64 << 30),
        disks: (0..disks).map(disk).collect(),
        interfaces: (0..4).map(interface).collect(),
    }
}

/// A paired machine with two disks and a timetable.
pub fn machine_record(name: &str) -> MachineRecord {
    let machine = MachineId::new();
    MachineRecord {
        version: 1,
        machine,
        name: name.into(),
        key: format!("{machine}{machine}"),
        selector: "7K4P".into(),
        inventory: serde_json::to_string(&inventory(name, 2)).unwrap_or_default(),
        timetable: "0 30 2 * * *".into(),
        time_zone: "Europe/Berlin".into(),
    }
}

/// What a job of an agent with this key stores with its point.
pub fn point_record(machine: MachineId, name: &str, key: &str) -> PointRecord {
    PointRecord {
        version: 1,
        machine,
        name: name.into(),
        key: key.into(),
        job: JobId::new(),
        cause: "request".into(),
        inventory: inventory(name, 1),
        disks: Vec::new(),
    }
}
