//! What the D-Bus edge asks of the storage behind it. Arguments are already parsed: whoever implements this trusts them.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use tokio::sync::watch;
use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{Bytes, DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{Disk, DiskClone, ImportablePool, MachineRecord, Point, Pool, Volume};
use understudy_recovery_key::RecoveryKey;

/// How the disks of a pool back each other up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redundancy {
    /// Every disk holds everything.
    Mirror,
    /// One disk may fail.
    Raidz1,
    /// Two disks may fail.
    Raidz2,
    /// One disk, none may fail.
    Single,
}

impl Redundancy {
    /// Parses the word used on the bus and in settings.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "mirror" => Ok(Self::Mirror),
            "raidz1" => Ok(Self::Raidz1),
            "raidz2" => Ok(Self::Raidz2),
            "single" => Ok(Self::Single),
            other => Err(Error::InvalidArgument(format!(
                "{other:?} is no pool layout; use mirror, raidz1, raidz2 or single"
            ))),
        }
    }

    /// Refuses a number of disks that this layout makes no sense with.
    pub fn check_disks(self, disks: usize) -> Result<()> {
        let (fits, wanted) = match self {
            Self::Single => (disks == 1, "exactly one disk"),
            Self::Mirror => (disks >= 2, "two disks or more"),
            Self::Raidz1 => (disks >= 3, "three disks or more"),
            Self::Raidz2 => (disks >= 4, "four disks or more"),
        };
        if fits {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("a {self:?} pool takes {wanted}, not {disks}")))
    }
}

/// A disk's size as the machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// True size.
    pub size: Bytes,
    /// Logical sector size in bytes.
    pub sector: u32,
}

impl Geometry {
    /// Checks a size and a sector size against each other.
    pub fn new(size: u64, sector: u32) -> Result<Self> {
        if !matches!(sector, 512 | 4096) {
            return Err(Error::InvalidArgument(format!(
                "a disk with logical sectors of {sector} bytes is not supported; only 512 and 4096 are"
            )));
        }
        if size == 0 || !size.is_multiple_of(u64::from(sector)) {
            return Err(Error::InvalidArgument(format!(
                "a disk of {size} bytes is impossible with sectors of {sector} bytes"
            )));
        }
        Ok(Self { size: Bytes(size), sector })
    }
}

/// A disk as its owner may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedDisk {
    /// Its path beneath `/dev/disk/by-id`.
    pub path: PathBuf,
    /// Its serial number; empty if it has none.
    pub serial: String,
}

/// Which of the disks their owner has agreed to erase. A disk is meant by its serial number, which is what he reads on it; by
/// its path or the last part of that only where it has no number, or shares it with another of these.
pub fn agreed(disks: &[NamedDisk], erase: &[String]) -> Result<Vec<bool>> {
    let mut agreed = vec![false; disks.len()];
    let has = |disk: &NamedDisk, serial: &str| !serial.is_empty() && disk.serial.eq_ignore_ascii_case(serial);
    for named in erase {
        let named = named.trim();
        let by_serial: Vec<_> = (0..disks.len()).filter(|&index| has(&disks[index], named)).collect();
        let by_path = || {
            disks.iter().position(|disk| {
                disk.path.as_os_str() == named || disk.path.file_name().is_some_and(|name| name == named)
            })
        };
        let index = match (&by_serial[..], by_path()) {
            ([only], _) => *only,
            ([], Some(index)) => {
                let others = disks.iter().filter(|other| has(other, &disks[index].serial)).count();
                if others == 1 {
                    return Err(Error::InvalidArgument(format!(
                        "{named:?} has a serial number; to agree to erasing it, name it by that number"
                    )));
                }
                index
            }
            ([], None) => {
                return Err(Error::InvalidArgument(format!(
                    "{named:?} is to be erased but is the serial number of none of the disks that the pool is made of; \
                     nothing was changed"
                )));
            }
            (several, _) => {
                return Err(Error::InvalidArgument(format!(
                    "{} of these disks have the serial number {named:?}; name each of them by its path",
                    several.len()
                )));
            }
        };
        agreed[index] = true;
    }
    Ok(agreed)
}

/// A pool to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPool {
    /// How its disks back each other up.
    pub redundancy: Redundancy,
    /// Its disks: paths beneath `/dev/disk/by-id`.
    pub disks: Vec<PathBuf>,
    /// Those whose contents may be lost, as their owner named them: see [`agreed`].
    pub erase: Vec<String>,
    /// Whether it is encrypted with the recovery key.
    pub encrypted: bool,
}

/// The storage. Each method is one of `understudy_bus::zfs::ZfsProxy`, where its promises stand.
pub trait Engine: Send + Sync + 'static {
    /// See `disks` of the proxy.
    fn disks(&self) -> impl Future<Output = Result<Vec<Disk>>> + Send;
    /// See `create_pool`.
    fn create_pool(&self, new: NewPool) -> impl Future<Output = Result<()>> + Send;
    /// See `pool`.
    fn pool(&self) -> impl Future<Output = Result<Pool>> + Send;
    /// See `importable`.
    fn importable(&self) -> impl Future<Output = Result<Vec<ImportablePool>>> + Send;
    /// See `import_pool`; without a key if the pool is not encrypted, or it is to be found out whether it is.
    fn import_pool(&self, guid: u64, key: Option<RecoveryKey>) -> impl Future<Output = Result<()>> + Send;
    /// See `forget_pool`.
    fn forget_pool(&self) -> impl Future<Output = Result<()>> + Send;
    /// See `keep_recovery_key`.
    fn keep_recovery_key(&self, key: RecoveryKey) -> impl Future<Output = Result<()>> + Send;
    /// See `recovery_key`.
    fn recovery_key(&self) -> impl Future<Output = Result<(RecoveryKey, bool)>> + Send;
    /// See `confirm_recovery_key`.
    fn confirm_recovery_key(&self) -> impl Future<Output = Result<()>> + Send;
    /// See `unlock`.
    fn unlock(&self, key: RecoveryKey) -> impl Future<Output = Result<()>> + Send;
    /// What `PoolChanged` tells, whenever it changes.
    fn changes(&self) -> watch::Receiver<Pool>;
    /// See `create_volume`.
    fn create_volume(
        &self,
        machine: MachineId,
        disk: DiskId,
        geometry: Geometry,
    ) -> impl Future<Output = Result<Volume>> + Send;
    /// See `volumes`.
    fn volumes(&self) -> impl Future<Output = Result<Vec<Volume>>> + Send;
    /// See `rollback`.
    fn rollback(
        &self,
        machine: MachineId,
        disk: DiskId,
        point: Option<RecoveryPointId>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// See `snapshot`.
    fn snapshot(
        &self,
        machine: MachineId,
        point: RecoveryPointId,
        disks: Vec<DiskId>,
        record: &str,
    ) -> impl Future<Output = Result<Point>> + Send;
    /// See `points`.
    fn points(&self, machine: Option<MachineId>) -> impl Future<Output = Result<Vec<Point>>> + Send;
    /// See `set_machine_record`.
    fn set_machine_record(&self, machine: MachineId, record: &str)
    -> impl Future<Output = Result<()>> + Send;
    /// See `machine_records`.
    fn machine_records(&self) -> impl Future<Output = Result<Vec<MachineRecord>>> + Send;
    /// See `open_volume`.
    fn open_volume(&self, machine: MachineId, disk: DiskId) -> impl Future<Output = Result<OwnedFd>> + Send;
    /// See `open_point`.
    fn open_point(
        &self,
        machine: MachineId,
        disk: DiskId,
        point: RecoveryPointId,
    ) -> impl Future<Output = Result<OwnedFd>> + Send;
    /// See `clone_point`.
    fn clone_point(
        &self,
        vm: VmId,
        machine: MachineId,
        point: RecoveryPointId,
    ) -> impl Future<Output = Result<Vec<DiskClone>>> + Send;
    /// See `open_clone`.
    fn open_clone(&self, vm: VmId, disk: DiskId) -> impl Future<Output = Result<OwnedFd>> + Send;
    /// See `destroy_clones`.
    fn destroy_clones(&self, vm: VmId) -> impl Future<Output = Result<()>> + Send;
    /// See `clones`.
    fn clones(&self) -> impl Future<Output = Result<Vec<VmId>>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_disks_are_refused() {
        assert!(Geometry::new(512 * 3, 512).is_ok());
        for (size, sector) in [(0, 512), (513, 512), (512, 4096), (4096, 520), (4096, 0)] {
            assert!(matches!(Geometry::new(size, sector), Err(Error::InvalidArgument(_))), "{size} {sector}");
        }
    }

    fn named(disks: &[(&str, &str)], erase: &[&str]) -> Result<Vec<bool>> {
        let disk = |&(name, serial): &(&str, &str)| NamedDisk {
            path: PathBuf::from("/dev/disk/by-id").join(name),
            serial: serial.to_owned(),
        };
        let erase: Vec<_> = erase.iter().map(ToString::to_string).collect();
        agreed(&disks.iter().map(disk).collect::<Vec<_>>(), &erase)
    }

    #[test]
    fn a_disk_to_be_erased_is_named_by_what_its_owner_reads_on_it() {
        let disks = [("ata-X_WD-1", "WD-1"), ("ata-X_WD-2", "WD-2"), ("wwn-0x5", "")];
        assert_eq!(named(&disks, &[]).unwrap(), [false; 3]);
        assert_eq!(named(&disks, &["wd-2", " WD-2 "]).unwrap(), [false, true, false]);
        assert_eq!(named(&disks, &["wwn-0x5"]).unwrap(), [false, false, true]);
        assert_eq!(named(&disks, &["/dev/disk/by-id/wwn-0x5"]).unwrap(), [false, false, true]);
        for wrong in ["WD-3", "", "WD", "ata-X_WD-1", "wwn-0x", "/dev/sda"] {
            assert!(matches!(named(&disks, &["WD-2", wrong]), Err(Error::InvalidArgument(_))), "{wrong}");
        }
    }

    #[test]
    fn a_serial_number_that_two_disks_share_names_neither() {
        let twins = [("usb-A", "0001"), ("usb-B", "0001")];
        assert!(named(&twins, &["0001"]).unwrap_err().message().contains("path"));
        assert_eq!(named(&twins, &["usb-B"]).unwrap(), [false, true]);
    }

    #[test]
    fn a_layout_names_how_many_disks_it_takes() {
        let error = Redundancy::parse("raidz2").unwrap().check_disks(3).unwrap_err();
        assert!(error.message().contains("four disks"), "{}", error.message());
        assert!(Redundancy::parse("stripe").is_err());
        assert!(Redundancy::Mirror.check_disks(2).is_ok());
    }
}
