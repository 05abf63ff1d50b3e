//! The whole disk as a source.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use understudy_wire::Bytes;

/// A disk, or an image file for benchmarks, opened for reading past the page cache: what file systems write through
/// their own mapping never reaches the page cache of the whole-disk device.
#[derive(Debug)]
pub struct Device {
    file: File,
    name: String,
    size: Bytes,
}

impl Device {
    /// Opens it and finds its size.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_DIRECT | nix::libc::O_CLOEXEC)
            .open(path)
            .with_context(|| format!("cannot open {name} for reading past the page cache"))?;
        let size = io::Seek::seek(&mut file, io::SeekFrom::End(0))
            .with_context(|| format!("cannot find the size of {name}"))?;
        if size == 0 || size % 512 != 0 {
            bail!("{name} has {size} bytes: a disk of whole sectors is expected");
        }
        Ok(Self { file, name, size: Bytes(size) })
    }

    /// Its size.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Fills `to` from byte `offset` on. Offset and length are whole sectors, `to` lies on a page boundary.
    /// Nothing is allocated unless it fails.
    pub fn read(&self, offset: u64, to: &mut [u8]) -> anyhow::Result<()> {
        let len = to.len();
        let mut done = 0;
        while done < len {
            match self.file.read_at(&mut to[done..], offset + done as u64) {
                Ok(0) => bail!(
                    "{} ended at byte {} although it has {} bytes; was it made smaller? The next backup will see its new size",
                    self.name,
                    offset + done as u64,
                    self.size.0
                ),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!(
                            "cannot read {len} bytes at byte {offset} of {}; check the disk's health (smartctl -a)",
                            self.name
                        )
                    });
                }
            }
        }
        Ok(())
    }
}
