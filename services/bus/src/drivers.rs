//! `org.understudy.Drivers1`: looks at foreign disks, and later makes them boot; only inside a helper VM. Called by the scheduler.

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedFd, Type};

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Drivers1";
/// Object path.
pub const PATH: &str = "/org/understudy/Drivers1";

/// A disk to look at.
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct Disk {
    /// Disk id.
    pub disk: String,
    /// The clone; written to only where the report says so.
    pub contents: OwnedFd,
    /// True size in bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
}

/// What stands on a machine's disks. Crosses the bus as JSON (`version` 1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub version: u32,
    /// One per disk given, in the same order.
    pub disks: Vec<DiskReport>,
    /// `PRETTY_NAME` of the operating system found; empty if none was.
    pub os: String,
    /// Host name in `/etc/hostname`.
    pub host_name: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// Whether a UEFI boot loader stands at the removable-media path (UEFI 2.10, 3.5.1.1), so that the disk boots without
    /// the old machine's NVRAM.
    pub removable_loader: bool,
    /// Installed kernels whose modules include virtio block and network drivers (or have them built in).
    pub virtio_kernels: Vec<String>,
    /// Installed kernels without them.
    pub other_kernels: Vec<String>,
    /// What stands in the way of booting, for a person; empty if nothing was found.
    pub problems: Vec<String>,
}

/// One disk in a [`Report`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// Disk id.
    pub disk: String,
    /// `gpt`, `dos` or empty.
    pub table: String,
    /// Each partition's file system type as `blkid` names it, in order; of the whole disk if it has no table.
    pub filesystems: Vec<String>,
}

/// The injector.
#[proxy(
    interface = "org.understudy.Drivers1.Manager",
    default_service = "org.understudy.Drivers1",
    default_path = "/org/understudy/Drivers1"
)]
pub trait Drivers {
    /// Boots the helper VM with the disks read-only and returns its [`Report`] as JSON. `firmware` is `uefi` or `bios`. `vm` names
    /// the VM the disks are for, so that a helper left over from a crash can be recognised.
    fn inspect(&self, vm: &str, firmware: &str, disks: Vec<Disk>) -> Result<String>;
}
