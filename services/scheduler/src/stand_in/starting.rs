//! The VM is started on the clones.

use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_bus::vms::{Disk, Spec};
use understudy_bus::zfs::DiskClone;
use understudy_wire::Inventory;
use zbus::zvariant::OwnedFd;

use super::plan;
use crate::catalogue::StandInRow;
use crate::engines::explained;
use crate::scheduler::Scheduler;

pub(super) async fn run(
    scheduler: &Arc<Scheduler>,
    row: &StandInRow,
    inventory: &Inventory,
    clones: &[DiskClone],
) -> Result<()> {
    let vm = row.vm.to_string();
    let mut disks = Vec::new();
    for clone in clones {
        disks.push(Disk {
            disk: clone.disk.clone(),
            contents: open(scheduler, &vm, clone).await?,
            size: clone.size,
            sector_size: clone.sector_size,
        });
    }
    let spec = Spec {
        vm,
        name: row.name.clone(),
        cpus: row.cpus,
        memory: row.memory,
        firmware: plan::firmware(inventory).to_owned(),
        network: row.network.clone(),
        macs: inventory.interfaces.iter().map(|interface| interface.mac.clone()).collect(),
        disks,
    };
    let started = scheduler
        .engines
        .vms
        .start(spec)
        .await
        .map_err(|error| explained(&format!("cannot start the VM of {}", row.name), error))?;
    match started.state.as_str() {
        "running" => Ok(()),
        state => Err(Error::Failed(format!(
            "the VM of {} is {state} right after its start: {}",
            row.name, started.message
        ))),
    }
}

/// Opens a clone for reading and writing.
pub(super) async fn open(scheduler: &Scheduler, vm: &str, clone: &DiskClone) -> Result<OwnedFd> {
    let opening = || scheduler.engines.zfs.open_clone(vm, &clone.disk);
    scheduler.engines.call(&format!("cannot open the clone of disk {}", clone.disk), opening).await
}
