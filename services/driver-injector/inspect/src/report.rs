//! What is reported, as `org.understudy.Drivers1` describes it (version 1).

use serde::Serialize;

/// What stands on a machine's disks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// 1.
    pub version: u32,
    /// One per disk asked for, in the same order.
    pub disks: Vec<DiskReport>,
    /// `PRETTY_NAME` of the operating system found.
    pub os: String,
    /// Host name in `/etc/hostname`.
    pub host_name: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// Whether a boot loader stands at UEFI's removable-media path.
    pub removable_loader: bool,
    /// Kernels with virtio drivers.
    pub virtio_kernels: Vec<String>,
    /// Kernels without.
    pub other_kernels: Vec<String>,
    /// What stands in the way of booting, for a person.
    pub problems: Vec<String>,
}

/// One disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DiskReport {
    /// Disk id.
    pub disk: String,
    /// `gpt`, `dos` or empty.
    pub table: String,
    /// Type of each partition's contents, or of the whole disk's.
    pub filesystems: Vec<String>,
}
