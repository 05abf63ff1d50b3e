//! Builds a tree.

use std::io::{Read, Seek, SeekFrom, Write};

use super::levels::Levels;
use crate::{BLOCK, DATA, Digest, Hasher, Salt, TREE, VerityError};

/// Hashes the first `data_size` bytes of `data`, writes their tree to `tree` from where it stands, and returns the
/// root hash. `tree` then stands behind the tree.
///
/// # Errors
/// When `data_size` is not one or more whole blocks, when `data` ends early, and when reading or writing fails.
pub fn build(
    data: &mut impl Read,
    data_size: u64,
    salt: &Salt,
    tree: &mut (impl Write + Seek),
) -> Result<Digest, VerityError> {
    let levels = Levels::of(data_size)?;
    let write_error = |source| VerityError::Write { what: TREE, source };
    let start = tree.stream_position().map_err(write_error)?;
    let open = levels.starts.iter().map(|_| Open { digests: Vec::with_capacity(BLOCK), block: 0 }).collect();
    let mut builder = Builder { hasher: Hasher::new(salt), levels: &levels, open, root: None, tree, start };

    let mut block = [0; BLOCK];
    for number in 0..levels.data {
        data.read_exact(&mut block).map_err(|source| VerityError::Read {
            what: DATA,
            block: number,
            source,
        })?;
        let digest = builder.hasher.hash(&block);
        builder.add(0, digest).map_err(write_error)?;
    }
    for level in 0..levels.starts.len() {
        builder.close(level).map_err(write_error)?;
    }
    let root = builder.root.expect("the last block closed is the only one of the top level");
    tree.seek(SeekFrom::Start(start + levels.total * BLOCK as u64)).map_err(write_error)?;
    Ok(root)
}

/// The block of a level that is being filled.
struct Open {
    digests: Vec<u8>,
    block: u64,
}

struct Builder<'a, W> {
    hasher: Hasher,
    levels: &'a Levels,
    open: Vec<Open>,
    root: Option<Digest>,
    tree: &'a mut W,
    start: u64,
}

impl<W: Write + Seek> Builder<'_, W> {
    /// Adds the digest of the next block below `level`; above the top level that is the root.
    fn add(&mut self, level: usize, digest: Digest) -> std::io::Result<()> {
        let Some(open) = self.open.get_mut(level) else {
            self.root = Some(digest);
            return Ok(());
        };
        open.digests.extend(digest.0);
        if open.digests.len() == BLOCK { self.close(level) } else { Ok(()) }
    }

    /// Pads and writes the open block of `level`, unless it is empty, and tells the level above.
    fn close(&mut self, level: usize) -> std::io::Result<()> {
        let open = &mut self.open[level];
        if open.digests.is_empty() {
            return Ok(());
        }
        let mut block = [0; BLOCK];
        block[..open.digests.len()].copy_from_slice(&open.digests);
        self.tree.seek(SeekFrom::Start(self.start + self.levels.offset(level, open.block)))?;
        self.tree.write_all(&block)?;
        open.digests.clear();
        open.block += 1;
        let digest = self.hasher.hash(&block);
        self.add(level + 1, digest)
    }
}
