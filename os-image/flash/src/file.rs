//! A file as a disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};

use crate::error::{IoContext, Result};
use crate::image::Image;
use crate::lock;
use crate::place::{Place, PlaceRefusal};
use crate::target::Target;

/// Bytes after which what was written is sent to the disk below: progress is not that of the page cache, and the end is not a
/// long wait.
const FLUSH: u64 = 64 << 20;

/// A sparse file.
#[derive(Debug)]
pub struct FileTarget {
    path: PathBuf,
    file: File,
    size: u64,
    /// Bytes written since the last flush.
    unflushed: u64,
}

impl FileTarget {
    /// Makes the file, or empties the one that is there, and gives it `size` bytes, all of them a hole.
    pub fn create(place: &Place, size: u64, image: &Image) -> Result<Self> {
        Place::fits(size, image.size())?;
        let path = place.path.clone();
        let mut options = File::options();
        options.read(true).write(true).create_new(place.existing.is_none());
        let file = options.open(&path).at("open", &path)?;
        if image.is(&file).at("look at", &path)? {
            return Err(PlaceRefusal::Image { path }.into());
        }
        if !lock::lock(&file).at("lock", &path)? {
            return Err(place.in_use());
        }
        file.set_len(0).and_then(|()| file.set_len(size)).at("resize", &path)?;
        Ok(Self { path, file, size, unflushed: 0 })
    }
}

impl Target for FileTarget {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        self.unflushed += bytes.len() as u64;
        if self.unflushed >= FLUSH {
            self.unflushed = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match fallocate(&self.file, mode, range.start as i64, (range.end - range.start) as i64) {
            // A file system without holes (vfat): the file is new, so what was never written reads as zeros there, too.
            Err(Errno::EOPNOTSUPP) => Ok(()),
            result => Ok(result?),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.unflushed = 0;
        Ok(posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }
}
