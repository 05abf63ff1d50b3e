//! Notices when a stand-in's VM ends by itself. Its disks are kept: in a disaster they hold what was written since.

use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::Result;
use understudy_bus::vms::Vm;
use understudy_wire::VmId;
use zbus::export::futures_core::Stream;

use crate::scheduler::Scheduler;

/// Runs as long as the service.
pub async fn run(scheduler: Arc<Scheduler>) {
    loop {
        match scheduler.engines.vms.receive_state_changed().await {
            Ok(mut changes) => {
                while let Some(change) = next(&mut changes).await {
                    if let Ok(change) = change.args() {
                        note(&scheduler, &change.vm);
                    }
                }
            }
            Err(error) => tracing::warn!("cannot listen to vm-launcher: {error}; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

/// Asks for one VM's state.
pub async fn look_at(scheduler: &Scheduler, vm: VmId) -> Result<()> {
    let text = vm.to_string();
    match scheduler.engines.vms.list().await?.iter().find(|listed| listed.vm == text) {
        Some(listed) => note(scheduler, listed),
        None => ended(scheduler, vm, ""),
    }
    Ok(())
}

fn note(scheduler: &Scheduler, vm: &Vm) {
    if let (Ok(id), "stopped" | "failed") = (vm.vm.parse(), vm.state.as_str()) {
        ended(scheduler, id, &vm.message);
    }
}

/// Notes that a VM that was running runs no longer.
pub fn ended(scheduler: &Scheduler, vm: VmId, why: &str) {
    let result = scheduler.catalogue.stand_in(vm).map_err(Into::into).and_then(|row| match row {
        Some(mut row) if row.state == "running" => {
            let (to, cause) = match why {
                "" => ("stopped", "the guest switched itself off, or the box was restarted".to_owned()),
                why => ("failed", why.to_owned()),
            };
            row.message = format!("{cause}; its disks are kept until `understudy vm stop {vm}`");
            tracing::warn!(%vm, machine = %row.machine, "VM {vm} has ended: {}", row.message);
            scheduler.move_stand_in(&mut row, to)
        }
        _ => Ok(false),
    });
    if let Err(error) = result {
        tracing::error!(%vm, "cannot note that VM {vm} has ended: {}", error.message());
    }
}
