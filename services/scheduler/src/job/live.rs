//! What is known of a running job only while the service runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use understudy_direct_io::Device;
use understudy_wire::{DiskId, JobId, MachineId};

use super::records::Records;

/// A running job.
pub struct Live {
    /// Its id.
    pub job: JobId,
    /// Its machine.
    pub machine: MachineId,
    begun: Instant,
    age: u64,
    wake: Notify,
    stopped: AtomicBool,
    state: Mutex<State>,
}

struct State {
    heard: Instant,
    stage: String,
    /// Bytes sent and expected; `None` until the agent has told this run of the service.
    figures: Option<(u64, u64)>,
    records: HashMap<DiskId, Arc<Records>>,
    bases: HashMap<DiskId, Arc<Device>>,
}

impl Live {
    /// A job that began `age` seconds ago.
    pub fn new(job: JobId, machine: MachineId, age: u64) -> Self {
        let now = Instant::now();
        let state = State {
            heard: now,
            stage: String::new(),
            figures: None,
            records: HashMap::new(),
            bases: HashMap::new(),
        };
        Self {
            job,
            machine,
            begun: now,
            age,
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the job began.
    pub fn seconds(&self) -> f64 {
        self.age as f64 + self.begun.elapsed().as_secs_f64()
    }

    /// The runner looks at the job's row again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends long work, because the job is to fail.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether long work is to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Notes a sign of life of the agent.
    pub fn hear(&self) {
        self.state().heard = Instant::now();
    }

    /// Waits until somebody wakes the job, or the agent has been silent for `patience`; then false.
    pub async fn woken_before(&self, patience: Duration) -> bool {
        loop {
            let deadline = self.state().heard + patience;
            if deadline <= Instant::now() {
                return false;
            }
            tokio::select! {
                () = self.wake.notified() => return true,
                // Signs of life do not wake anybody; whether there was one is looked up when the time has come.
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
    }

    /// Stores what is being done, in a few words.
    pub fn set_stage(&self, stage: impl Into<String>) {
        self.state().stage = stage.into();
    }

    /// Stores the agent's figures.
    pub fn set_progress(&self, stage: String, sent: u64, expected: u64) {
        let mut state = self.state();
        state.heard = Instant::now();
        state.stage = stage;
        state.figures = Some((sent, expected));
    }

    /// What is being done, and the figures.
    pub fn progress(&self) -> (String, Option<(u64, u64)>) {
        let state = self.state();
        (state.stage.clone(), state.figures)
    }

    /// A disk's records file, opened by `open` at first.
    pub fn records(
        &self,
        disk: DiskId,
        open: impl FnOnce() -> std::io::Result<Records>,
    ) -> std::io::Result<Arc<Records>> {
        let mut state = self.state();
        if let Some(records) = state.records.get(&disk) {
            return Ok(records.clone());
        }
        let records = Arc::new(open()?);
        state.records.insert(disk, records.clone());
        Ok(records)
    }

    /// A disk's base, if it has been opened.
    pub fn base(&self, disk: DiskId) -> Option<Arc<Device>> {
        self.state().bases.get(&disk).cloned()
    }

    /// Keeps a disk's base open.
    pub fn keep_base(&self, disk: DiskId, base: Arc<Device>) {
        self.state().bases.insert(disk, base);
    }

    /// Closes the bases: an open snapshot cannot be rolled over.
    pub fn close_bases(&self) {
        self.state().bases.clear();
    }
}
