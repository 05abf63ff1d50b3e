//! After a start of the service: compares the stand-ins in the catalogue with the VMs and clones there really are.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use understudy_bus::error::Result;

use super::{stopping, watch};
use crate::scheduler::Scheduler;

/// Done once; may be repeated.
pub async fn run(scheduler: &Arc<Scheduler>) -> Result<()> {
    let engines = &scheduler.engines;
    // What exists is asked first, the rows are read after: what a new request makes meanwhile has its row already.
    let vms = engines.vms.list().await?;
    let clones = engines.zfs.clones().await?;
    let rows = scheduler.catalogue.stand_ins()?;
    let new = scheduler.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();

    let running: HashSet<&str> = vms
        .iter()
        .filter(|vm| matches!(vm.state.as_str(), "starting" | "running" | "paused"))
        .map(|vm| vm.vm.as_str())
        .collect();
    for mut row in rows.iter().filter(|row| !new.contains(&row.vm)).cloned() {
        let vm = row.vm.to_string();
        match row.state.as_str() {
            "cloning" | "inspecting" | "starting" => {
                let message = format!(
                    "the box was restarted while the stand-in was {}; ask for the failover again",
                    row.state
                );
                stopping::until_gone(scheduler, &mut row, message).await;
            }
            "stopping" => stopping::until_gone(scheduler, &mut row, String::new()).await,
            "running" if !running.contains(vm.as_str()) => watch::ended(scheduler, row.vm, ""),
            _ => {}
        }
    }

    let kept = |vm: &str| vm.parse().is_ok_and(|vm| scheduler.kept.contains(vm));
    let known = |vm: &str| kept(vm) || rows.iter().any(|row| row.clones && row.vm.to_string() == vm);
    for vm in running.iter().filter(|vm| !known(vm)) {
        tracing::warn!(vm, "VM {vm} runs, but the catalogue does not know it: stopping it");
        engines.vms.stop(vm).await?;
    }
    for vm in clones.iter().filter(|vm| !known(vm)) {
        tracing::warn!(vm, "clones of VM {vm} exist, but the catalogue does not know them: destroying them");
        engines.zfs.destroy_clones(vm).await?;
    }
    Ok(())
}
