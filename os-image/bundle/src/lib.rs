//! Writes, reads and verifies RAUC verity bundles (RAUC Reference Manual, "Bundle Formats", "verity Format").
//!
//! A bundle is one file of four parts:
//!
//! ```text
//! squashfs                whole blocks of 4096 bytes, at least two; holds the images and `manifest.raucm`
//! hash tree               dm-verity, no superblock, top level first
//! CMS SignedData, DER     encloses the manifest, which names the tree's root hash, salt and size
//! length of the CMS       u64, big endian
//! ```
//!
//! One signature thus vouches for every byte before it. This crate knows the format and nothing of what is inside
//! the images; where the manual is silent it does what RAUC 1.13 does.
//!
//! ```no_run
//! use rauc_bundle::{Bundle, Trust};
//! let bundle = Bundle::open("update.raucb")?;
//! let verified = bundle.verify(&Trust::load("ca.cert.pem")?)?;
//! println!("{} signed by {}", verified.manifest.compatible, verified.signer);
//! verified.check_payload()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
mod development_keys;
mod output;
mod section;
mod write;

pub mod block_hash_index;
pub mod manifest;
pub mod signature;

pub use bundle::{Bundle, BundleError, Layout, Problem, Verified};
pub use development_keys::{DevelopmentKeys, KeysError, development_keys};
pub use dm_verity as verity;
pub use dm_verity::{BLOCK, Digest, NotHex, Salt, Verity};
pub use manifest::Manifest;
pub use signature::{Signer, Trust};
pub use write::{WriteError, write};
