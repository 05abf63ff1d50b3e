//! The disks a machine is built with.

mod files;
mod prepared;

use std::path::{Path, PathBuf};

pub use files::write_fat;
pub(crate) use prepared::{Format, PreparedDisk, absolute};

use crate::Bytes;

/// A disk to be given to a machine.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(crate) name: Option<String>,
    pub(crate) source: Source,
    pub(crate) bus: Bus,
    pub(crate) serial: Option<String>,
    pub(crate) sector_size: Option<u32>,
    pub(crate) cache: Cache,
    pub(crate) read_only: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Overlay { base: PathBuf, size: Option<Bytes> },
    Blank(Bytes),
    File(PathBuf),
    Files { label: String, files: Vec<(String, Vec<u8>)> },
}

/// How a guest reaches a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bus {
    /// virtio-blk (`/dev/vda`).
    #[default]
    Virtio,
    /// SATA, on the chipset's controller with its six ports (`/dev/sda`). Not for disks that are read-only.
    Sata,
    /// NVMe, each with a controller of its own (`/dev/nvme0n1`).
    Nvme,
    /// A stick on USB 3 (`/dev/sda`).
    Usb,
}

impl Bus {
    /// QEMU's name of a disk on it.
    pub(crate) const fn device(self) -> &'static str {
        match self {
            Bus::Virtio => "virtio-blk-pci",
            Bus::Sata => "ide-hd",
            Bus::Nvme => "nvme",
            Bus::Usb => "usb-storage",
        }
    }
}

/// What lies between the guest's writes and the host's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// The host's page cache; a guest's flush reaches the host's disk.
    #[default]
    Writeback,
    /// No page cache of the host (O_DIRECT).
    None,
    /// The page cache, and a guest's flush does nothing: fastest. Survives the death of QEMU, not that of the host.
    Unsafe,
}

impl Disk {
    /// What the machine writes goes to a file of its own; `base` (raw or qcow2) is only read.
    pub fn overlay_of(base: impl AsRef<Path>) -> Self {
        Disk::from_source(Source::Overlay { base: base.as_ref().to_owned(), size: None })
    }

    /// An empty disk that takes no room until it is written. Whole 512-byte sectors.
    pub fn blank(size: Bytes) -> Self {
        Disk::from_source(Source::Blank(size))
    }

    /// An existing file (raw or qcow2), written to in place.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Disk::from_source(Source::File(path.as_ref().to_owned()))
    }

    /// A small read-only FAT disk with these files. A name may have folders in it, separated by `/`.
    pub fn files<N: Into<String>, C: Into<Vec<u8>>>(
        label: &str,
        files: impl IntoIterator<Item = (N, C)>,
    ) -> Self {
        let files = files.into_iter().map(|(name, content)| (name.into(), content.into())).collect();
        Disk::from_source(Source::Files { label: label.to_owned(), files }).read_only()
    }

    /// What snapshots and messages call it; `disk0`, `disk1`, … unless told.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// How the guest reaches it; virtio-blk unless told.
    pub fn on(mut self, bus: Bus) -> Self {
        self.bus = bus;
        self
    }

    /// The serial number the guest sees (such as `/dev/disk/by-id/virtio-SERIAL`), at most 20 characters.
    pub fn serial(mut self, serial: &str) -> Self {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Logical and physical sector size in bytes, 512 unless told.
    pub fn sector_size(mut self, bytes: u32) -> Self {
        self.sector_size = Some(bytes);
        self
    }

    /// Makes an overlay larger than its base. An existing file and a disk of files keep their size.
    pub fn grown_to(mut self, bigger: Bytes) -> Self {
        match &mut self.source {
            Source::Overlay { size, .. } => *size = Some(bigger),
            Source::Blank(size) => *size = bigger,
            Source::File(_) | Source::Files { .. } => {}
        }
        self
    }

    /// How its writes reach the host.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// The guest cannot write to it.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Its name where it is the disk in this place.
    pub(crate) fn name_at(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("disk{index}"))
    }

    fn from_source(source: Source) -> Self {
        Disk {
            name: None,
            source,
            bus: Bus::default(),
            serial: None,
            sector_size: None,
            cache: Cache::default(),
            read_only: false,
        }
    }
}
