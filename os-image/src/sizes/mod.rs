//! What fills an image.

mod contents;
mod origin;

use std::path::Path;

use crate::cache::Stage;
use crate::error::{IoContext, Result};
use contents::Contents;
pub(crate) use contents::record;
pub use origin::Origin;
pub(crate) use origin::Origins;

/// Where the bytes of an image come from, before they are compressed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Sizes {
    /// The recipe's name.
    pub recipe: String,
    /// Bytes of all files of the root, and of kernel and initramfs where they lie outside of it.
    pub bytes: u64,
    /// Who brought them, the biggest first. Every byte is in exactly one of them.
    pub contributors: Vec<Contributor>,
    /// Bytes of the root's filesystem, compressed; nothing for an initramfs.
    pub compressed_root: Option<u64>,
    /// Bytes of the boot disk, compressed; nothing for an initramfs.
    pub compressed_disk: Option<u64>,
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Contributor {
    /// Who brought it.
    #[serde(flatten)]
    pub origin: Origin,
    /// Bytes of its files; those of a file with several names count once.
    pub bytes: u64,
}

/// What has to be known of an image to tell what fills it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Makeup {
    /// The stage of the root's filesystem, if it has one.
    pub filesystem: Option<Stage>,
    /// What the builder itself laid into the root.
    pub origins: Origins,
    /// Whether kernel and initramfs lie outside of the root.
    pub kernel_apart: bool,
}

impl Sizes {
    /// The sizes of an image, the compressed ones left out.
    pub(crate) fn of(recipe: &str, makeup: &Makeup, kernel: &Path, initramfs: &Path) -> Result<Self> {
        let Makeup { filesystem, origins, kernel_apart } = makeup;
        let contents = match filesystem {
            Some(stage) => Contents::read(&stage.path)?,
            None => Contents::default(),
        };
        let mut shares = origin::shares(&contents, origins);
        let mut bytes = contents.bytes();
        if *kernel_apart {
            for (origin, file) in [(Origin::Kernel, kernel), (Origin::Initramfs, initramfs)] {
                let size = file.metadata().at("read", file)?.len();
                *shares.entry(origin).or_default() += size;
                bytes += size;
            }
        }
        let contributors = shares.into_iter().map(|(origin, bytes)| Contributor { origin, bytes });
        let mut contributors: Vec<_> = contributors.collect();
        contributors.sort_by_key(|contributor| std::cmp::Reverse(contributor.bytes));
        let recipe = recipe.to_owned();
        Ok(Self { recipe, bytes, contributors, compressed_root: None, compressed_disk: None })
    }
}

#[cfg(test)]
mod tests;
