//! What the D-Bus edge asks of the storage behind it. Arguments are already parsed: whoever implements this trusts them.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{Bytes, DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{DiskClone, MachineRecord, Point, Pool, Volume};

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

/// The storage. Each method is one of `understudy_bus::zfs::ZfsProxy`, where its promises stand.
pub trait Engine: Send + Sync + 'static {
    /// See `create_pool` of the proxy.
    fn create_pool(
        &self,
        redundancy: Redundancy,
        disks: Vec<PathBuf>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// See `pool`.
    fn pool(&self) -> impl Future<Output = Result<Pool>> + Send;
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

    #[test]
    fn a_layout_names_how_many_disks_it_takes() {
        let error = Redundancy::parse("raidz2").unwrap().check_disks(3).unwrap_err();
        assert!(error.message().contains("four disks"), "{}", error.message());
        assert!(Redundancy::parse("stripe").is_err());
        assert!(Redundancy::Mirror.check_disks(2).is_ok());
    }
}
