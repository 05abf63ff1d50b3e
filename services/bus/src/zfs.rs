//! `org.understudy.Zfs1`: disks, the pool and its recovery key, volumes, recovery points, clones. Called by the scheduler,
//! by settings, and, for what a person in front of the box may see and do, by the console wizard.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedFd, Type};

use crate::error::{Error, Result};

/// Well-known name.
pub const NAME: &str = "org.understudy.Zfs1";
/// Object path.
pub const PATH: &str = "/org/understudy/Zfs1";

/// How the text of a `NotReady` begins while the pool is there and its key is not. See [`is_locked`].
pub const LOCKED: &str = "the pool is locked; enter the recovery key on the console";
/// [`Pool::health`] in `PoolChanged` while the pool is locked.
pub const HEALTH_LOCKED: &str = "LOCKED";

/// Whether a call failed because the recovery key is needed: a pool that is locked, or one to be imported that is encrypted.
pub fn is_locked(error: &Error) -> bool {
    matches!(error, Error::NotReady(text) if text.starts_with(LOCKED))
}

/// A whole disk of the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Disk {
    /// Its best path beneath `/dev/disk/by-id`, which the other calls take; where it has none, beneath `/dev/disk/by-path`, or
    /// [`Disk::node`]: such a disk is never usable.
    pub name: String,
    /// The kernel's name for it now, for example `/dev/sda`.
    pub node: String,
    /// Maker and model, as far as it says.
    pub model: String,
    /// Serial number, as printed on it; empty if it has none.
    pub serial: String,
    /// Bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Whether it turns: a hard disk, and not flash.
    pub rotational: bool,
    /// Whether it is meant to be pulled out: a USB stick, a card. No reason against it.
    pub removable: bool,
    /// What is on it, in words; empty if nothing that is known.
    pub contents: String,
    /// Why no pool can be made with it, in words; empty if one can.
    pub usable: String,
}

/// A pool that is on the disks and not imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ImportablePool {
    /// Its GUID, by which it is imported.
    pub guid: u64,
    /// Its name.
    pub name: String,
    /// `ONLINE`, `DEGRADED`, `UNAVAIL`, … as `zpool import` names it.
    pub health: String,
    /// What that means and what to do, in words.
    pub hint: String,
    /// Names of its disks as beneath `/dev/disk/by-id`; `missing` for each that is not there.
    pub disks: Vec<String>,
    /// How many disks are not there.
    pub missing: u32,
    /// Host name of the box that had it last; empty if that is not known.
    pub last_host: String,
    /// Whether another box had it last and did not release it.
    pub in_use_elsewhere: bool,
    /// Whether it looks like the pool of a box like this one. `import_pool` looks closer.
    pub ours: bool,
}

/// State of the pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Pool {
    /// Pool name; empty, in `PoolChanged`, if there is none.
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

/// What is kept on the pool of a machine itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct MachineRecord {
    /// Machine id.
    pub machine: String,
    /// What the scheduler wants to find again with the machine (JSON with a `version`), kept in user properties of its dataset. One
    /// that cannot be decoded comes as it stands there.
    pub record: String,
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

/// The manager.
#[proxy(
    interface = "org.understudy.Zfs1.Manager",
    default_service = "org.understudy.Zfs1",
    default_path = "/org/understudy/Zfs1"
)]
pub trait Zfs {
    /// All whole disks, ordered by name.
    fn disks(&self) -> Result<Vec<Disk>>;

    /// Makes the pool from whole disks, `layout` being `mirror`, `raidz1`, `raidz2` or `single`. `erase` names the disks whose
    /// contents their owner has agreed to lose, by serial number; by path, where that says too little. A disk that holds
    /// anything (a pool, a file system, a partition table) and is not named there is refused with what is on it: `Exists`.
    /// What is in `erase` must be in `devices`: `InvalidArgument`. Nothing is erased before all disks are checked.
    ///
    /// With `encrypted`, everything on the pool is encrypted with the kept recovery key; one is made if none is kept.
    ///
    /// Calling again carries on where a power cut ended it; with the pool already made of exactly these disks it changes
    /// nothing. `Exists` if the box has another pool, whether its disks are connected or not.
    fn create_pool(&self, layout: &str, devices: &[&str], erase: &[&str], encrypted: bool) -> Result<()>;

    /// The pool; `NotReady` when there is none, or when it is locked ([`is_locked`]).
    fn pool(&self) -> Result<Pool>;

    /// Pools on the disks that are not imported, ordered by name.
    fn importable(&self) -> Result<Vec<ImportablePool>>;

    /// Takes over a pool of a box like this one. First it is looked at without being changed: it must be such a pool
    /// (`InvalidArgument` if not), and if it is encrypted `recovery_key` must fit (`Denied`; [`is_locked`] if it is empty). A
    /// pool that another box had last and did not release is taken from it. `Exists` if this box has another pool, `NotFound` if
    /// no disk holds that one. After a failure the pool is as it was, and the key kept before is kept still.
    fn import_pool(&self, guid: u64, recovery_key: &str) -> Result<()>;

    /// Lets the box forget its pool and its recovery key, for a factory reset. The pool stays on its disks, released.
    /// Whoever has not written down its key loses what is on it. `Busy` while a volume is open.
    fn forget_pool(&self) -> Result<()>;

    /// Keeps `key` as the one that the next encrypted pool is made with, unconfirmed. `Exists` if another one is kept and a pool
    /// was made with it, or is being made; `InvalidArgument` if it is mistyped, with the group that is.
    fn keep_recovery_key(&self, key: &str) -> Result<()>;

    /// The kept recovery key, to be shown to somebody in front of the box, and whether its owner has confirmed having it;
    /// `NotFound` if none is kept.
    fn recovery_key(&self) -> Result<(String, bool)>;

    /// Notes that the owner has the kept recovery key; `NotFound` if none is kept.
    fn confirm_recovery_key(&self) -> Result<()>;

    /// Opens a locked pool with its recovery key and keeps it, confirmed. `Denied` if it does not fit, `NotReady` without an
    /// encrypted pool.
    fn unlock(&self, key: &str) -> Result<()>;

    /// The pool came, went, changed its name or its health ([`HEALTH_LOCKED`] while it is locked). Without a pool the name is
    /// empty. Room alone is no reason for it.
    #[zbus(signal)]
    fn pool_changed(&self, pool: Pool) -> zbus::Result<()>;

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

    /// Stores a machine's record, and makes the machine's dataset where there is none yet. All of it or nothing: a power cut leaves the
    /// old one or the new one. `InvalidArgument` if it is too long.
    fn set_machine_record(&self, machine: &str, record: &str) -> Result<()>;

    /// Records of all machines that have one.
    fn machine_records(&self) -> Result<Vec<MachineRecord>>;

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
