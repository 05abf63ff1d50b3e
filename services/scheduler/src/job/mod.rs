//! Backups. `state` says what may follow what, `runner` takes a job from step to step, and each step is a file.

pub mod base_hashes;
pub mod block_reader;
mod live;
mod preparing;
mod publishing;
pub mod records;
mod report_check;
mod runner;
mod snapshotting;
pub mod state;
mod verifying;
mod waiting;
mod withdrawing;

use std::path::PathBuf;
use std::sync::Arc;

use tracing::Instrument;
use understudy_bus::error::{Error, Result};
use understudy_wire::{DiskId, Inventory, JobId, MachineId};

pub use live::Live;

use crate::catalogue::NewJob;
use crate::scheduler::{Event, Scheduler};

impl Scheduler {
    /// Makes a job for a machine, with the disks of its latest inventory, and starts it.
    pub(crate) fn start_job(self: &Arc<Self>, machine: MachineId, cause: &str) -> Result<JobId> {
        let row = self.resolve(&machine.to_string())?;
        let name = &row.name;
        if row.inventory.is_empty() {
            return Err(Error::NotReady(format!(
                "machine {name} has not told its disks yet: its agent does so when it first runs; is it running?"
            )));
        }
        let inventory: Inventory = serde_json::from_str(&row.inventory).map_err(|error| {
            Error::Failed(format!("the inventory of machine {name} cannot be read: {error}"))
        })?;
        let disks: Vec<(DiskId, u64, u32)> =
            inventory.disks.iter().map(|disk| (disk.id, disk.size.0, disk.sector_size)).collect();
        if disks.is_empty() {
            return Err(Error::NotReady(format!("machine {name} has no disk that could be backed up")));
        }
        let new = NewJob { machine, cause, initiator: &initiator(machine), disks: &disks };
        let job = self.catalogue.add_job(&new)?.map_err(|holder| {
            Error::Busy(format!(
                "job {holder} is already backing up machine {name}; wait for it or cancel it"
            ))
        })?;
        tracing::info!(%machine, %job, "job {job} begins to back up {name}");
        self.spawn_job(job, machine, None);
        self.tell(Event::Job(job));
        Ok(job)
    }

    /// Takes up all jobs that had not ended when the service last did.
    pub(crate) fn resume_jobs(self: &Arc<Self>) -> Result<()> {
        for row in self.catalogue.open_jobs()? {
            let seconds = crate::clock::utc().saturating_sub(row.started);
            tracing::info!(machine = %row.machine, job = %row.job, "job {} is taken up again in step {}", row.job, row.step);
            self.spawn_job(row.job, row.machine, Some(seconds));
        }
        Ok(())
    }

    /// `age` is how many seconds ago a job of an earlier run began.
    fn spawn_job(self: &Arc<Self>, job: JobId, machine: MachineId, age: Option<u64>) {
        let live = Arc::new(Live::new(job, machine, age.unwrap_or(0)));
        self.live().insert(job, live.clone());
        let span = tracing::info_span!("job", %machine, %job);
        tokio::spawn(runner::run(self.clone(), live, age.is_some()).instrument(span));
    }

    /// Where a job keeps its files.
    pub(crate) fn job_folder(&self, job: JobId) -> PathBuf {
        self.options.state.join("jobs").join(job.to_string())
    }

    /// Decides that a job fails. True if it was this call that decided.
    pub(crate) fn doom(&self, job: JobId, message: &str, report: &str) -> Result<bool> {
        let decided = self.catalogue.doom(job, message, report)?;
        if decided {
            tracing::error!(%job, "job {job} fails: {message}");
            if let Some(live) = self.live().get(&job) {
                live.stop();
            }
            self.tell(Event::Job(job));
        }
        Ok(decided)
    }
}

/// The iSCSI name of a machine's agent (RFC 7143, 4.2.7.2).
fn initiator(machine: MachineId) -> String {
    format!("iqn.2026-01.org.understudy:machine.{machine}")
}
