//! The content of a disk at the instant it was frozen.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use super::extents::{Extent, Map, Place, map};
use crate::disk::{Format, PreparedDisk};
use crate::process::Program;
use crate::{Bytes, Error, Result};

/// A disk as it was at the instant of a snapshot. Its file must stay; the machine may go on, end or be dropped.
#[derive(Debug, Clone)]
pub struct FrozenDisk {
    name: String,
    file: PathBuf,
    format: Format,
    size: Bytes,
}

impl FrozenDisk {
    pub(super) fn of(disk: &PreparedDisk) -> Self {
        FrozenDisk { name: disk.name.clone(), file: disk.file.clone(), format: disk.format, size: disk.size }
    }

    /// The disk's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its true size, which need not be a multiple of any block.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// The image, for qemu-img and its like (which need `-U` while the machine runs).
    pub fn image(&self) -> &Path {
        &self.file
    }

    /// The image's format as qemu-img names it.
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// Writes its content to `path` as a sparse raw file of its true size.
    pub fn write_raw(&self, path: impl AsRef<Path>) -> Result<()> {
        let program = Program::new("qemu-img", "qemu-utils");
        let program = program.args(["convert", "-U", "-f", self.format(), "-O", "raw"]);
        program.arg(&self.file).arg(path.as_ref()).run().map(drop)
    }

    /// How many blocks of this size it has; the last may be shorter.
    pub fn block_count(&self, block_size: Bytes) -> u64 {
        self.size.get().div_ceil(block_size.get())
    }

    /// One block; the last may be shorter than `block_size`.
    pub fn read_block(&self, block_size: Bytes, index: u64) -> Result<Vec<u8>> {
        let reader = Reader::open(self)?;
        let start = index * block_size.get();
        if start >= self.size.get() {
            return Err(Error::Asked(format!(
                "disk {} has no block {index}; it has {} of {block_size}",
                self.name,
                self.block_count(block_size)
            )));
        }
        let mut block = vec![0; block_size.get().min(self.size.get() - start) as usize];
        reader.read(start, &mut block)?;
        Ok(block)
    }

    /// The BLAKE3 hash of each block, the last one's over the bytes it really has. Holes cost nothing: see
    /// [`zero_block_hash`] for how to recognise them.
    pub fn hash_blocks(&self, block_size: Bytes) -> Result<Vec<[u8; 32]>> {
        let reader = Reader::open(self)?;
        let count = self.block_count(block_size);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(8) as u64;
        let share = count.div_ceil(threads).max(1);
        let hashed: Vec<Result<Vec<[u8; 32]>>> = thread::scope(|scope| {
            let parts: Vec<_> = (0..count.div_ceil(share))
                .map(|part| {
                    let blocks = part * share..((part + 1) * share).min(count);
                    let reader = &reader;
                    scope.spawn(move || reader.hash(block_size.get(), blocks))
                })
                .collect();
            parts.into_iter().map(|part| part.join().expect("hashing does not panic")).collect()
        });
        hashed.into_iter().collect::<Result<Vec<_>>>().map(|parts| parts.concat())
    }
}

/// The hash that [`FrozenDisk::hash_blocks`] gives for a block of `length` zeros.
pub fn zero_block_hash(length: Bytes) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let zeros = [0; 4096];
    let mut left = length.get();
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        hasher.update(&zeros[..piece as usize]);
        left -= piece;
    }
    hasher.finalize().into()
}

struct Reader {
    map: Map,
    files: Vec<File>,
}

impl Reader {
    fn open(disk: &FrozenDisk) -> Result<Reader> {
        let map = map(&disk.file, disk.format)?;
        if map.size != disk.size.get() {
            return Err(Error::Host(format!(
                "{} has {}, but the disk {} had {}: is it the right file?",
                disk.file.display(),
                Bytes(map.size),
                disk.name,
                disk.size
            )));
        }
        let open = |path: &PathBuf| File::open(path).map_err(Error::io(format!("read {}", path.display())));
        let files = map.files.iter().map(open).collect::<Result<_>>()?;
        Ok(Reader { map, files })
    }

    fn hash(&self, block_size: u64, blocks: std::ops::Range<u64>) -> Result<Vec<[u8; 32]>> {
        let zero = zero_block_hash(Bytes(block_size));
        let mut buffer = vec![0; block_size as usize];
        blocks
            .map(|index| {
                let start = index * block_size;
                let block = &mut buffer[..block_size.min(self.map.size - start) as usize];
                if block.len() as u64 == block_size && self.is_hole(start, block_size) {
                    return Ok(zero);
                }
                self.read(start, block)?;
                Ok(blake3::hash(block).into())
            })
            .collect()
    }

    fn is_hole(&self, start: u64, length: u64) -> bool {
        self.covering(start, length).all(|extent| extent.at == Place::Zero)
    }

    fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let end = start + buffer.len() as u64;
        for extent in self.covering(start, buffer.len() as u64) {
            let from = extent.start.max(start);
            let to = (extent.start + extent.length).min(end);
            let part = &mut buffer[(from - start) as usize..(to - start) as usize];
            match extent.at {
                Place::Zero => part.fill(0),
                Place::File { depth, offset } => {
                    let doing = format!("read {} bytes of {}", part.len(), self.map.files[depth].display());
                    let offset = offset + (from - extent.start);
                    self.files[depth].read_exact_at(part, offset).map_err(Error::io(doing))?;
                }
            }
        }
        Ok(())
    }

    fn covering(&self, start: u64, length: u64) -> impl Iterator<Item = &Extent> {
        let first = self.map.extents.partition_point(|extent| extent.start + extent.length <= start);
        self.map.extents[first..].iter().take_while(move |extent| extent.start < start + length)
    }
}

#[cfg(test)]
#[path = "frozen_tests.rs"]
mod tests;
