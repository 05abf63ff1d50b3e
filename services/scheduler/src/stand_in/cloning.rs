//! The recovery point's disks are cloned. From then on the point cannot be destroyed, and it is never written to.

use std::sync::Arc;
use std::time::Instant;

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::DiskClone;
use understudy_wire::Inventory;

use super::plan;
use crate::catalogue::StandInRow;
use crate::scheduler::Scheduler;

pub(super) async fn run(
    scheduler: &Arc<Scheduler>,
    row: &mut StandInRow,
    inventory: &Inventory,
) -> Result<Vec<DiskClone>> {
    let begin = Instant::now();
    let (vm, machine, point) = (row.vm.to_string(), row.machine.to_string(), row.point.to_string());
    let clones = scheduler
        .engines
        .call(&format!("cannot clone recovery point {point}"), || {
            scheduler.engines.zfs.clone_point(&vm, &machine, &point)
        })
        .await?;
    row.clone_seconds = begin.elapsed().as_secs_f64();
    if clones.is_empty() {
        return Err(Error::Corrupt(format!("recovery point {point} has no disks")));
    }
    Ok(plan::boot_order(clones, inventory))
}
