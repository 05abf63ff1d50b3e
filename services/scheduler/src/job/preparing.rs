//! Every disk gets its volume, and every volume holds exactly its base: what an earlier job left half-written is rolled back.
//!
//! A base that another agent made than the one that is this machine now (it was paired as it, see `pair --as`) goes to the agent without its
//! GUID: its marks cannot be relative to it, whatever it believes (a cloned disk remembers its original's), so it has to compare.

use understudy_bus::error::{Error, Result};

use super::runner::Context;
use super::state::Step;
use crate::point_record::PointRecord;

/// No ZFS snapshot has this GUID, so no marks are relative to it.
const NO_GUID: u64 = 0;

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, row, .. } = context;
    reconciled(context).await?;
    let engines = &scheduler.engines;
    let key = scheduler
        .catalogue
        .machine(row.machine)?
        .ok_or_else(|| Error::NotFound(format!("machine {} is gone from the catalogue", row.machine)))?
        .key;
    let machine = row.machine.to_string();
    for disk in scheduler.catalogue.job_disks(row.job)? {
        let id = disk.disk.to_string();
        let volume = engines
            .call(&format!("cannot make the volume of disk {id} ({} bytes)", disk.size), || {
                engines.zfs.create_volume(&machine, &id, disk.size, disk.sector_size)
            })
            .await?;
        let base = scheduler.catalogue.base(row.machine, disk.disk)?.map(|(point, guid, record)| {
            let own = PointRecord::is_by(&record, &key);
            if !own {
                tracing::info!("disk {id} is compared: recovery point {point} was made by another agent");
            }
            (point, if own { guid } else { NO_GUID })
        });
        let point = base.map(|(point, _)| point.to_string()).unwrap_or_default();
        engines
            .call(&format!("cannot roll the volume of disk {id} back to its last recovery point"), || {
                engines.zfs.rollback(&machine, &id, &point)
            })
            .await?;
        scheduler.catalogue.set_prepared(row.job, disk.disk, &volume.device, base)?;
    }
    Ok(Some(Step::Publishing))
}

/// Waits until the catalogue is known to match the pool: a point it does not know of must not be rolled back over.
async fn reconciled(context: &Context<'_>) -> Result<()> {
    let scheduler = context.scheduler;
    let mut watch = scheduler.reconciled.subscribe();
    let patience = scheduler.options.service_patience;
    let matched = tokio::time::timeout(patience, watch.wait_for(|state| state.is_none())).await;
    if matches!(matched, Ok(Ok(_))) {
        return Ok(());
    }
    let why = scheduler.reconciled.borrow().clone().unwrap_or_default();
    Err(Error::NotReady(format!("the catalogue could not be compared with the pool: {why}")))
}
