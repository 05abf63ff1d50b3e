//! Writes, reads and verifies RAUC verity bundles (RAUC Reference Manual, "Bundle Formats", "verity Format").

mod bytes;
mod development_keys;

pub mod block_hash_index;
pub mod manifest;
pub mod signature;
pub mod verity;

pub use bytes::{Digest, NotHex, Salt};
pub use development_keys::{DevelopmentKeys, KeysError, development_keys};
pub use manifest::Manifest;
pub use signature::{Signer, Trust};
pub use verity::Verity;

/// Bytes of a block, of data as of hashes: RAUC uses no other size.
pub const BLOCK: usize = 4096;
