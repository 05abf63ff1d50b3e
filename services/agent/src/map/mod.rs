//! Which blocks of a disk are in use.
//!
//! Everything counts as used except what a file system itself calls free: partition tables, boot loaders between them
//! and the first partition, gaps, unknown file systems, swap. The tracker must be at work before a map is made: what
//! is used from then on is marked.

mod fsmap;
mod partclone;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use understudy_wire::{Bytes, Disk};

use crate::block::BlockSet;
use crate::freeze::mounts::{DevNumber, Mount};

/// A stretch of a disk with one content: a partition, or the whole disk.
struct Volume {
    node: PathBuf,
    device: DevNumber,
    start: u64,
    size: u64,
    filesystem: String,
}

/// The used blocks of `disk`, in 64 KiB units: a block with one used byte is used.
pub fn used(disk: &Disk) -> anyhow::Result<BlockSet> {
    let mounts = Mount::all()?;
    let mut used = BlockSet::all(disk.size.blocks());
    for volume in volumes(disk)? {
        if volume.start.saturating_add(volume.size) > disk.size.0 {
            bail!(
                "{} goes beyond the end of {}; correct the partition table",
                volume.node.display(),
                disk.name
            );
        }
        if let Err(error) = leave_out_free(&volume, &mounts, &mut used, disk.size) {
            // Not knowing costs time, never correctness: `used` still has all that was not told to be free.
            tracing::info!("{}: {error:#}; what it did not call free is copied", volume.node.display());
        }
    }
    Ok(used)
}

/// The partitions as the kernel has them now; the whole disk where it has none.
fn volumes(disk: &Disk) -> anyhow::Result<Vec<Volume>> {
    let folder = Path::new("/sys/block").join(&disk.name);
    let mut volumes = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if !path.join("partition").exists() {
            continue;
        }
        let number: u32 = text(&path.join("partition"))?.parse().context("a partition without number")?;
        let known = disk.partitions.iter().find(|partition| partition.number == number);
        volumes.push(volume(&path, known.map_or("", |partition| &partition.filesystem))?);
    }
    if volumes.is_empty() {
        volumes.push(volume(&folder, &disk.filesystem)?);
    }
    Ok(volumes)
}

fn volume(folder: &Path, filesystem: &str) -> anyhow::Result<Volume> {
    let sectors = |name: &str| -> anyhow::Result<u64> {
        // The kernel counts in 512 bytes here, whatever the sector size.
        Ok(text(&folder.join(name))?.parse::<u64>().with_context(|| format!("{name} is no number"))? * 512)
    };
    let device = text(&folder.join("dev"))?;
    let (major, minor) = device.split_once(':').context("no device number")?;
    let start = if folder.join("start").exists() { sectors("start")? } else { 0 };
    Ok(Volume {
        node: Path::new("/dev").join(folder.file_name().context("a device without name")?),
        device: (major.parse()?, minor.parse()?),
        start,
        size: sectors("size")?,
        filesystem: filesystem.to_owned(),
    })
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?.trim().to_owned())
}

fn leave_out_free(volume: &Volume, mounts: &[Mount], used: &mut BlockSet, size: Bytes) -> anyhow::Result<()> {
    let mut free = |start: u64, end: u64| {
        // Never beyond the volume, whatever is claimed.
        let (start, end) = (start.min(volume.size), end.min(volume.size));
        used.remove_bytes_inside(volume.start + start, volume.start + end, size);
    };
    if let Some(mount) = mounts.iter().find(|mount| mount.device() == Some(volume.device)) {
        if !matches!(mount.kind.as_str(), "ext4" | "xfs") {
            bail!("{} does not tell its free space while it is mounted", mount.kind);
        }
        let root = mount.open().with_context(|| format!("cannot open {}", mount.point.display()))?;
        // What is freed in memory but not yet on the disk would be missing from the disk's own bitmaps.
        nix::unistd::syncfs(&root).with_context(|| format!("cannot sync {}", mount.point.display()))?;
        return fsmap::free_ranges(&root, volume.device, free);
    }
    if in_use(volume.device) {
        bail!("something other than a mount uses it (LVM, RAID, swap)");
    }
    let Some(ranges) = partclone::used_ranges(&volume.filesystem, &volume.node, volume.size)? else {
        bail!("its content is unknown");
    };
    let mut at = 0;
    for (start, end) in ranges {
        free(at, start);
        at = at.max(end);
    }
    free(at, volume.size);
    Ok(())
}

/// Whether another block device lies on this one.
fn in_use((major, minor): DevNumber) -> bool {
    let holders = format!("/sys/dev/block/{major}:{minor}/holders");
    fs::read_dir(holders).is_ok_and(|mut holders| holders.next().is_some())
}
