//! Reads block devices past the page cache. On a protected machine that is the only way to see what file systems write through their own
//! mapping; of a volume on the box the page cache would be a second copy beside ZFS's own, slower to read and stale once LIO has written.

mod buffer;
mod device;

pub use buffer::Buffer;
pub use device::Device;
