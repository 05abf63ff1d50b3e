//! A disk, taken hold of.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};

use crate::disk::Disk;
use crate::error::{IoContext, Result};
use crate::judge::Refusal;
use crate::target::Target;
use crate::{ioctl, lock, look};

/// A disk nobody else can mount, swap on or build upon as long as this lives; written and read past the page cache.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Device {
    /// Takes the disk that was looked at: not another one that has got its name since.
    pub fn claim(disk: &Disk) -> Result<Self> {
        let path = &disk.path;
        let flags = OFlag::O_EXCL | OFlag::O_DIRECT | OFlag::O_CLOEXEC;
        let taken = || Refusal::Taken {
            path: path.clone(),
            node: path.file_name().unwrap_or_default().display().to_string(),
        };
        let opened = File::options().read(true).write(true).custom_flags(flags.bits()).open(path);
        let mut file = match opened.as_ref().map_err(|error| error.raw_os_error().map(Errno::from_raw)) {
            Err(Some(Errno::EBUSY)) => return Err(taken().into()),
            Err(Some(Errno::EACCES | Errno::EPERM)) => {
                return Err(Refusal::Rights { path: path.clone() }.into());
            }
            Err(Some(Errno::EROFS)) => return Err(Refusal::ReadOnly { path: path.clone() }.into()),
            _ => opened.at("open", path)?,
        };
        let device = file.metadata().at("look at", path)?.rdev();
        let number = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
        let size = file.seek(SeekFrom::End(0)).at("find the size of", path)?;
        if (&number, look::sequence(&number), size) != (&disk.number, disk.sequence, disk.size) {
            let changed = io::Error::other("it is another disk than a moment ago; look at it again");
            return Err(changed).at("take", path);
        }
        if !lock::lock(&file).at("lock", path)? {
            return Err(taken().into());
        }
        Ok(Self { path: path.clone(), file, size })
    }
}

impl Target for Device {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// The same as the ioctl BLKZEROOUT (block/fops.c: both call `blkdev_issue_zeroout`): the kernel uses the disk's own command
    /// where it guarantees zeros, and sends zeros where it has none. A discard guarantees nothing (sysfs-block(ABI),
    /// `discard_zeroes_data`).
    fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        let mode = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.file, mode, range.start as i64, (range.end - range.start) as i64)?)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    /// Whoever keeps the kernel from it (EBUSY), the disk is right; it is read again when it is plugged in.
    fn announce(&mut self) {
        let _ = ioctl::read_partitions_again(&self.file);
    }
}
