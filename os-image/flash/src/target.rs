//! What an image is written to, and who watches.

use std::io;
use std::ops::{ControlFlow, Range};

/// Something of a fixed size to write to. Offsets and lengths are bytes and multiples of 512; buffers begin on a page boundary.
pub trait Target {
    /// What messages call it.
    fn name(&self) -> String;

    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Writes all of `bytes` at `offset`.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes a range read as zeros, without sending them where the target knows a shorter way.
    fn zero(&mut self, range: Range<u64>) -> io::Result<()>;

    /// Returns when all that was written survives a power cut. What is read afterwards comes from the medium, not from memory.
    fn sync(&mut self) -> io::Result<()>;

    /// Fills `into` from `offset` on.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Everything is written: tells whoever must know of the new partitions.
    fn announce(&mut self) {}
}

/// A step of [`flash`](crate::flash()).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Zeros over the first and the last MiB: the target is no longer bootable.
    Erase,
    /// All that lies between them.
    Write,
    /// Reads that back.
    Compare,
    /// The ends with the partition table, written and read back: now the target is bootable.
    Seal,
}

/// Sees progress, and can end it.
pub trait Watch {
    /// A phase begins that handles so many bytes.
    fn begin(&mut self, phase: Phase, bytes: u64);

    /// So many more bytes of it are done. [`ControlFlow::Break`] ends the flash with [`Error::Interrupted`](crate::Error::Interrupted).
    fn advance(&mut self, bytes: u64) -> ControlFlow<()>;
}
