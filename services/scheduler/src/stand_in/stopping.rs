//! A stand-in ends: its VM first, then its clones.

use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_wire::VmId;

use crate::catalogue::StandInRow;
use crate::scheduler::{Event, Scheduler};

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Scheduler {
    /// Ends a stand-in and destroys its clones.
    pub(crate) async fn stop_stand_in(self: &Arc<Self>, vm: &str) -> Result<()> {
        if let Some(id) = vm.parse().ok().filter(|id| self.kept.contains(*id)) {
            remove(self, id).await?;
            self.kept.remove(id)?;
            tracing::info!(vm, "the disks of VM {vm}, which were kept, are destroyed");
            self.tell(Event::StandIn(id));
            return Ok(());
        }
        loop {
            let changed = self.stand_ins_changed.notified();
            tokio::pin!(changed);
            // Listening begins before looking, so that no change is missed in between.
            changed.as_mut().enable();
            let mut row = self.known_stand_in(vm)?;
            match row.state.as_str() {
                // The task that boots it notices at its next step, and undoes what there is.
                "cloning" | "inspecting" | "starting" => {
                    self.move_stand_in(&mut row, "stopping")?;
                }
                "stopping" => changed.await,
                _ if !row.clones => return Ok(()),
                _ => {
                    if self.move_stand_in(&mut row, "stopping")? {
                        return self.end_stand_in(&mut row).await;
                    }
                }
            }
        }
    }

    /// Ends one that nothing else is at work on. A failure leaves it `failed`, with its disks, to be stopped again.
    async fn end_stand_in(self: &Arc<Self>, row: &mut StandInRow) -> Result<()> {
        match remove(self, row.vm).await {
            Ok(()) => {
                row.clones = false;
                row.message.clear();
                self.move_stand_in(row, "stopped")?;
                Ok(())
            }
            Err(error) => {
                row.message = format!("it could not be ended: {}; stop it again", error.message());
                self.move_stand_in(row, "failed")?;
                Err(error)
            }
        }
    }
}

/// Ends a stand-in that failed (`message` says why) or was stopped while it was made; does not give up.
pub(super) async fn until_gone(scheduler: &Arc<Scheduler>, row: &mut StandInRow, message: String) {
    let mut pause = Duration::from_millis(100);
    let vm = row.vm;
    loop {
        match finish(scheduler, row, &message).await {
            Ok(()) => return,
            Err(error) => tracing::error!("VM {vm} cannot be undone yet: {}; trying again", error.message()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn finish(scheduler: &Arc<Scheduler>, row: &mut StandInRow, message: &str) -> Result<()> {
    let stored = scheduler
        .catalogue
        .stand_in(row.vm)?
        .ok_or_else(|| Error::Failed(format!("VM {} is gone from the catalogue", row.vm)))?;
    row.state = stored.state;
    row.message = message.to_owned();
    if row.state != "stopping" {
        scheduler.move_stand_in(row, "stopping")?;
    }
    remove(scheduler, row.vm).await?;
    row.clones = false;
    scheduler.move_stand_in(row, if message.is_empty() { "stopped" } else { "failed" })?;
    scheduler.tell(Event::StandIn(row.vm));
    Ok(())
}

async fn remove(scheduler: &Arc<Scheduler>, vm: VmId) -> Result<()> {
    let vm = vm.to_string();
    let engines = &scheduler.engines;
    engines.call("cannot stop the VM", || engines.vms.stop(&vm)).await?;
    engines.call("cannot destroy the VM's clones", || engines.zfs.destroy_clones(&vm)).await
}
