//! The adaptive update method `block-hash-index`: a SHA-256 for each 4 KiB of an image, 32 bytes each, nothing else
//! (RAUC manual, "Advanced Topics", "Block-based Adaptive Update"; RAUC 1.13, `src/hash_index.c`).
//!
//! The index lies beside the image in the bundle. RAUC keeps that of the installed image in its `data-directory` and
//! reads from a new bundle only the blocks it cannot find on the box.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::{BLOCK, Digest};

/// What an index's name adds to its image's.
pub const SUFFIX: &str = ".block-hash-index";

/// The hash of a block of zeros, which RAUC writes without looking for it (`R_HASH_INDEX_ZERO_CHUNK`).
const ZEROS: &str = "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7";

/// The hashes of an image's blocks, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockHashIndex(Vec<Digest>);

/// Why an index cannot be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// RAUC makes indexes of whole blocks only.
    #[error(
        "image {image} has {size} bytes, an index needs one or more whole blocks of {BLOCK}; pad it with zeros, or \
         leave `adaptive` out of its manifest section"
    )]
    Size {
        /// The image.
        image: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// A file that is no index.
    #[error(
        "{path} has {size} bytes, a block hash index is one or more hashes of 32; make it again from its image"
    )]
    NotAnIndex {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl BlockHashIndex {
    /// Hashes the image at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or is not whole blocks.
    pub fn of_image(path: &Path) -> Result<Self, IndexError> {
        let failed = |source| IndexError::File { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size == 0 || !size.is_multiple_of(BLOCK as u64) {
            return Err(IndexError::Size { image: path.to_owned(), size });
        }
        let mut image = BufReader::with_capacity(256 * BLOCK, file);
        let mut block = [0; BLOCK];
        let hashes = (0..size / BLOCK as u64).map(|_| {
            image.read_exact(&mut block).map_err(failed)?;
            Ok(Digest(Sha256::digest(block).into()))
        });
        hashes.collect::<Result<_, _>>().map(Self)
    }

    /// Reads an index.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or is not whole hashes.
    pub fn read(path: &Path) -> Result<Self, IndexError> {
        let bytes = std::fs::read(path).map_err(|source| IndexError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.is_empty() || !rest.is_empty() {
            return Err(IndexError::NotAnIndex { path: path.to_owned(), size: bytes.len() as u64 });
        }
        Ok(Self(hashes.iter().copied().map(Digest).collect()))
    }

    /// Writes the index to where RAUC looks for it, `IMAGE.block-hash-index`, and returns that path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_beside(&self, image: &Path) -> Result<PathBuf, IndexError> {
        let mut name = image.as_os_str().to_owned();
        name.push(SUFFIX);
        let path = PathBuf::from(name);
        let bytes: Vec<u8> = self.0.iter().flat_map(|hash| hash.0).collect();
        std::fs::write(&path, bytes).map_err(|source| IndexError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// The hash of each block.
    pub fn hashes(&self) -> &[Digest] {
        &self.0
    }
}

/// What a box would fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of these blocks as they lie in the image; the bundle's squashfs may store them compressed, and is read in
    /// its own, larger blocks. The new index, 32 bytes a block of the image, comes on top.
    pub bytes: u64,
}

/// What a box that runs the image of index `old` fetches of the image of index `new`.
///
/// RAUC 1.13 (`copy_block_hash_index_image_to_dev` in `src/update_handler.c`) makes blocks of zeros itself, and looks
/// for each other one by its hash in what it has already written of the new image, in the inactive slot, in the active
/// slot, and only then in the bundle. So a block counts once however often it occurs. The inactive slot is left out
/// here: what it holds is being overwritten, and can only lessen the figure.
pub fn delta(old: &BlockHashIndex, new: &BlockHashIndex) -> Delta {
    let zeros: Digest = ZEROS.parse().expect("64 digits");
    let mut known: HashSet<Digest> = old.0.iter().copied().chain([zeros]).collect();
    let blocks = new.0.iter().filter(|hash| known.insert(**hash)).count() as u64;
    Delta { blocks, bytes: blocks * BLOCK as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(dir: &Path, blocks: &[u8]) -> BlockHashIndex {
        let path = dir.join("image");
        std::fs::write(&path, blocks.iter().flat_map(|fill| [*fill; BLOCK]).collect::<Vec<_>>()).unwrap();
        BlockHashIndex::of_image(&path).unwrap()
    }

    #[test]
    fn an_index_goes_to_its_file_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let index = index_of(dir.path(), &[1, 0, 2]);
        let path = index.write_beside(&dir.path().join("image")).unwrap();
        assert_eq!(path, dir.path().join("image.block-hash-index"));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * 32);
        assert_eq!(BlockHashIndex::read(&path).unwrap(), index);
        assert_eq!(index.hashes()[1].to_string(), ZEROS);
    }

    #[test]
    fn only_new_blocks_are_fetched_and_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let old = index_of(dir.path(), &[1, 2, 3]);
        let new = index_of(dir.path(), &[3, 0, 7, 7, 8, 1, 0]);
        assert_eq!(delta(&old, &new), Delta { blocks: 2, bytes: 8192 });
        assert_eq!(delta(&new, &new), Delta { blocks: 0, bytes: 0 });
    }

    #[test]
    fn broken_blocks_and_hashes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        for size in [0, 1, BLOCK + 1] {
            std::fs::write(&path, vec![1; size]).unwrap();
            assert!(matches!(BlockHashIndex::of_image(&path), Err(IndexError::Size { .. })));
        }
        for size in [0, 31, 33] {
            std::fs::write(&path, vec![1; size]).unwrap();
            assert!(matches!(BlockHashIndex::read(&path), Err(IndexError::NotAnIndex { .. })));
        }
    }
}
