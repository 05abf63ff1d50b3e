//! Sets of blocks of a disk.

mod set;

pub use set::{BlockRange, BlockSet};
