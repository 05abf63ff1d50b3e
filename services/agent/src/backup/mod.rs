//! A backup: from the box's order to its recovery point.
//!
//! The map of blocks to copy is made by [`plan`], copied while the machine runs, and then what was written meanwhile,
//! again and again until little is left ([`job`]). That little is read while the file systems are frozen ([`instant`])
//! and sent afterwards. Marks are forgotten only when the box has named the snapshot that holds their blocks.

mod copier;
mod copy_disk;
mod hooks;
mod instant;
mod job;
mod plan;
mod progress;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use understudy_wire::{Inventory, JobId, Order, Outcome, Report};

pub use copy_disk::{CopyStats, copy_disk};

use crate::config::BackupSettings;
use crate::freeze::watchdog;
use crate::link::Link;
use crate::tracker::Tracker;

/// How long one question for the outcome waits at the box.
const OUTCOME_WAIT: Duration = Duration::from_secs(50);

/// Bounds of a backup, and for tests where they differ from a machine's.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of memory for the blocks that are dirty at the instant.
    pub frozen_memory: usize,
    /// How long a lost iSCSI connection is tried again.
    pub patience: Duration,
    /// Where the watchdog listens.
    pub watchdog: PathBuf,
    /// A deliberate mistake. No setting reaches it.
    pub fault: Option<Fault>,
}

/// Mistakes that tests make on purpose, to show that they would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What is dirty at the instant is not copied.
    SkipLastPass,
    /// One block that is dirty at the instant is forgotten.
    DropMark,
}

impl Limits {
    /// For a machine with this much memory: an eighth of it, 128 MiB at most.
    fn of(inventory: &Inventory) -> Self {
        let frozen_memory = (inventory.memory.0 / 8).clamp(16 << 20, 128 << 20) as usize;
        Self { frozen_memory, patience: Duration::from_secs(60), watchdog: watchdog::socket(), fault: None }
    }
}

/// Carries out an order. An error has been reported to the box as far as it can be reached; marks are kept.
pub fn run(
    order: &Order,
    inventory: &Inventory,
    link: &dyn Link,
    tracker: &mut Tracker,
    settings: &BackupSettings,
) -> anyhow::Result<()> {
    run_with(order, inventory, link, tracker, settings, &Limits::of(inventory))
}

/// [`run`] with other bounds.
pub fn run_with(
    order: &Order,
    inventory: &Inventory,
    link: &dyn Link,
    tracker: &mut Tracker,
    settings: &BackupSettings,
    limits: &Limits,
) -> anyhow::Result<()> {
    if let Some(open) = tracker.open_job() {
        recover(link, tracker)?;
        if open.job == order.job {
            bail!("job {} was begun before and is settled now; the box orders the next one", order.job);
        }
    }
    tracker.begin(order.job)?;
    match job::carry_out(order, inventory, link, tracker, settings, limits) {
        Ok(report) => {
            link.report(order.job, &report).context("cannot tell the box that everything was sent")?;
            match settle(order.job, link, tracker)? {
                Settled::Done => Ok(()),
                Settled::Failed(message) => bail!("the box made no recovery point: {message}"),
            }
        }
        Err(error) => {
            // No success was reported, so there is no recovery point: the marks stay.
            let report =
                Report { error: Some(format!("{error:#}")), frozen_seconds: 0.0, disks: Default::default() };
            let told = link.report(order.job, &report);
            tracker.failed()?;
            match told {
                Ok(()) => Err(error),
                Err(second) => Err(error.context(format!("the box could not be told ({second})"))),
            }
        }
    }
}

/// Settles the job that an earlier process left open. A job that still runs on the box is failed: what of it was copied
/// is not known any more. An error (the box cannot be reached) leaves it open; ask again.
pub fn recover(link: &dyn Link, tracker: &mut Tracker) -> anyhow::Result<()> {
    let Some(open) = tracker.open_job() else { return Ok(()) };
    match link.outcome(open.job, Duration::ZERO) {
        Ok(Outcome::Running) if !open.fixed => {
            let error =
                "the agent was restarted in mid-copy; nothing is lost, the next backup takes up its changes";
            let report = Report { error: Some(error.into()), frozen_seconds: 0.0, disks: Default::default() };
            link.report(open.job, &report)
                .with_context(|| format!("cannot end job {} on the box", open.job))?;
            tracing::warn!("job {}: {error}", open.job);
            tracker.failed()
        }
        // Its instant had passed, and its report may have arrived or not: the box makes a point of it, or gives it up
        // when it hears nothing more.
        Ok(Outcome::Running) => settle(open.job, link, tracker).map(Settled::log),
        Ok(outcome) => conclude(open.job, outcome, tracker).map(Settled::log),
        Err(crate::link::LinkError::Refused { refusal, .. }) => {
            // The box does not know the job (any more). Its marks stay; whether they fit the next order's base is
            // decided by the snapshot's GUID.
            tracing::warn!("job {}: {}", open.job, refusal.error);
            tracker.failed()
        }
        Err(error) => Err(error).with_context(|| format!("cannot learn what became of job {}", open.job)),
    }
}

/// What became of a job.
enum Settled {
    Done,
    Failed(String),
}

impl Settled {
    fn log(self) {
        if let Self::Failed(message) = self {
            tracing::warn!("the box made no recovery point of the job before: {message}");
        }
    }
}

/// Waits for the box's word on a job that was reported.
fn settle(job: JobId, link: &dyn Link, tracker: &mut Tracker) -> anyhow::Result<Settled> {
    loop {
        let outcome = link.outcome(job, OUTCOME_WAIT).context(
            "everything was sent, but the box does not say what became of it; the agent will ask again",
        )?;
        if outcome != Outcome::Running {
            return conclude(job, outcome, tracker);
        }
    }
}

fn conclude(job: JobId, outcome: Outcome, tracker: &mut Tracker) -> anyhow::Result<Settled> {
    match outcome {
        Outcome::Running => bail!("job {job} has not ended"),
        Outcome::Done { point, disks } => {
            tracker.done(&disks)?;
            tracing::info!("job {job}: recovery point {point}");
            Ok(Settled::Done)
        }
        Outcome::Failed { message } => {
            tracker.failed()?;
            Ok(Settled::Failed(message))
        }
    }
}
