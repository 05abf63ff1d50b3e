//! What all parts of the scheduler share.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, RwLock, mpsc, watch};
use understudy_bus::error::{Error, Result};
use understudy_wire::{JobId, MachineId, VmId};

use crate::catalogue::{self, Catalogue, MachineRow};
use crate::engines::Engines;
use crate::job::Live;
use crate::pairing::Codes;
use crate::record_keeper::OnPool;
use crate::stand_in::kept::Kept;

/// How the scheduler is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for the catalogue and the files of running jobs.
    pub state: PathBuf,
    /// How long an agent may be silent in mid-job before the job is given up.
    pub agent_silence: Duration,
    /// How long another service may be away before a step fails.
    pub service_patience: Duration,
}

/// Something that others want to hear of.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// Machines changed.
    Machines,
    /// A job changed.
    Job(JobId),
    /// A stand-in changed.
    StandIn(VmId),
    /// A machine's order or outcome may have changed.
    Agent(MachineId),
}

/// The scheduler.
pub struct Scheduler {
    pub(crate) options: Options,
    pub(crate) catalogue: Catalogue,
    pub(crate) engines: Engines,
    pub(crate) codes: Codes,
    pub(crate) timetables_changed: Notify,
    /// Held for writing while the catalogue is made anew: what would only be refused meanwhile waits for it.
    pub(crate) steady: RwLock<()>,
    /// A machine's record on the pool may be out of date.
    pub(crate) records_due: Notify,
    /// Machines' records as the pool has them.
    pub(crate) records_on_pool: tokio::sync::Mutex<OnPool>,
    /// Why the catalogue has not been compared with what the other services really have; `None` once it has.
    pub(crate) reconciled: watch::Sender<Option<String>>,
    live: Mutex<HashMap<JobId, Arc<Live>>>,
    seen: Mutex<HashMap<MachineId, u64>>,
    /// A stand-in has changed its state.
    pub(crate) stand_ins_changed: Notify,
    /// Stand-ins of this run of the service; ended ones of earlier runs are not shown.
    pub(crate) shown: Mutex<HashSet<VmId>>,
    /// Disks of stand-ins that the catalogue knows nothing of.
    pub(crate) kept: Kept,
    events: mpsc::UnboundedSender<Event>,
}

impl Scheduler {
    /// Opens the catalogue, serves both interfaces, and sets to work. The name is taken by the caller, when all this stands.
    pub async fn start(connection: zbus::Connection, options: Options) -> anyhow::Result<Arc<Self>> {
        let catalogue = catalogue::open(&options.state)
            .with_context(|| format!("cannot open the catalogue in {}", options.state.display()))?;
        let kept = Kept::open(&options.state)?;
        let engines = Engines::new(&connection, options.service_patience).await?;
        let (events, heard) = mpsc::unbounded_channel();
        let scheduler = Arc::new(Self {
            options,
            catalogue,
            engines,
            codes: Codes::default(),
            timetables_changed: Notify::new(),
            steady: RwLock::default(),
            records_due: Notify::new(),
            records_on_pool: tokio::sync::Mutex::default(),
            reconciled: watch::Sender::new(Some("the scheduler has only just started".to_owned())),
            live: Mutex::default(),
            seen: Mutex::default(),
            stand_ins_changed: Notify::new(),
            shown: Mutex::default(),
            kept,
            events,
        });
        crate::dbus::serve(&connection, &scheduler, heard).await.context("cannot serve on the bus")?;
        scheduler.resume_jobs().context("cannot read the jobs in the catalogue")?;
        tokio::spawn(crate::reconcile::run(scheduler.clone()));
        tokio::spawn(crate::record_keeper::run(scheduler.clone()));
        tokio::spawn(crate::timekeeper::run(scheduler.clone()));
        tokio::spawn(crate::stand_in::watch::run(scheduler.clone()));
        Ok(scheduler)
    }

    /// Tells whoever listens.
    pub(crate) fn tell(&self, event: Event) {
        // It fails only when the service ends, and then nobody listens.
        let _ = self.events.send(event);
    }

    /// Running jobs.
    pub(crate) fn live(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a machine's agent last called; stored once a minute, known exactly while the service runs.
    pub(crate) fn seen(&self, row: &MachineRow) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&row.machine).copied().unwrap_or(row.seen)
    }

    /// Notes that a machine's agent has just called.
    pub(crate) fn mark_seen(&self, row: &MachineRow) -> Result<()> {
        let now = crate::clock::utc();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(row.machine, now);
        if now.abs_diff(row.seen) >= 60 {
            self.catalogue.set_seen(row.machine, now)?;
        }
        Ok(())
    }

    /// The machine that an id or a host name means.
    pub(crate) fn resolve(&self, text: &str) -> Result<MachineRow> {
        if let Ok(machine) = text.parse::<MachineId>() {
            return self.catalogue.machine(machine)?.ok_or_else(|| {
                Error::NotFound(format!(
                    "machine {machine} is not known to this box; `understudy machines` lists all"
                ))
            });
        }
        let all = self.catalogue.machines()?;
        let named: Vec<&MachineRow> = all.iter().filter(|row| row.name == text).collect();
        match named.as_slice() {
            [one] => Ok((*one).clone()),
            [] if all.is_empty() => Err(Error::NotFound(format!(
                "there is no machine {text:?}: none is paired with this box yet; begin with `understudy pair`"
            ))),
            [] => {
                let names: Vec<&str> = all.iter().map(|row| row.name.as_str()).collect();
                Err(Error::NotFound(format!("there is no machine {text:?}; there are: {}", names.join(", "))))
            }
            several => {
                let ids: Vec<String> = several.iter().map(|row| row.machine.to_string()).collect();
                Err(Error::InvalidArgument(format!(
                    "{text:?} is the name of several machines; say which by its id: {}",
                    ids.join(", ")
                )))
            }
        }
    }
}

/// Reads an id that came over the bus.
pub(crate) fn parse_id<T: std::str::FromStr<Err = understudy_wire::id::IdError>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: understudy_wire::id::IdError| Error::InvalidArgument(error.to_string()))
}

/// Runs blocking work on its own thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::Failed(format!("a worker thread of the scheduler ended: {error}")))
    })
}
