//! Every block the agent has written is read back from the volume and compared with the hash it came with.

use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_direct_io::Device;
use understudy_wire::{Bytes, Report, block_hash};

use super::block_reader::{self, BlockReader, RUN};
use super::records::Records;
use super::runner::Context;
use super::state::Step;
use super::{Live, report_check};
use crate::catalogue::JobDisk;
use crate::scheduler::{Event, blocking};

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, live, row } = context;
    let report: Report = serde_json::from_str(&row.report)
        .map_err(|error| Error::Failed(format!("the agent's report cannot be read: {error}")))?;
    let disks = scheduler.catalogue.job_disks(row.job)?;
    let mut counted = Vec::new();
    for disk in &disks {
        let records = scheduler.records(live, disk)?;
        let summary = blocking(move || records.summary().map_err(|error| unreadable(&error))).await?;
        counted.push((disk.disk, summary.bytes));
    }
    report_check::check(&report, &counted).map_err(Error::Corrupt)?;

    let total: u64 = counted.iter().map(|(_, bytes)| bytes).sum();
    let mut before = 0;
    for (disk, (_, bytes)) in disks.iter().zip(&counted) {
        let (machine, id) = (row.machine.to_string(), disk.disk.to_string());
        let volume = scheduler
            .engines
            .call(&format!("cannot read back disk {id}"), || scheduler.engines.zfs.open_volume(&machine, &id))
            .await?;
        let volume = block_reader::device(volume, format!("the volume of disk {id}"))?;
        let records = scheduler.records(live, disk)?;
        let job = Verification { live: (*live).clone(), disk: disk.clone(), before, total };
        let scheduler = (*scheduler).clone();
        blocking(move || job.compare(&volume, &records, || scheduler.tell(Event::Job(job.live.job)))).await?;
        before += bytes;
    }
    if live.is_stopped() {
        return Ok(None);
    }
    Ok(Some(Step::Snapshotting))
}

struct Verification {
    live: Arc<Live>,
    disk: JobDisk,
    before: u64,
    total: u64,
}

impl Verification {
    fn compare(&self, volume: &Device, records: &Records, tell: impl Fn()) -> Result<()> {
        let mut reader = BlockReader::new(volume, Bytes(self.disk.size));
        let (mut done, mut shown) = (self.before, u64::MAX);
        records.runs(RUN as usize, |first, hashes| {
            if self.live.is_stopped() {
                return Err(Failure::Stopped);
            }
            let blocks = reader.read(first, hashes.len() as u64)?;
            for ((index, block), hash) in (first..).zip(blocks).zip(hashes) {
                if block_hash(block) != *hash {
                    return Err(Failure::from(Error::Corrupt(format!(
                        "block {index} of disk {} reads back other than the agent sent it: something between the agent and the pool is damaged; check the network, the box's memory and its disks (the recovery points before are untouched)",
                        self.disk.disk
                    ))));
                }
                done += block.len() as u64;
            }
            let percent = done * 100 / self.total.max(1);
            if percent != shown {
                shown = percent;
                self.live.set_stage(format!("verified {percent} %"));
                tell();
            }
            Ok(())
        })
        .or_else(Failure::or_stopped)
    }
}

enum Failure {
    /// The job is to fail for another reason.
    Stopped,
    Error(Error),
}

impl Failure {
    fn or_stopped(self) -> Result<()> {
        match self {
            Self::Stopped => Ok(()),
            Self::Error(error) => Err(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Error(unreadable(&error))
    }
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::Failed(format!("cannot read the recorded block hashes back: {error}"))
}
