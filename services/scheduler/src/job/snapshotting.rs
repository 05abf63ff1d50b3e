//! The recovery point is taken, under the id the job was given at its start: asked for twice, it is still one.

use understudy_bus::error::{Error, Result};
use understudy_wire::Report;

use super::runner::Context;
use super::state::Step;
use crate::point_record::{PointRecord, Written};
use crate::scheduler::blocking;

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, live, row } = context;
    let machine = scheduler
        .catalogue
        .machine(row.machine)?
        .ok_or_else(|| Error::NotFound(format!("machine {} is gone from the catalogue", row.machine)))?;
    let report: Report = serde_json::from_str(&row.report)
        .map_err(|error| Error::Failed(format!("the agent's report cannot be read: {error}")))?;
    let disks = scheduler.catalogue.job_disks(row.job)?;
    let mut written = Vec::new();
    for disk in &disks {
        let records = scheduler.records(live, disk)?;
        let summary = blocking(move || {
            records
                .summary()
                .map_err(|error| Error::Failed(format!("cannot read the recorded hashes: {error}")))
        })
        .await?;
        written.push(Written {
            disk: disk.disk,
            kind: report.disks.get(&disk.disk).map(|disk| disk.kind),
            base: disk.base.map(|(point, _)| point),
            blocks: summary.blocks,
            digest: summary.digest,
        });
    }
    let record = PointRecord::new(row, &machine, written)?.to_json()?;
    let ids: Vec<String> = disks.iter().map(|disk| disk.disk.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (machine, point) = (row.machine.to_string(), row.point.to_string());
    let taken = scheduler
        .engines
        .call("cannot take the recovery point", || {
            scheduler.engines.zfs.snapshot(&machine, &point, &ids, &record)
        })
        .await?;
    if let Some(missing) = ids.iter().find(|id| taken.disks.iter().all(|disk| disk.disk != **id)) {
        return Err(Error::Corrupt(format!("recovery point {point} was taken without disk {missing}")));
    }
    scheduler.catalogue.finish(row.job, &taken, live.seconds())?;
    tracing::info!("job {} is done: recovery point {point}", row.job);
    Ok(None)
}
