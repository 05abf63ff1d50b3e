//! What lives where on the pool. Names are ids, never user text, so none can escape its place.
//!
//! ```text
//! POOL/understudy/machines/MACHINE             a machine, with its record as properties
//! POOL/understudy/machines/MACHINE/DISK        volume of one disk
//! POOL/understudy/machines/MACHINE/DISK@rp-ID  recovery point
//! POOL/understudy/vms/VM/DISK                  clone a VM runs on
//! POOL/understudy/reserve                      room that backups cannot use
//! ```

use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};

/// The one pool of a box.
pub const POOL: &str = "understudy";
/// Everything of ours.
pub const ROOT: &str = "understudy/understudy";
/// One dataset a protected machine.
pub const MACHINES: &str = "understudy/understudy/machines";
/// One dataset a VM with clones.
pub const VMS: &str = "understudy/understudy/vms";
/// Holds nothing but a reservation.
pub const RESERVE: &str = "understudy/understudy/reserve";

/// Version of these names and of the properties below.
pub const VERSION: u64 = 1;
/// Property: [`VERSION`].
pub const PROPERTY_VERSION: &str = "org.understudy:version";
/// Property of a volume: true size of the disk in bytes. Snapshots and nothing else inherit it.
pub const PROPERTY_SIZE: &str = "org.understudy:size";
/// Property of a volume: logical sector size in bytes.
pub const PROPERTY_SECTOR: &str = "org.understudy:sector";
/// Property of a VM's dataset: the machine it stands in for.
pub const PROPERTY_MACHINE: &str = "org.understudy:machine";
/// Property of a VM's dataset: the recovery point it runs from.
pub const PROPERTY_POINT: &str = "org.understudy:point";

/// Size of a volume's blocks in bytes: the unit agents track and send, so that one changed block costs one block.
pub const VOLUME_BLOCK: u64 = understudy_bus::wire::BLOCK;

/// The dataset of a machine.
pub fn machine(machine: MachineId) -> String {
    format!("{MACHINES}/{machine}")
}

/// The volume of a machine's disk.
pub fn volume(machine: MachineId, disk: DiskId) -> String {
    format!("{MACHINES}/{machine}/{disk}")
}

/// The snapshot of a volume.
pub fn snapshot(machine: MachineId, disk: DiskId, point: RecoveryPointId) -> String {
    format!("{MACHINES}/{machine}/{disk}@rp-{point}")
}

/// The dataset of a VM.
pub fn vm(vm: VmId) -> String {
    format!("{VMS}/{vm}")
}

/// The clone of one disk for a VM.
pub fn clone(vm: VmId, disk: DiskId) -> String {
    format!("{VMS}/{vm}/{disk}")
}

/// The tag of a VM's holds.
pub fn hold(vm: VmId) -> String {
    format!("understudy-vm-{vm}")
}

/// Where udev puts the node of a volume or snapshot.
pub fn device(dataset: &str) -> String {
    format!("/dev/zvol/{dataset}")
}

/// Parses `…/machines/MACHINE`; nothing for any other dataset.
pub fn parse_machine(name: &str) -> Option<MachineId> {
    name.strip_prefix(MACHINES)?.strip_prefix('/')?.parse().ok()
}

/// Parses `…/machines/MACHINE/DISK`; nothing for any other dataset.
pub fn parse_volume(name: &str) -> Option<(MachineId, DiskId)> {
    let (machine, disk) = name.strip_prefix(MACHINES)?.strip_prefix('/')?.split_once('/')?;
    Some((machine.parse().ok()?, disk.parse().ok()?))
}

/// Parses `…/machines/MACHINE/DISK@rp-ID`; nothing for any other snapshot.
pub fn parse_snapshot(name: &str) -> Option<(MachineId, DiskId, RecoveryPointId)> {
    let (volume, snapshot) = name.split_once('@')?;
    let (machine, disk) = parse_volume(volume)?;
    Some((machine, disk, snapshot.strip_prefix("rp-")?.parse().ok()?))
}

/// Parses `…/vms/VM`; nothing for any other dataset.
pub fn parse_vm(name: &str) -> Option<VmId> {
    name.strip_prefix(VMS)?.strip_prefix('/')?.parse().ok()
}

/// Parses `…/vms/VM/DISK`; nothing for any other dataset.
pub fn parse_clone(name: &str) -> Option<(VmId, DiskId)> {
    let (vm, disk) = name.strip_prefix(VMS)?.strip_prefix('/')?.split_once('/')?;
    Some((vm.parse().ok()?, disk.parse().ok()?))
}

/// The smallest volume size that holds `size` bytes: a whole number of volume blocks, as ZFS demands.
pub fn rounded(size: u64) -> u64 {
    size.div_ceil(VOLUME_BLOCK) * VOLUME_BLOCK
}

/// How much of a pool of `size` bytes backups cannot use, so that deleting and booting still work when it is full: 3 %, at
/// least 64 MiB (ZFS itself needs some to free anything), at most 64 GiB (more helps nobody).
pub fn reserve(size: u64) -> u64 {
    (size / 100 * 3).clamp(64 << 20, 64 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_were_made_from() {
        let (m, d, p, v) = (MachineId::new(), DiskId::new(), RecoveryPointId::new(), VmId::new());
        assert_eq!(parse_machine(&machine(m)), Some(m));
        assert_eq!(parse_volume(&volume(m, d)), Some((m, d)));
        assert_eq!(parse_snapshot(&snapshot(m, d, p)), Some((m, d, p)));
        assert_eq!(parse_vm(&vm(v)), Some(v));
        assert_eq!(parse_clone(&clone(v, d)), Some((v, d)));
    }

    #[test]
    fn other_datasets_are_not_ours() {
        let (m, d) = (MachineId::new(), DiskId::new());
        assert_eq!(parse_volume(&machine(m)), None);
        assert_eq!((parse_machine(MACHINES), parse_machine(&volume(m, d))), (None, None));
        assert_eq!(parse_volume(&format!("{}/x", volume(m, d))), None);
        assert_eq!(parse_snapshot(&format!("{}@daily", volume(m, d))), None);
        assert_eq!(parse_vm(MACHINES), None);
    }

    #[test]
    fn the_longest_name_fits_into_zfs() {
        let longest = snapshot(MachineId::new(), DiskId::new(), RecoveryPointId::new());
        assert!(longest.len() < 256, "{} characters", longest.len());
    }

    #[test]
    fn a_volume_is_a_whole_number_of_blocks_and_never_smaller_than_its_disk() {
        assert_eq!(rounded(1), VOLUME_BLOCK);
        assert_eq!(rounded(VOLUME_BLOCK), VOLUME_BLOCK);
        assert_eq!(rounded(VOLUME_BLOCK * 7 + 512), VOLUME_BLOCK * 8);
    }

    #[test]
    fn the_reserve_is_bounded_both_ways() {
        assert_eq!(reserve(1 << 30), 64 << 20);
        assert_eq!(reserve(100_000_000_000), 3_000_000_000);
        assert_eq!(reserve(1 << 50), 64 << 30);
    }
}
