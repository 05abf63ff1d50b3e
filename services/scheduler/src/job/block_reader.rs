//! Reads blocks of a volume or snapshot as large requests.

use std::os::fd::OwnedFd;

use understudy_bus::error::{Error, Result};
use understudy_direct_io::{Buffer, Device};
use understudy_wire::{BLOCK, Bytes};

/// Blocks read at a time: 1 MiB.
pub const RUN: u64 = (1 << 20) / BLOCK;

/// A volume or snapshot that zfs-manager has opened. `name` is for messages.
pub fn device(opened: impl Into<OwnedFd>, name: String) -> Result<Device> {
    Device::from_open(opened.into(), name).map_err(failed)
}

/// Reads blocks of a disk, of which the volume may have more bytes than the disk.
pub struct BlockReader<'a> {
    device: &'a Device,
    size: Bytes,
    buffer: Buffer,
}

impl<'a> BlockReader<'a> {
    /// For a disk of this size.
    pub fn new(device: &'a Device, size: Bytes) -> Self {
        Self { device, size, buffer: Buffer::new((RUN * BLOCK) as usize) }
    }

    /// `count` blocks from `first` on, at most [`RUN`]; the disk's last one may be shorter, and beyond it there is none.
    pub fn read(&mut self, first: u64, count: u64) -> Result<impl Iterator<Item = &[u8]>> {
        let begin = first * BLOCK;
        let end = ((first + count) * BLOCK).min(self.size.0);
        let bytes = &mut self.buffer[..end.saturating_sub(begin) as usize];
        self.device.read(begin, bytes).map_err(failed)?;
        Ok(bytes.chunks(BLOCK as usize))
    }
}

fn failed(error: anyhow::Error) -> Error {
    Error::Failed(format!("{error:#}"))
}
