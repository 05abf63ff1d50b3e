//! dm-verity hash trees as RAUC and `veritysetup --no-superblock` lay them out (kernel, Documentation/admin-guide/
//! device-mapper/verity.rst, "Hash Tree", version 1).
//!
//! A digest is SHA-256 over salt and block. Digests of 128 blocks fill a block of the lowest level, the last one
//! padded with zeros; the digests of these fill the next level, up to one block whose digest is the root hash. The top
//! level lies first. Data of a single block has no tree: its digest is the root hash.
//!
//! Data is streamed; of the tree one block a level is held.

mod build;
mod bytes;
mod check;
mod levels;

pub use build::build;
pub use bytes::{Digest, NotHex, Salt};
pub use check::{copy_verified, verify};
pub use levels::tree_size;

use sha2::{Digest as _, Sha256};

/// Bytes of a block, of data as of hashes: no other size is in use.
pub const BLOCK: usize = 4096;

/// What authenticates data of a known size by its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verity {
    /// Digest of the top block.
    pub root: Digest,
    /// What each block is hashed with.
    pub salt: Salt,
    /// Bytes of data under the tree, a multiple of [`BLOCK`].
    pub data_size: u64,
}

/// Why data has no tree, or does not fit its tree.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    /// Data that is not whole blocks, or none.
    #[error(
        "data of {0} bytes cannot have a hash tree; it must be one or more whole blocks of {BLOCK} bytes"
    )]
    Size(u64),
    /// The data or the tree could not be read to its end.
    #[error("cannot read block {block} of the {what}: {source}")]
    Read {
        /// "data" or "hash tree".
        what: &'static str,
        /// Its number from zero.
        block: u64,
        /// Why.
        source: std::io::Error,
    },
    /// The tree or the copy could not be written.
    #[error("cannot write the {what}: {source}")]
    Write {
        /// "hash tree" or "data".
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A block is not what was signed.
    #[error(
        "block {block} of the {what} was changed: its hash is not the one in the level above; fetch it again"
    )]
    Changed {
        /// "data" or "hash tree".
        what: &'static str,
        /// Its number from zero; for the tree, counted in the order it lies on disk.
        block: u64,
    },
}

const DATA: &str = "data";
const TREE: &str = "hash tree";

/// Digests in one block of the tree.
const FAN_OUT: u64 = (BLOCK / 32) as u64;

/// Hashes blocks with one salt.
struct Hasher(Sha256);

impl Hasher {
    fn new(salt: &Salt) -> Self {
        Self(Sha256::new_with_prefix(salt.0))
    }

    fn hash(&self, block: &[u8; BLOCK]) -> Digest {
        Digest(self.0.clone().chain_update(block).finalize().into())
    }
}

#[cfg(test)]
mod tests;
