//! `org.understudy.Zfs1`: the pool, volumes, recovery points, clones. Called by the scheduler and settings.

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedFd, Type};

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Zfs1";
/// Object path.
pub const PATH: &str = "/org/understudy/Zfs1";

/// State of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Pool {
    /// Pool name.
    pub name: String,
    /// `ONLINE`, `DEGRADED`, … as `zpool list` names it.
    pub health: String,
    /// Usable size in bytes.
    pub size: u64,
    /// Free bytes that backups may use: the reserve is not counted.
    pub free: u64,
}

/// A volume that holds one disk of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Volume {
    /// Machine id.
    pub machine: String,
    /// Disk id.
    pub disk: String,
    /// Block device, for iscsi-manager; beneath `/dev/zvol`.
    pub device: String,
    /// True size of the disk in bytes; the volume itself is rounded up to a whole volume block.
    pub size: u64,
    /// Logical sector size of the disk in bytes.
    pub sector_size: u32,
}

/// One disk's snapshot in a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PointDisk {
    /// Disk id.
    pub disk: String,
    /// GUID of the ZFS snapshot.
    pub guid: u64,
    /// True size of the disk in bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Bytes this snapshot alone holds on the pool.
    pub used: u64,
}

/// A recovery point as it stands on the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Point {
    /// Machine id.
    pub machine: String,
    /// Recovery point id.
    pub point: String,
    /// Time of the snapshot, seconds since 1970-01-01 UTC.
    pub created: u64,
    /// What the scheduler wants to find again with the point (JSON with a `version`), kept in a user property.
    pub record: String,
    /// Its disks.
    pub disks: Vec<PointDisk>,
}

/// The clone of one disk that a VM runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DiskClone {
    /// Disk id.
    pub disk: String,
    /// True size in bytes, to be shown to the guest.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
}

/// A disk that a pool may be made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Disk {
    /// Beneath `/dev/disk/by-id`; what `create_pool` takes.
    pub device: String,
    /// What is on it, as in a refusal of `create_pool`: a pool, a file system, a partition table; empty if nothing is.
    pub holds: String,
}

/// The manager.
#[proxy(
    interface = "org.understudy.Zfs1.Manager",
    default_service = "org.understudy.Zfs1",
    default_path = "/org/understudy/Zfs1"
)]
pub trait Zfs {
    /// All disks that a pool may be made of.
    fn disks(&self) -> Result<Vec<Disk>>;

    /// Makes the pool from whole disks, `layout` being `mirror`, `raidz1`, `raidz2` or `single`. A disk that holds anything
    /// (a pool, a file system, a partition table) is refused with what is on it: `Exists`; unless it is in `erase`. Calling again with
    /// the pool already made of exactly these disks changes nothing.
    fn create_pool(&self, layout: &str, devices: &[&str], erase: &[&str], encrypted: bool) -> Result<()>;

    /// Imports a pool that another box made: the one with this GUID, or the only one there is if it is empty. Calling again with the pool
    /// already imported changes nothing.
    fn import_pool(&self, guid: &str, recovery_key: &str) -> Result<()>;

    /// Releases the pool and does not import it by itself again. `Busy` while it is in use.
    fn forget_pool(&self) -> Result<()>;

    /// The pool; `NotReady` when there is none.
    fn pool(&self) -> Result<Pool>;

    /// Makes the volume for a disk, or returns it if it exists with the same size; `Exists` if with another.
    fn create_volume(&self, machine: &str, disk: &str, size: u64, sector_size: u32) -> Result<Volume>;

    /// All volumes.
    fn volumes(&self) -> Result<Vec<Volume>>;

    /// Rolls a volume back to `point`, which must be its newest; with an empty `point` the volume must have none and is made
    /// anew, empty. Undoes what an ended job left half-written. `Busy` while the volume is open.
    fn rollback(&self, machine: &str, disk: &str, point: &str) -> Result<()>;

    /// Takes one recovery point of all the given disks at once. `record` is stored with it. Calling again with the same point
    /// id returns the existing one.
    fn snapshot(&self, machine: &str, point: &str, disks: &[&str], record: &str) -> Result<Point>;

    /// All recovery points of a machine, oldest first; of all machines if empty.
    fn points(&self, machine: &str) -> Result<Vec<Point>>;

    /// A volume's current contents, read-only.
    fn open_volume(&self, machine: &str, disk: &str) -> Result<OwnedFd>;

    /// One disk of a recovery point, read-only.
    fn open_point(&self, machine: &str, disk: &str, point: &str) -> Result<OwnedFd>;

    /// Clones all disks of a recovery point for a VM. Calling again returns the existing clones. While they exist the point
    /// cannot be destroyed.
    fn clone_point(&self, vm: &str, machine: &str, point: &str) -> Result<Vec<DiskClone>>;

    /// A VM's clone, for reading and writing.
    fn open_clone(&self, vm: &str, disk: &str) -> Result<OwnedFd>;

    /// Destroys a VM's clones; nothing happens if it has none.
    fn destroy_clones(&self, vm: &str) -> Result<()>;

    /// VMs that have clones.
    fn clones(&self) -> Result<Vec<String>>;
}
