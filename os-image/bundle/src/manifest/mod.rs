//! The manifest: what a bundle is for and which images it holds (RAUC Reference Manual, "Manifest").
//!
//! Of RAUC's sections, `[handler]` and `[hooks]` and the image keys `hooks`, `convert` and `converted` are not
//! supported: they run code of the bundle, or unpack archives, and are refused by name when a bundle has them.

mod key_file;
mod read;
mod rules;
mod write;

use std::collections::BTreeMap;

pub use rules::ManifestError;

use crate::Digest;

/// What stands in `manifest.raucm`, and, together with the tree's figures, in the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Must equal the `compatible` of the system it is for.
    pub compatible: String,
    /// Free text.
    pub version: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Free text, such as the date of the build.
    pub build: Option<String>,
    /// Written in this order.
    pub images: Vec<Image>,
    /// Sections `[meta.LABEL]`, which RAUC passes on and does not read. Labels and keys are letters, digits, `-`, `_`.
    pub meta: BTreeMap<String, BTreeMap<String, String>>,
}

/// A section `[image.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The slot class it is for, such as `rootfs`; RAUC also knows `CLASS.VARIANT` and `REPOSITORY/ARTIFACT`.
    pub name: String,
    /// A file at the top of the squashfs. RAUC chooses by its extension how to write it.
    pub filename: String,
    /// Of the image.
    pub sha256: Digest,
    /// Bytes of the image.
    pub size: u64,
    /// What may save downloads.
    pub adaptive: Vec<Adaptive>,
}

/// A method of adaptive updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adaptive {
    /// See [`block_hash_index`](crate::block_hash_index).
    BlockHashIndex,
    /// Unknown here. RAUC asks readers to ignore what they do not know, as the whole image is there too.
    Other(String),
}

impl Adaptive {
    fn parse(name: String) -> Self {
        if name == "block-hash-index" { Self::BlockHashIndex } else { Self::Other(name) }
    }

    fn name(&self) -> &str {
        match self {
            Self::BlockHashIndex => "block-hash-index",
            Self::Other(name) => name,
        }
    }
}

/// The figures of the tree as a signed manifest has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeKeys {
    /// `verity-hash`.
    pub root: Digest,
    /// `verity-salt`.
    pub salt: crate::Salt,
    /// `verity-size`: bytes of the tree, not of the data.
    pub tree_size: u64,
}

#[cfg(test)]
mod tests;
