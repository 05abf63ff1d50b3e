//! Tells the box how far a job is, every few seconds, from a thread of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use understudy_wire::{Bytes, JobId, Progress};

use crate::link::{Link, LinkError};

const INTERVAL: Duration = Duration::from_secs(3);

/// How far the job is; written by the copier, read by the thread. Nothing here allocates or waits, so that it can be
/// used while file systems are frozen.
#[derive(Default)]
pub struct State {
    stage: AtomicU64,
    sent: AtomicU64,
    expected: AtomicU64,
    unwanted: AtomicBool,
    ended: Mutex<bool>,
    end: Condvar,
}

/// What the job is at, as [`Progress::stage`] names it.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// Finding out which blocks to copy.
    Mapping,
    /// Copying while the machine runs.
    Copying,
    /// Hooks, freeze, thaw.
    Freezing,
    /// Sending what was read at the instant, waiting for the recovery point.
    Finishing,
}

const STAGES: [&str; 4] = ["mapping", "copying", "freezing", "finishing"];

impl State {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u64, Ordering::Relaxed);
    }

    /// So many bytes more were sent.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes more will be sent.
    pub fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes need not be sent after all.
    pub fn spare(&self, bytes: u64) {
        self.expected.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Fails once the box has ended the job.
    pub fn check_wanted(&self) -> anyhow::Result<()> {
        if self.unwanted.load(Ordering::Relaxed) {
            bail!(
                "the box has ended this job (cancelled or timed out); the next one begins as if it had not been"
            );
        }
        Ok(())
    }

    /// Ends [`Self::tell`].
    pub fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }

    /// The thread: tells the box until [`Self::end`].
    pub fn tell(&self, link: &dyn Link, job: JobId) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            drop(ended);
            match link.progress(job, &self.now()) {
                Ok(standing) if standing.wanted => {}
                Ok(_) | Err(LinkError::Refused { .. }) => self.unwanted.store(true, Ordering::Relaxed),
                // The link has tried for minutes; the copier goes on, because iSCSI may well work. Not logged: file
                // systems may be frozen now. What depends on an answer fails and says so.
                Err(_) => {}
            }
            ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if !*ended {
                ended = self
                    .end
                    .wait_timeout(ended, INTERVAL)
                    .map_or_else(|error| error.into_inner().0, |got| got.0);
            }
        }
    }

    fn now(&self) -> Progress {
        let number = |value: &AtomicU64| Bytes(value.load(Ordering::Relaxed));
        let stage = STAGES[self.stage.load(Ordering::Relaxed) as usize % STAGES.len()];
        Progress { stage: stage.into(), sent: number(&self.sent), expected: number(&self.expected) }
    }
}

/// Ends the thread when the job's function is left, however it is left.
pub struct EndOnDrop<'a>(pub &'a State);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
