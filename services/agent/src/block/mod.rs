//! Blocks of a disk: sets of them, memory to hold them, and reading them past the page cache.

mod buffer;
mod device;
mod set;

pub use buffer::Buffer;
pub use device::Device;
pub use set::{BlockRange, BlockSet};
