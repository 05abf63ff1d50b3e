//! The image: a file that is a whole disk, with holes where it holds nothing.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::error::{Error, IoContext, Result};
use crate::plan::EDGE;
use crate::size::human;
use crate::table::{self, SECTOR};

/// Extents are widened to this, as disks want whole sectors and file systems may tell smaller ones.
const GRAIN: u64 = 4096;

/// A disk image, open for reading.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    size: u64,
    data: Vec<Range<u64>>,
    backup_table: u64,
}

impl Image {
    /// Opens it and finds its data. It must be a whole disk: with a valid GPT for 512-byte sectors, both copies of it.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |problem: String, hint| Error::Image { path: path.to_owned(), problem, hint };
        let file = File::open(path).at("open", path)?;
        let metadata = file.metadata().at("read", path)?;
        if !metadata.is_file() {
            return Err(wrong("it is no file".into(), "give a disk image"));
        }
        let size = metadata.len();
        if !size.is_multiple_of(SECTOR) || size < 2 * EDGE {
            return Err(wrong(
                format!("it has {size} bytes, and a disk has whole sectors and at least 2 MiB"),
                "is it compressed or incomplete?",
            ));
        }
        let backup_table = table::check(&file)
            .map_err(|problem| wrong(problem, "is it compressed, damaged, or no disk image?"))?;
        let data = data(&file, size).at("find the data of", path)?;
        let path = path.canonicalize().at("find", path)?;
        Ok(Self { path, file, size, data, backup_table })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where its data lies: in order, not touching each other, in multiples of 512 bytes. All else is zeros.
    pub(crate) fn data(&self) -> &[Range<u64>] {
        &self.data
    }

    /// First byte of the second copy of its table, which reaches to its end.
    pub(crate) fn backup_table(&self) -> u64 {
        self.backup_table
    }

    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(into, offset).at("read", &self.path)
    }

    /// Whether `other` is the same file, by whatever path.
    pub(crate) fn is(&self, other: &File) -> std::io::Result<bool> {
        let (own, other) = (self.file.metadata()?, other.metadata()?);
        Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let data = self.data.iter().map(|range| range.end - range.start).sum();
        writeln!(f, "image      {}", self.path.display())?;
        writeln!(f, "           {}, of which {} are data", human(self.size), human(data))
    }
}

/// Asks the file system (lseek(2): SEEK_DATA, SEEK_HOLE); one that knows no holes calls everything data.
fn data(file: &File, size: u64) -> nix::Result<Vec<Range<u64>>> {
    let mut found: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match lseek(file, at as i64, Whence::SeekData) {
            Err(Errno::ENXIO) => break, // nothing but a hole is left
            start => start? as u64,
        };
        at = lseek(file, start as i64, Whence::SeekHole)? as u64;
        let (start, end) = (start / GRAIN * GRAIN, at.next_multiple_of(GRAIN).min(size));
        match found.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => found.push(start..end),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_found_between_holes() {
        let file = tempfile::tempfile().unwrap();
        let size = (10 << 20) + 512;
        file.set_len(size).unwrap();
        file.write_all_at(b"a", 3 << 20).unwrap();
        file.write_all_at(b"b", size - 1).unwrap();
        let found = data(&file, size).unwrap();
        let holds = |at: u64| found.iter().any(|range| range.contains(&at));
        assert!(holds(3 << 20) && holds(size - 1), "{found:?}");
        assert!(!holds(1 << 20) && !holds(8 << 20), "{found:?}");
        assert!(
            found.iter().all(|range| range.start % 512 == 0 && range.end % 512 == 0 && range.end <= size)
        );
        assert!(found.windows(2).all(|two| two[0].end < two[1].start));
    }

    #[test]
    fn what_is_no_disk_image_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 << 20).unwrap();
        let error = Image::open(file.path()).unwrap_err().to_string();
        assert!(error.contains("cannot be flashed") && error.contains("no disk image"), "{error}");
        file.as_file().set_len((8 << 20) + 1).unwrap();
        assert!(Image::open(file.path()).unwrap_err().to_string().contains("whole sectors"));
    }
}
