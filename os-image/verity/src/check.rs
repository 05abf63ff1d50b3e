//! Checks data against its tree, as the kernel does: from the root down to each block.

use std::io::{Read, Seek, SeekFrom, Write};

use super::levels::Levels;
use crate::{BLOCK, DATA, Digest, FAN_OUT, Hasher, TREE, Verity, VerityError};

/// Checks all of `data` against `tree`, which is read from where it stands.
///
/// # Errors
/// [`VerityError::Changed`] names the first bad block in the order of the data: the block itself, or one of the tree
/// on its way to the root. Also when reading fails.
pub fn verify(
    verity: &Verity,
    data: &mut impl Read,
    tree: &mut (impl Read + Seek),
) -> Result<(), VerityError> {
    copy_verified(verity, data, tree, &mut std::io::sink())
}

/// Like [`verify`], and writes each block to `out` once it is known to be good, so that nobody reads it twice and gets
/// something else the second time.
///
/// # Errors
/// Like [`verify`], and when writing fails; `out` then holds the good blocks before the error.
pub fn copy_verified(
    verity: &Verity,
    data: &mut impl Read,
    tree: &mut (impl Read + Seek),
    out: &mut impl Write,
) -> Result<(), VerityError> {
    let levels = Levels::of(verity.data_size)?;
    let start =
        tree.stream_position().map_err(|source| VerityError::Read { what: TREE, block: 0, source })?;
    let hasher = Hasher::new(&verity.salt);
    let mut path =
        Path { hasher, root: verity.root, held: vec![None; levels.starts.len()], levels, tree, start };

    let mut block = [0; BLOCK];
    for number in 0..path.levels.data {
        data.read_exact(&mut block).map_err(|source| VerityError::Read {
            what: DATA,
            block: number,
            source,
        })?;
        if path.hasher.hash(&block) != path.expected(0, number)? {
            return Err(VerityError::Changed { what: DATA, block: number });
        }
        out.write_all(&block).map_err(|source| VerityError::Write { what: DATA, source })?;
    }
    Ok(())
}

/// The good blocks between the root and the data block at hand, one a level.
struct Path<'a, R> {
    hasher: Hasher,
    root: Digest,
    levels: Levels,
    held: Vec<Option<(u64, Box<[u8; BLOCK]>)>>,
    tree: &'a mut R,
    start: u64,
}

impl<R: Read + Seek> Path<'_, R> {
    /// The digest that block `number` below `level` must have.
    fn expected(&mut self, level: usize, number: u64) -> Result<Digest, VerityError> {
        if level == self.held.len() {
            return Ok(self.root);
        }
        let at = (number % FAN_OUT) as usize * 32;
        let block = self.block(level, number / FAN_OUT)?;
        Ok(Digest(block[at..at + 32].try_into().expect("a slice of 32 bytes")))
    }

    /// Block `number` of `level`, checked against the level above.
    fn block(&mut self, level: usize, number: u64) -> Result<&[u8; BLOCK], VerityError> {
        if self.held[level].as_ref().is_none_or(|(held, _)| *held != number) {
            let expected = self.expected(level + 1, number)?;
            let on_disk = self.levels.starts[level] + number;
            let block = self.read(self.levels.offset(level, number)).map_err(|source| VerityError::Read {
                what: TREE,
                block: on_disk,
                source,
            })?;
            if self.hasher.hash(&block) != expected {
                return Err(VerityError::Changed { what: TREE, block: on_disk });
            }
            self.held[level] = Some((number, block));
        }
        Ok(&self.held[level].as_ref().expect("held now").1)
    }

    fn read(&mut self, offset: u64) -> std::io::Result<Box<[u8; BLOCK]>> {
        let mut block = Box::new([0; BLOCK]);
        self.tree.seek(SeekFrom::Start(self.start + offset))?;
        self.tree.read_exact(&mut *block)?;
        Ok(block)
    }
}
