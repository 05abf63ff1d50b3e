//! What of a disk has to be looked at.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use understudy_wire::{Disk, Kind, OrderDisk};

use crate::block::BlockSet;
use crate::tracker::{Hardware, Tracker};

/// Marked blocks that lie together in such number are compared with the base before they are sent: a discard marks
/// whole stretches of free space that have nothing new in them. Fewer are sent outright; asking costs more.
const LONG_RUN: u64 = 32;

/// The plan for one disk.
pub struct Plan {
    /// How the map was made.
    pub kind: Kind,
    /// Why not in a better way; for a person.
    pub reason: String,
    /// The blocks to look at first.
    pub map: BlockSet,
    /// Those of them to compare with the base.
    pub compare: BlockSet,
}

/// Makes sure that the disk is what the order means.
pub fn check(order: &OrderDisk, disk: &Disk) -> anyhow::Result<()> {
    let hardware = Hardware::read(&disk.name)?;
    if hardware.size != order.size {
        bail!(
            "{} has {} bytes now, the box made room for {}; the next backup goes by its new size",
            disk.name,
            hardware.size.0,
            order.size.0
        );
    }
    Ok(())
}

/// Decides how to back up one disk. Afterwards the tracker marks every write to it.
pub fn plan(order: &OrderDisk, disk: &Disk, tracker: &mut Tracker) -> anyhow::Result<Plan> {
    let blocks = disk.size.blocks();
    let Some(base) = order.base else {
        tracker.arm(disk)?;
        let map = crate::map::used(disk)?;
        return Ok(Plan { kind: Kind::First, reason: String::new(), map, compare: BlockSet::none(blocks) });
    };
    match tracker.fits(disk, base.snapshot_guid) {
        Ok(()) => {
            // Taken, so that the next pass does not find them again; the job's map has all since the base.
            tracker.take(disk.id, &mut BlockSet::none(blocks))?;
            let map = tracker.marked(disk.id)?;
            let mut compare = BlockSet::none(blocks);
            map.ranges(u64::MAX)
                .filter(|range| range.count >= LONG_RUN)
                .for_each(|range| compare.insert_range(range));
            Ok(Plan { kind: Kind::Changed, reason: String::new(), map, compare })
        }
        Err(reason) => {
            // Every block, used or free: the point then equals the disk bit for bit, and no map has to be trusted.
            tracker.arm(disk)?;
            let map = BlockSet::all(blocks);
            Ok(Plan { kind: Kind::Compared, reason, compare: map.clone(), map })
        }
    }
}

/// Test mode: writes the blocks that were allowed to travel as a bitmap, `DISK.KIND.map`; the form is that of [`BlockSet::to_bitmap`].
pub fn dump(folder: &Path, disk: &Disk, kind: Kind, map: &BlockSet) -> anyhow::Result<()> {
    let kind = match kind {
        Kind::First => "first",
        Kind::Changed => "changed",
        Kind::Compared => "compared",
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(format!("{}.{kind}.map", disk.id));
    fs::write(&path, map.to_bitmap()).with_context(|| format!("cannot write the map to {}", path.display()))
}
