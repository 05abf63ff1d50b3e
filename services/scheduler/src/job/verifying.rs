//! Every block the agent has written is read back from the volume and compared with the hash it came with.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use understudy_bus::error::{Error, Result};
use understudy_wire::{BLOCK, Bytes, Report};

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
        let volume = File::from(OwnedFd::from(volume));
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
    fn compare(&self, volume: &File, records: &Records, tell: impl Fn()) -> Result<()> {
        // The target wrote beneath the page cache of the block device: what an earlier reader left there may be stale.
        posix_fadvise(volume, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|error| {
            Error::Failed(format!("cannot drop what is cached of disk {}: {error}", self.disk.disk))
        })?;
        let size = Bytes(self.disk.size);
        let mut block = vec![0; BLOCK as usize];
        let (mut done, mut shown) = (self.before, u64::MAX);
        records.each(|record| {
            if self.live.is_stopped() {
                return Err(Failure::Stopped);
            }
            let block = &mut block[..size.block_len(record.index) as usize];
            volume.read_exact_at(block, record.index * BLOCK).map_err(|error| {
                Error::Failed(format!("cannot read block {} of disk {} back: {error}", record.index, self.disk.disk))
            })?;
            if *blake3::hash(block).as_bytes() != record.hash {
                return Err(Failure::from(Error::Corrupt(format!(
                    "block {} of disk {} reads back other than the agent sent it: something between the agent and the pool is damaged; check the network, the box's memory and its disks (the recovery points before are untouched)",
                    record.index, self.disk.disk
                ))));
            }
            done += block.len() as u64;
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
