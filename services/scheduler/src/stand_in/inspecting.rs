//! The injector looks at the clones from inside its helper VM. What it finds is recorded; only disks on which there is nothing at
//! all end the stand-in, because the guest's firmware is a better judge of what boots than any inspection.

use std::sync::Arc;
use std::time::Duration;

use understudy_bus::drivers::{Disk, Report};
use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::DiskClone;
use understudy_wire::Inventory;

use super::plan;
use crate::catalogue::StandInRow;
use crate::engines::explained;
use crate::scheduler::Scheduler;

/// A person waits for a machine that is down: an inspection that takes longer than this is done without.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) async fn run(
    scheduler: &Arc<Scheduler>,
    row: &mut StandInRow,
    inventory: &Inventory,
    clones: &[DiskClone],
) -> Result<()> {
    let inspected = match tokio::time::timeout(LONGEST, inspect(scheduler, row, inventory, clones)).await {
        Ok(inspected) => inspected,
        Err(_) => Err(Error::Failed(format!("the inspection did not end within {} s", LONGEST.as_secs()))),
    };
    let (text, bootable) = match inspected {
        Ok((text, report)) => {
            for problem in &report.problems {
                tracing::warn!("{}'s disks: {problem}", row.name);
            }
            let bootable = plan::may_boot(&report);
            (text, bootable)
        }
        Err(error) => {
            tracing::warn!("{}; booting without", error.message());
            let report = Report { version: 1, problems: vec![error.message()], ..Report::default() };
            let text = serde_json::to_string(&report)
                .map_err(|error| Error::Failed(format!("cannot write the inspection: {error}")))?;
            (text, true)
        }
    };
    row.inspection = text;
    if !bootable {
        return Err(Error::Failed(format!(
            "there is nothing to boot in recovery point {}: its disks have neither a partition table nor a file system",
            row.point
        )));
    }
    Ok(())
}

async fn inspect(
    scheduler: &Arc<Scheduler>,
    row: &StandInRow,
    inventory: &Inventory,
    clones: &[DiskClone],
) -> Result<(String, Report)> {
    let vm = row.vm.to_string();
    let mut disks = Vec::new();
    for clone in clones {
        disks.push(Disk {
            disk: clone.disk.clone(),
            contents: super::starting::open(scheduler, &vm, clone).await?,
            size: clone.size,
            sector_size: clone.sector_size,
        });
    }
    let text = scheduler
        .engines
        .drivers
        .inspect(&vm, plan::firmware(inventory), disks)
        .await
        .map_err(|error| explained("the disks could not be inspected", error))?;
    let report = serde_json::from_str(&text)
        .map_err(|error| Error::Failed(format!("the inspection cannot be read: {error}")))?;
    Ok((text, report))
}
