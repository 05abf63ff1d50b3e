//! Takes a new stand-in from step to step, and undoes all of it where one fails or a person stops it.

use std::sync::Arc;
use std::time::Instant;

use understudy_bus::error::{Error, Result};
use understudy_wire::Inventory;

use super::{cloning, inspecting, starting};
use crate::catalogue::StandInRow;
use crate::scheduler::Scheduler;

pub(super) async fn run(
    scheduler: Arc<Scheduler>,
    mut row: StandInRow,
    inventory: Inventory,
    begun: Instant,
) {
    let message = match steps(&scheduler, &mut row, &inventory, begun).await {
        Ok(true) => return,
        // A person stopped it in between.
        Ok(false) => String::new(),
        Err(error) => error.message(),
    };
    if !message.is_empty() {
        tracing::error!("VM {} cannot stand in for {}: {message}", row.vm, row.name);
    }
    super::stopping::until_gone(&scheduler, &mut row, message).await;
}

/// False when the stand-in is no longer wanted.
async fn steps(
    scheduler: &Arc<Scheduler>,
    row: &mut StandInRow,
    inventory: &Inventory,
    begun: Instant,
) -> Result<bool> {
    let disks = cloning::run(scheduler, row, inventory).await?;
    if !scheduler.move_stand_in(row, "inspecting")? {
        return Ok(false);
    }
    inspecting::run(scheduler, row, inventory, &disks).await?;
    if !scheduler.move_stand_in(row, "starting")? {
        return Ok(false);
    }
    starting::run(scheduler, row, inventory, &disks).await?;
    row.running_seconds = begun.elapsed().as_secs_f64();
    if !scheduler.move_stand_in(row, "running")? {
        return Ok(false);
    }
    tracing::info!("VM {} stands in for {} after {:.1} s", row.vm, row.name, row.running_seconds);
    // It may have ended between its start and the row saying that it runs; the signal then found nothing to change.
    super::watch::look_at(scheduler, row.vm).await.or_else(|error| match error {
        Error::ZBus(_) => Ok(()),
        other => Err(other),
    })?;
    Ok(true)
}
