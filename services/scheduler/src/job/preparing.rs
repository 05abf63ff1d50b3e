//! Every disk gets its volume, and every volume holds exactly its base: what an earlier job left half-written is rolled back.

use understudy_bus::error::{Error, Result};

use super::runner::Context;
use super::state::Step;

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, row, .. } = context;
    reconciled(context).await?;
    let engines = &scheduler.engines;
    let machine = row.machine.to_string();
    for disk in scheduler.catalogue.job_disks(row.job)? {
        let id = disk.disk.to_string();
        let volume = engines
            .call(&format!("cannot make the volume of disk {id} ({} bytes)", disk.size), || {
                engines.zfs.create_volume(&machine, &id, disk.size, disk.sector_size)
            })
            .await?;
        let base = scheduler.catalogue.base(row.machine, disk.disk)?;
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
