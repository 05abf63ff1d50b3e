//! Copying a disk or image to a LUN as a first backup does, with nothing around it, to measure the engine.

use std::path::Path;
use std::time::{Duration, Instant};

use understudy_direct_io::Device;
use understudy_wire::{Bytes, Disk};

use super::copier::{Copier, Held};
use super::progress::State;
use crate::block::BlockSet;
use crate::iscsi::{Address, BlockTarget, Lun};
use crate::map;
use crate::tracker::Hardware;

/// What a copy cost.
#[derive(Debug, Clone, Copy)]
pub struct CopyStats {
    /// Bytes of the source.
    pub size: Bytes,
    /// Bytes that travelled; zeros do not.
    pub sent: Bytes,
    /// From the making of the map until the target's cache was synchronized, without the login.
    pub time: Duration,
}

/// Copies `source` to a LUN that reads as zeros, hashing what it sends: the used blocks of one of the machine's `disks`, and every block
/// of anything else.
pub fn copy_disk(source: &Path, disks: &[Disk], target: Address) -> anyhow::Result<CopyStats> {
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
    let blocks = match disks.iter().find(|disk| Hardware::node(&disk.name) == source) {
        Some(disk) => map::used(disk)?,
        None => BlockSet::all(size.blocks()),
    };
    let mut copier = Copier::new(device, Box::new(lun), Box::new(|_| Ok(())));
    copier.copy(&blocks, Held::Zeros, &State::default())?;
    copier.finish()?;
    Ok(CopyStats { size, sent: copier.sent_bytes(), time: begin.elapsed() })
}
