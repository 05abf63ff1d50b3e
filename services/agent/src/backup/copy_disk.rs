//! Copying a whole disk or image to a LUN with a backup's engine and nothing around it, to measure the engine.

use std::path::Path;
use std::time::{Duration, Instant};

use understudy_direct_io::Device;
use understudy_wire::Bytes;

use super::copier::{Copier, Held};
use super::progress::State;
use crate::block::BlockSet;
use crate::iscsi::{Address, BlockTarget, Lun};

/// What a copy cost.
#[derive(Debug, Clone, Copy)]
pub struct CopyStats {
    /// Bytes of the source.
    pub size: Bytes,
    /// Bytes that travelled; zeros do not.
    pub sent: Bytes,
    /// From the first read until the target's cache was synchronized, without the login.
    pub time: Duration,
}

/// Copies `source` to a LUN that reads as zeros, hashing every block as a backup does.
pub fn copy_disk(source: &Path, target: Address) -> anyhow::Result<CopyStats> {
    let device = Device::open(source)?;
    let size = Bytes(device.size());
    let lun = Lun::connect(target)?;
    anyhow::ensure!(
        lun.size() >= size.0,
        "the LUN has {} bytes, {} has {}",
        lun.size(),
        source.display(),
        size.0
    );
    let begin = Instant::now();
    let mut copier = Copier::new(device, Box::new(lun), Box::new(|_| Ok(())));
    copier.copy(&BlockSet::all(size.blocks()), Held::Zeros, &State::default())?;
    copier.finish()?;
    Ok(CopyStats { size, sent: copier.sent_bytes(), time: begin.elapsed() })
}
