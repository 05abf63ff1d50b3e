//! How many blocks each level of a tree has and where it lies.

use crate::{BLOCK, FAN_OUT, VerityError};

/// Sizes and places of a tree's levels, in blocks from the tree's start; the lowest level, next to the data, is 0.
#[derive(Debug)]
pub(super) struct Levels {
    /// Blocks of data.
    pub data: u64,
    /// First block of each level.
    pub starts: Vec<u64>,
    /// Blocks of the whole tree.
    pub total: u64,
}

impl Levels {
    pub fn of(data_size: u64) -> Result<Self, VerityError> {
        if data_size == 0 || !data_size.is_multiple_of(BLOCK as u64) {
            return Err(VerityError::Size(data_size));
        }
        let data = data_size / BLOCK as u64;
        let counts: Vec<u64> =
            std::iter::successors(Some(data), |below| (*below > 1).then(|| below.div_ceil(FAN_OUT)))
                .skip(1)
                .collect();
        // A level lies behind all the levels above it.
        let starts = (0..counts.len()).map(|level| counts[level + 1..].iter().sum()).collect();
        Ok(Self { data, starts, total: counts.iter().sum() })
    }

    /// Byte offset from the tree's start of a block of a level.
    pub fn offset(&self, level: usize, block: u64) -> u64 {
        (self.starts[level] + block) * BLOCK as u64
    }
}

/// Bytes of the tree over `data_size` bytes.
///
/// # Errors
/// [`VerityError::Size`] unless `data_size` is one or more whole blocks.
pub fn tree_size(data_size: u64) -> Result<u64, VerityError> {
    Levels::of(data_size).map(|levels| levels.total * BLOCK as u64)
}
