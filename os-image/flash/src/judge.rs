//! Whether a disk may be overwritten, decided on what was found out about it and on nothing else.

use std::path::PathBuf;

use crate::disk::{Disk, Edges, Hold};
use crate::size::human;

/// Types of lsblk(8) that are whole disks.
const WHOLE: [&str; 2] = ["disk", "loop"];

/// Why a disk is not written to. Those from [`Refusal::NotWhole`] to [`Refusal::Rights`] cannot be waived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A partition.
    #[error(
        "{path} is a partition of {disk}; an image brings its own partitions and needs a whole disk: give {disk}"
    )]
    NotWhole {
        /// The partition.
        path: PathBuf,
        /// Its disk.
        disk: PathBuf,
    },
    /// A device mapper or md device, a DVD drive, …
    #[error("{path} is no disk but of type {kind}, from which no firmware boots; `flash --list` shows disks")]
    Kind {
        /// The device.
        path: PathBuf,
        /// Its type.
        kind: String,
    },
    /// A card reader without a card.
    #[error("{path} has no medium; insert one")]
    NoMedium {
        /// The device.
        path: PathBuf,
    },
    /// The kernel refuses writes.
    #[error(
        "{path} is read-only; move the switch of a card, or see `blockdev --getro {path}` and what set it"
    )]
    ReadOnly {
        /// The device.
        path: PathBuf,
    },
    /// The running system lives there.
    #[error("the running system has {uses} on {path}, and would be destroyed; choose another disk")]
    System {
        /// The disk.
        path: PathBuf,
        /// What it has there.
        uses: String,
    },
    /// Mounted or swapped on.
    #[error(
        "{path} is in use: {mounts}; if it is the right disk, unmount it (umount, swapoff) and try again"
    )]
    Mounted {
        /// The disk.
        path: PathBuf,
        /// What, and where.
        mounts: String,
    },
    /// Member of something larger.
    #[error(
        "{path} is part of {holders}; if it is the right disk, take that apart first (vgchange --activate n, mdadm --stop, \
         cryptsetup close, losetup --detach)"
    )]
    Held {
        /// The disk.
        path: PathBuf,
        /// What is built on it.
        holders: String,
    },
    /// The kernel says so without saying who.
    #[error(
        "{path} is in use, but not by anything that can be seen from here: it may be mounted in a container or belong to a ZFS \
         pool; `grep {node} /proc/*/mountinfo` and `zpool status` help to find out"
    )]
    Taken {
        /// The disk.
        path: PathBuf,
        /// The last part of its path.
        node: String,
    },
    /// Not root.
    #[error("{path} can be written to by root only, and what is on it can be seen by root only")]
    Rights {
        /// The disk.
        path: PathBuf,
    },
    /// The confirmation names another disk.
    #[error(
        "{path} is another disk than the one to be overwritten: {given} was given, {is} is {how}; look at `flash --list` again"
    )]
    AnotherDisk {
        /// The disk.
        path: PathBuf,
        /// What was given.
        given: String,
        /// What would have been right.
        is: String,
        /// What that is.
        how: &'static str,
    },
    /// Something is on it.
    #[error(
        "{path} is not empty: {data}; if all of that may be destroyed, give --dangerously-overwrite {is} ({how})"
    )]
    Data {
        /// The disk.
        path: PathBuf,
        /// What is on it.
        data: String,
        /// What confirms that it may be lost.
        is: String,
        /// What that is.
        how: &'static str,
    },
    /// Too small.
    #[error("{path} holds {} ({size} bytes), the image has {} ({image} bytes); take a larger disk", human(*size), human(*image))]
    Small {
        /// The disk.
        path: PathBuf,
        /// Bytes of the disk.
        size: u64,
        /// Bytes of the image.
        image: u64,
    },
    /// The image's table would not be found.
    #[error(
        "{path} has sectors of {sector} bytes, the image's partition table is made for 512; take another disk, or format this one to \
         512-byte sectors if it can (nvme format, sg_format)"
    )]
    Sector {
        /// The disk.
        path: PathBuf,
        /// Bytes of its logical sector.
        sector: u64,
    },
}

impl Disk {
    /// May it be overwritten? `overwrite` is what the person typed to have data destroyed, which must be
    /// [`Disk::confirmation`] exactly. The gravest reason against it comes first.
    pub fn judge(&self, overwrite: Option<&str>) -> Result<(), Refusal> {
        let path = self.path.clone();
        let (is, how) = (self.confirmation(), self.confirmed_by());
        if let Some(disk) = self.part_of.clone() {
            return Err(Refusal::NotWhole { path, disk });
        }
        if !WHOLE.contains(&self.kind.as_str()) {
            return Err(Refusal::Kind { path, kind: self.kind.clone() });
        }
        if self.size == 0 {
            return Err(Refusal::NoMedium { path });
        }
        if self.read_only {
            return Err(Refusal::ReadOnly { path });
        }
        if !self.system.is_empty() {
            return Err(Refusal::System { path, uses: self.system.join(", ") });
        }
        if !self.mounts.is_empty() {
            return Err(Refusal::Mounted { path, mounts: self.mounts.join(", ") });
        }
        if !self.holders.is_empty() {
            return Err(Refusal::Held { path, holders: self.holders.join(", ") });
        }
        if self.hold == Hold::Taken {
            let node = path.file_name().unwrap_or_default().display().to_string();
            return Err(Refusal::Taken { path, node });
        }
        if let Some(given) = overwrite.filter(|given| *given != is) {
            return Err(Refusal::AnotherDisk { path, given: given.into(), is, how });
        }
        if self.hold == Hold::Denied || self.edges == Edges::Unread {
            return Err(Refusal::Rights { path });
        }
        match self.data() {
            Some(data) if overwrite.is_none() => Err(Refusal::Data { path, data, is, how }),
            _ => Ok(()),
        }
    }

    /// Does an image of `image` bytes fit on it?
    pub fn fits(&self, image: u64) -> Result<(), Refusal> {
        if self.sector != crate::table::SECTOR {
            return Err(Refusal::Sector { path: self.path.clone(), sector: self.sector });
        }
        if self.size < image {
            return Err(Refusal::Small { path: self.path.clone(), size: self.size, image });
        }
        Ok(())
    }
}
