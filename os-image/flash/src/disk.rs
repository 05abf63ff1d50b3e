//! What was found out about a disk, as plain values: deciding on them needs no disk.

use std::fmt;
use std::path::PathBuf;

use crate::size::human;

/// A block device that somebody wants to write an image to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Disk {
    /// Its node, symbolic links followed: `/dev/sdb`.
    pub path: PathBuf,
    /// The kernel's number, `MAJOR:MINOR`. Another disk may get it when this one is pulled.
    pub number: String,
    /// Counts the disks attached since boot, so no two have the same (sysfs-block, `diskseq`; absent before Linux 5.15).
    pub sequence: Option<u64>,
    /// What lsblk(8) calls its type: `disk`, `loop`, `part`, `lvm`, `crypt`, `raid1`, `rom`, …
    pub kind: String,
    /// For a partition, the disk it lies on.
    pub part_of: Option<PathBuf>,
    /// Vendor's name of the model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name.
    pub wwn: Option<String>,
    /// `usb`, `sata`, `nvme`, …
    pub transport: Option<String>,
    /// Bytes; 0 where no medium is inserted.
    pub size: u64,
    /// Bytes of a logical sector.
    pub sector: u64,
    /// Whether the kernel refuses writes.
    pub read_only: bool,
    /// What the running system has on it: `/`, `/boot`, `swap`, …
    pub system: Vec<String>,
    /// Signatures on the disk as a whole: `gpt`, `ext4 "data"`, …
    pub signatures: Vec<String>,
    /// Its partitions.
    pub parts: Vec<Part>,
    /// Where it, a partition of it, or something built on it is mounted or swapped on: `/dev/sdb1 at /mnt`.
    pub mounts: Vec<String>,
    /// Devices built on it or a partition of it: `/dev/md0 (raid1)`.
    pub holders: Vec<String>,
    /// Whether the kernel lends it to one user alone.
    pub hold: Hold,
    /// What its first and last MiB hold.
    pub edges: Edges,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Part {
    /// Its node.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Its name in the partition table.
    pub name: Option<String>,
    /// Signatures in it: `vfat "EFI"`.
    pub signatures: Vec<String>,
}

/// What opening the device for one user alone gives (open(2): O_EXCL on a block device fails with EBUSY while it is in use by the
/// system, in whatever mount namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Nobody has it.
    Free,
    /// A mount, swap, LVM, md, device mapper or ZFS has it.
    Taken,
    /// This user may not open it.
    Denied,
}

/// The first and the last MiB of a disk, where partition tables and most file systems begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edges {
    /// Nothing but zeros.
    Blank,
    /// Something else.
    Written,
    /// This user may not read them.
    Unread,
}

impl Disk {
    /// What one must type to have it overwritten: its serial number; else its WWN; else its size in bytes, which is at least not
    /// typed by accident.
    pub fn confirmation(&self) -> String {
        self.serial.clone().or_else(|| self.wwn.clone()).unwrap_or_else(|| self.size.to_string())
    }

    /// What [`Disk::confirmation`] is.
    pub(crate) fn confirmed_by(&self) -> &'static str {
        match (&self.serial, &self.wwn) {
            (Some(_), _) => "its serial number",
            (None, Some(_)) => "its WWN, as it has no serial number",
            (None, None) => "its size in bytes, as it has neither serial number nor WWN",
        }
    }

    /// What would be lost, in one line; `None` if the disk is blank.
    pub(crate) fn data(&self) -> Option<String> {
        let whole = self.signatures.iter().cloned();
        let parts = self.parts.iter().map(|part| {
            let node = part.path.file_name().unwrap_or_default().display();
            format!("{node} {}", part.signatures.join(", ")).trim_end().to_owned()
        });
        let found: Vec<_> = whole.chain(parts).collect();
        match self.edges {
            _ if !found.is_empty() => Some(found.join("; ")),
            Edges::Written => Some("something unknown in its first or last MiB".into()),
            Edges::Blank | Edges::Unread => None,
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        writeln!(f, "disk       {}", self.path.display())?;
        writeln!(f, "model      {}", or_none(&self.model))?;
        writeln!(f, "size       {} ({} bytes)", human(self.size), self.size)?;
        writeln!(f, "serial     {}", or_none(&self.serial))?;
        writeln!(f, "WWN        {}", or_none(&self.wwn))?;
        writeln!(f, "transport  {}", or_none(&self.transport))?;
        let whole = if self.signatures.is_empty() {
            match self.edges {
                _ if !self.parts.is_empty() => "partitions",
                Edges::Blank => "nothing",
                Edges::Written => "something unknown",
                Edges::Unread => "not to be read by this user",
            }
            .into()
        } else {
            self.signatures.join(", ")
        };
        writeln!(f, "on it      {whole}")?;
        for part in &self.parts {
            let name = part.name.as_ref().map(|name| format!("  named {name}")).unwrap_or_default();
            let node = part.path.file_name().unwrap_or_default().display();
            let content = if part.signatures.is_empty() { "-".into() } else { part.signatures.join(", ") };
            writeln!(f, "           {node:<10} {:>10}  {content}{name}", human(part.size))?;
        }
        self.mounts.iter().try_for_each(|mount| writeln!(f, "in use     {mount}"))?;
        self.holders.iter().try_for_each(|holder| writeln!(f, "in use     by {holder}"))
    }
}
