//! The whole disk as a source.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A disk, a volume, or an image file for benchmarks, open for reading past the page cache.
#[derive(Debug)]
pub struct Device {
    file: File,
    name: String,
    size: u64,
}

impl Device {
    /// Opens it and finds its size.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        Self::from_open(file.into(), name)
    }

    /// Takes one that is open for reading already; from now on every descriptor it shares its opening with goes past the page
    /// cache. `name` is for messages.
    pub fn from_open(open: OwnedFd, name: String) -> anyhow::Result<Self> {
        let direct = || {
            let flags = OFlag::from_bits_truncate(fcntl(&open, FcntlArg::F_GETFL)?);
            fcntl(&open, FcntlArg::F_SETFL(flags | OFlag::O_DIRECT))
        };
        direct().with_context(|| format!("{name} cannot be read past the page cache"))?;
        let mut file = File::from(open);
        let size = io::Seek::seek(&mut file, io::SeekFrom::End(0))
            .with_context(|| format!("cannot find the size of {name}"))?;
        ensure!(size > 0 && size % 512 == 0, "{name} has {size} bytes: a disk of whole sectors is expected");
        Ok(Self { file, name, size })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
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
                    "{} ended at byte {} although it has {} bytes; was it made smaller?",
                    self.name,
                    offset + done as u64,
                    self.size
                ),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!(
                            "cannot read {len} bytes at byte {offset} of {}; check the health of the disk behind it",
                            self.name
                        )
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;

    #[test]
    fn reads_what_is_there_and_says_where_a_disk_ended_too_early() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..9 * 512).map(|at| (at / 512) as u8).collect();
        std::fs::write(file.path(), &content).unwrap();
        let device = Device::open(file.path()).unwrap();
        assert_eq!(device.size(), 9 * 512);
        let mut buffer = Buffer::new(9 * 512);
        device.read(0, &mut buffer).unwrap();
        assert!(*buffer == content);
        device.read(512, &mut buffer[..4096]).unwrap();
        assert!(buffer[..4096] == content[512..]);

        std::fs::File::options().write(true).open(file.path()).unwrap().set_len(4096).unwrap();
        let error = device.read(0, &mut buffer).unwrap_err().to_string();
        assert!(error.contains("ended at byte 4096 although it has 4608"), "{error}");
    }

    #[test]
    fn what_has_no_whole_sectors_is_no_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Device::open(file.path()).unwrap_err().to_string().contains("0 bytes"));
        std::fs::write(file.path(), [1; 700]).unwrap();
        assert!(Device::open(file.path()).unwrap_err().to_string().contains("700 bytes"));
    }
}
