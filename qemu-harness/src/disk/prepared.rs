//! A disk with its files made, as QEMU is told of it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Bus, Cache, Disk, Source, files};
use crate::process::Program;
use crate::{Bytes, Error, Result};

/// The image formats that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Raw,
    Qcow2,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }

    fn of(path: &Path) -> Result<Format> {
        let mut magic = [0; 4];
        let read = File::open(path)
            .and_then(|mut file| file.read(&mut magic))
            .map_err(Error::io(format!("read the disk image {}", path.display())))?;
        Ok(if read == 4 && &magic == b"QFI\xfb" { Format::Qcow2 } else { Format::Raw })
    }
}

/// A disk of a launched machine.
#[derive(Debug, Clone)]
pub(crate) struct PreparedDisk {
    pub(crate) name: String,
    /// The file that takes the writes now; moves on with every snapshot.
    pub(crate) file: PathBuf,
    pub(crate) format: Format,
    /// As the guest sees it.
    pub(crate) size: Bytes,
    pub(crate) snapshots: u32,
    options: Disk,
}

impl PreparedDisk {
    /// Makes the files of `disk` in `folder`.
    pub(crate) fn make(disk: &Disk, index: usize, folder: &Path) -> Result<PreparedDisk> {
        let name = disk.name_at(index);
        // QEMU allows 31 characters in a node name, of which snapshots need some.
        if name.is_empty() || name.len() > 20 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(Error::Asked(format!(
                "`{name}` cannot be a disk's name; take 1 to 20 letters, digits and hyphens"
            )));
        }
        if let Some(serial) = disk.serial.as_ref().filter(|serial| serial.len() > 20) {
            return Err(Error::Asked(format!(
                "the serial `{serial}` of disk {name} is longer than the 20 characters a disk can tell"
            )));
        }
        if disk.bus == Bus::Sata && disk.read_only {
            return Err(Error::Asked(format!(
                "disk {name} cannot be read-only, as a SATA disk has no way to say so; take another bus"
            )));
        }
        let (file, format, size) = match &disk.source {
            Source::Overlay { base, size } => {
                let base = absolute(base)?;
                let size = size.map_or_else(|| virtual_size(&base), Ok)?;
                let file = unused(folder.join(format!("{name}.qcow2")))?;
                create_overlay(&file, &base, Format::of(&base)?, size)?;
                (file, Format::Qcow2, size)
            }
            Source::Blank(size) => {
                if size.get() == 0 || !size.get().is_multiple_of(512) {
                    return Err(Error::Asked(format!(
                        "disk {name} cannot have {size}; take a multiple of 512 bytes"
                    )));
                }
                let file = unused(folder.join(format!("{name}.raw")))?;
                let doing = format!("create the disk {} of {size}", file.display());
                File::create(&file).and_then(|file| file.set_len(size.get())).map_err(Error::io(doing))?;
                (file, Format::Raw, *size)
            }
            Source::File(file) => {
                let file = absolute(file)?;
                let (format, size) = (Format::of(&file)?, virtual_size(&file)?);
                (file, format, size)
            }
            Source::Files { label, files } => {
                let file = unused(folder.join(format!("{name}.fat")))?;
                files::write_fat(&file, label, files)?;
                let size = virtual_size(&file)?;
                (file, Format::Raw, size)
            }
        };
        Ok(PreparedDisk { name, file, format, size, snapshots: 0, options: disk.clone() })
    }

    pub(crate) fn is_on(&self, bus: Bus) -> bool {
        self.options.bus == bus
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.options.read_only
    }

    /// QEMU's name for the node that takes the writes now.
    pub(crate) fn node(&self) -> String {
        match self.snapshots {
            0 => self.name.clone(),
            count => format!("{}-{count}", self.name),
        }
    }

    /// All nodes that snapshots may have left, the newest first.
    pub(crate) fn nodes(&self) -> Vec<String> {
        (0..=self.snapshots)
            .rev()
            .map(|snapshots| PreparedDisk { snapshots, ..self.clone() }.node())
            .collect()
    }

    /// QEMU's name of the device that the guest sees.
    pub(crate) fn device_id(&self) -> String {
        format!("{}-device", self.name)
    }

    /// The `-blockdev` and `blockdev-add` description of the active image.
    pub(crate) fn blockdev(&self) -> Value {
        let cache = json!({
            "direct": self.options.cache == Cache::None,
            "no-flush": self.options.cache == Cache::Unsafe,
        });
        json!({
            "driver": self.format.name(),
            "node-name": self.node(),
            "read-only": self.options.read_only,
            "discard": "unmap",
            "cache": cache,
            "file": {"driver": "file", "filename": self.file, "discard": "unmap", "cache": cache},
        })
    }

    /// The `-device` description of the disk in this `place` of all; `boots` where the firmware is to start from it.
    pub(crate) fn device(&self, place: usize, boots: bool) -> Value {
        let mut device = json!({
            "driver": self.options.bus.device(),
            "id": self.device_id(),
            "drive": self.node(),
        });
        if self.options.bus == Bus::Sata {
            // Each port of q35's controller is a bus for one disk; there are six.
            device["bus"] = json!(format!("ide.{place}"));
        }
        // NVMe has no disk without a serial number.
        let needed = (self.options.bus == Bus::Nvme).then_some(&self.name);
        if let Some(serial) = self.options.serial.as_ref().or(needed) {
            device["serial"] = json!(serial);
        }
        if let Some(bytes) = self.options.sector_size {
            device["logical_block_size"] = json!(bytes);
            device["physical_block_size"] = json!(bytes);
        }
        if boots {
            device["bootindex"] = json!(0);
        }
        device
    }

    /// The next active image, an overlay over the present one, with its file made.
    pub(crate) fn next_overlay(&self, folder: &Path) -> Result<PreparedDisk> {
        let snapshots = self.snapshots + 1;
        // A stick of this name that was pulled out may have left files of its own snapshots.
        let mut files = (snapshots..).map(|number| folder.join(format!("{}.{number}.qcow2", self.name)));
        let free = files.find(|file| !file.exists());
        let file = free.ok_or_else(|| Error::Asked(format!("disk {} has too many snapshots", self.name)))?;
        create_overlay(&file, &self.file, self.format, self.size)?;
        Ok(PreparedDisk { file, format: Format::Qcow2, snapshots, ..self.clone() })
    }
}

/// A file that is not there yet: in a machine's folder, only that of a disk that was plugged in before can be.
fn unused(file: PathBuf) -> Result<PathBuf> {
    match file.exists() {
        false => Ok(file),
        true => Err(Error::Asked(format!(
            "{} is the file of an earlier disk; take another name, or `Disk::file` to plug that one in again",
            file.display()
        ))),
    }
}

/// `-u`: QEMU may have the base open and locked; nothing of it is needed but its name.
fn create_overlay(file: &Path, base: &Path, base_format: Format, size: Bytes) -> Result<()> {
    Program::new("qemu-img", "qemu-utils")
        .args(["create", "-q", "-u", "-f", "qcow2", "-F", base_format.name(), "-b"])
        .arg(base)
        .arg(file)
        .arg(size.get().to_string())
        .run()?;
    Ok(())
}

/// A disk's size as its guest sees it.
pub(crate) fn virtual_size(image: &Path) -> Result<Bytes> {
    let format = Format::of(image)?.name();
    let said = Program::new("qemu-img", "qemu-utils")
        .args(["info", "-U", "--output=json", "-f", format])
        .arg(image)
        .run()?;
    serde_json::from_str::<Value>(&said)
        .ok()
        .and_then(|info| info["virtual-size"].as_u64())
        .map(Bytes)
        .ok_or_else(|| Error::Host(format!("qemu-img tells no size of {}: {said}", image.display())))
}

/// QEMU runs in another folder than we do.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(Error::io(format!("find {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(disk: Disk) -> (tempfile::TempDir, PreparedDisk) {
        let folder = tempfile::tempdir().unwrap();
        let prepared = PreparedDisk::make(&disk, 1, folder.path()).unwrap();
        (folder, prepared)
    }

    #[test]
    fn a_blank_disk_takes_no_room_and_has_its_exact_size() {
        use std::os::unix::fs::MetadataExt;
        let (_folder, disk) = made(Disk::blank(Bytes(3 * 512)).serial("S-1").sector_size(512));
        let metadata = fs::metadata(&disk.file).unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (1536, 0));
        assert_eq!(disk.blockdev()["driver"], "raw");
        assert_eq!(disk.device(0, true)["serial"], "S-1");
        assert_eq!(disk.device(0, true)["bootindex"], 0);
        assert_eq!(disk.device(0, false).get("bootindex"), None);
        assert_eq!(disk.node(), "disk1");
    }

    #[test]
    fn a_disk_is_on_the_bus_it_was_asked_for() {
        for (bus, driver, serial) in [
            (Bus::Virtio, "virtio-blk-pci", Value::Null),
            (Bus::Sata, "ide-hd", Value::Null),
            (Bus::Nvme, "nvme", json!("disk1")),
            (Bus::Usb, "usb-storage", Value::Null),
        ] {
            let (_folder, disk) = made(Disk::blank(Bytes::mib(1)).on(bus));
            assert_eq!(
                (&disk.device(0, false)["driver"], &disk.device(0, false)["serial"]),
                (&json!(driver), &serial)
            );
        }
    }

    #[test]
    fn an_overlay_takes_its_size_from_the_base_unless_grown() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.raw");
        fs::write(&base, vec![1; 70 * 512]).unwrap();
        let (_a, disk) = made(Disk::overlay_of(&base));
        assert_eq!((disk.size, disk.format), (Bytes(70 * 512), Format::Qcow2));
        let (_b, disk) = made(Disk::overlay_of(&disk.file).grown_to(Bytes::mib(1)));
        assert_eq!(virtual_size(&disk.file).unwrap(), Bytes::mib(1));
        assert_eq!(fs::read(&base).unwrap(), vec![1; 70 * 512]);
    }

    #[test]
    fn sizes_and_names_qemu_would_bend_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |disk: Disk| PreparedDisk::make(&disk, 0, folder.path()).unwrap_err().to_string();
        assert!(refused(Disk::blank(Bytes(1000))).contains("multiple of 512"));
        assert!(refused(Disk::blank(Bytes::mib(1)).named("a,b")).contains("letters, digits and hyphens"));
        assert!(refused(Disk::blank(Bytes::mib(1)).serial(&"x".repeat(21))).contains("20 characters"));
        let read_only = Disk::blank(Bytes::mib(1)).read_only().on(Bus::Sata);
        assert!(refused(read_only).contains("take another bus"));
        assert!(refused(Disk::overlay_of("/no/such/image")).contains("/no/such/image"));
    }

    #[test]
    fn the_file_of_a_disk_that_was_there_before_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let stick = Disk::blank(Bytes::mib(1)).named("stick");
        PreparedDisk::make(&stick, 0, folder.path()).unwrap();
        let said = PreparedDisk::make(&stick, 0, folder.path()).unwrap_err().to_string();
        assert!(said.contains("stick.raw is the file of an earlier disk; take another name"), "{said}");
    }

    #[test]
    fn cache_modes_reach_both_layers() {
        let (_folder, disk) = made(Disk::blank(Bytes::mib(1)).cache(Cache::None));
        assert_eq!(disk.blockdev()["cache"]["direct"], true);
        assert_eq!(disk.blockdev()["file"]["cache"]["direct"], true);
        let (_folder, disk) = made(Disk::blank(Bytes::mib(1)).cache(Cache::Unsafe));
        assert_eq!(disk.blockdev()["file"]["cache"]["no-flush"], true);
    }
}
