//! The machines: started, watched, found again, ended.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use understudy_bus::error::{Error, Result};
use understudy_bus::vms::{Spec, Vm};
use understudy_qemu_runner::{Console, Guest, Monitor, Place, Units, attach, end, launch};
use understudy_wire::VmId;

use crate::spec::Host;
use crate::state::{Condition, State};

/// The file in a machine's folder that tells a new launcher what the old one knew.
const REMEMBERED: &str = "vm.json";

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    version: u32,
    name: String,
    started_after: u64,
}

struct Entry {
    name: String,
    condition: Condition,
    started_after: u64,
    /// Sockets to a QEMU that lives.
    live: Option<Live>,
    /// Held while the machine is being started or ended.
    busy: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Live {
    monitor: Monitor,
    console: Arc<Console>,
}

/// All machines of the box.
pub struct Launcher<U> {
    units: U,
    host: Host,
    runtime_directory: PathBuf,
    machines: Arc<Machines>,
}

/// The machines, and whom to tell when one changes.
struct Machines {
    entries: Mutex<HashMap<VmId, Entry>>,
    changes: mpsc::UnboundedSender<Vm>,
}

impl Machines {
    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a machine and tells of it; says whether the machine is still there.
    fn change(&self, id: VmId, change: impl FnOnce(&mut Entry)) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&id) else { return false };
        let before = entry.condition.clone();
        change(entry);
        if entry.condition != before {
            let Condition { state, message } = &entry.condition;
            tracing::info!(vm = %id, "the machine {} is {} {message}", entry.name, state.name());
            // Nobody listens when the service is ending.
            let _ = self.changes.send(row(id, entry));
        }
        true
    }
}

fn row(id: VmId, entry: &Entry) -> Vm {
    Vm {
        vm: id.to_string(),
        name: entry.name.clone(),
        state: entry.condition.state.name().to_owned(),
        message: entry.condition.message.clone(),
        started_after: entry.started_after,
    }
}

fn failed(error: understudy_qemu_runner::Error) -> Error {
    match error {
        error @ understudy_qemu_runner::Error::Exists(_) => Error::Exists(error.to_string()),
        error => Error::Failed(error.to_string()),
    }
}

impl<U: Units> Launcher<U> {
    /// A launcher, and the changes of its machines.
    pub fn new(units: U, host: Host, runtime_directory: PathBuf) -> (Self, mpsc::UnboundedReceiver<Vm>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        let machines = Arc::new(Machines { entries: Mutex::default(), changes });
        (Self { units, host, runtime_directory, machines }, receiver)
    }

    /// Takes up the machines an earlier launcher has started, and removes what is left of those that do not run.
    pub async fn find_again(&self) -> understudy_qemu_runner::Result<()> {
        let running = self.units.running().await?;
        for id in Place::all(&self.runtime_directory)? {
            let place = self.place(id);
            let remembered = recall(&place);
            let guest = match &remembered {
                Some(_) if running.contains(&id) => attach(&place).await,
                _ => {
                    // Its start was cut short, or it has ended: nothing of it may stay.
                    self.units.stop(id).await?;
                    place.remove()?;
                    tracing::info!(vm = %id, "removed what was left of a machine that does not run");
                    continue;
                }
            };
            let Some(remembered) = remembered else { continue };
            match guest {
                Ok(guest) => {
                    let condition = found(&guest).await;
                    tracing::info!(vm = %id, "found the machine {} again", remembered.name);
                    self.insert(id, remembered.name, condition.clone());
                    self.watch(id, guest, remembered.started_after, condition);
                }
                Err(error) => {
                    let message = format!(
                        "it was running when the launcher started again, and cannot be reached: {error}"
                    );
                    self.insert(id, remembered.name, Condition { state: State::Failed, message });
                }
            }
        }
        // A unit without a folder is nobody's.
        let known = Place::all(&self.runtime_directory)?;
        for id in running.into_iter().filter(|id| !known.contains(id)) {
            tracing::warn!(vm = %id, "ending a machine nothing is known of");
            self.units.stop(id).await?;
        }
        Ok(())
    }

    /// Starts a machine and returns when its processors run.
    pub async fn start(&self, spec: Spec) -> Result<Vm> {
        let called = Instant::now();
        let name = spec.name.clone();
        let (machine, disks) = self.host.machine(spec)?;
        let id = machine.id;
        let busy = self.insert_new(id, &name)?;
        let _starting = busy.lock().await;
        tracing::info!(vm = %id, "starting the machine {name}: {} processors, {} MiB, {} disks", machine.cpus,
            machine.memory_mib, machine.disks.len());
        let place = self.place(id);
        let started = match launch(&self.units, &place, &machine, disks).await {
            Ok(guest) => {
                let started_after = u64::try_from(called.elapsed().as_micros()).unwrap_or(u64::MAX);
                match remember(&place, &name, started_after) {
                    Ok(()) => Ok((guest, started_after)),
                    Err(error) => {
                        let text =
                            format!("VM {id} started and cannot be remembered, so it was ended: {error}");
                        end(&self.units, &place, id, Some(&guest.monitor)).await.map_err(failed)?;
                        Err(Error::Failed(text))
                    }
                }
            }
            Err(error) => Err(failed(error)),
        };
        match started {
            Ok((guest, started_after)) => {
                self.watch(id, guest, started_after, Condition::plain(State::Running));
                self.get(id)
            }
            Err(error) => {
                tracing::error!(vm = %id, "the machine {name} cannot start: {}", error.message());
                self.machines.lock().remove(&id);
                Err(error)
            }
        }
    }

    /// Ends a machine and returns when its disks are closed.
    pub async fn stop(&self, vm: &str) -> Result<()> {
        let id = parse(vm)?;
        let found = self.machines.lock().get(&id).map(|entry| (entry.busy.clone(), entry.condition.state));
        let Some((busy, state)) = found else { return Ok(()) };
        if state == State::Starting {
            // Makes the start fail now instead of when it is done.
            self.units.stop(id).await.map_err(failed)?;
        }
        let _ending = busy.lock().await;
        let found = self.machines.lock().get(&id).map(|entry| entry.live.clone());
        let Some(live) = found else { return Ok(()) };
        let monitor = live.as_ref().map(|live| &live.monitor);
        end(&self.units, &self.place(id), id, monitor).await.map_err(failed)?;
        if let Some(mut entry) = self.machines.lock().remove(&id) {
            entry.condition = Condition::plain(State::Stopped);
            tracing::info!(vm = %id, "the machine {} was stopped", entry.name);
            let _ = self.machines.changes.send(row(id, &entry));
        }
        Ok(())
    }

    /// All machines.
    pub fn list(&self) -> Vec<Vm> {
        self.machines.lock().iter().map(|(id, entry)| row(*id, entry)).collect()
    }

    /// A socket to a machine's serial console.
    pub fn console(&self, vm: &str) -> Result<OwnedFd> {
        let live = self.live(vm)?;
        live.console
            .connect()
            .map_err(|error| Error::Failed(format!("cannot open the console of VM {vm}: {error}; try again")))
    }

    /// A machine's screen.
    pub async fn screenshot(&self, vm: &str) -> Result<OwnedFd> {
        self.live(vm)?.monitor.screenshot().await.map_err(failed)
    }

    fn place(&self, id: VmId) -> Place {
        Place::new(&self.runtime_directory, id)
    }

    fn get(&self, id: VmId) -> Result<Vm> {
        self.machines.lock().get(&id).map(|entry| row(id, entry)).ok_or_else(|| missing(&id.to_string()))
    }

    fn live(&self, vm: &str) -> Result<Live> {
        let id = parse(vm)?;
        let entries = self.machines.lock();
        let entry = entries.get(&id).ok_or_else(|| missing(vm))?;
        entry.live.clone().ok_or_else(|| {
            Error::NotReady(format!(
                "VM {vm} is {}; only one that runs can be reached",
                entry.condition.state.name()
            ))
        })
    }

    /// A new entry in the place of one that has ended; refuses where one lives.
    fn insert_new(&self, id: VmId, name: &str) -> Result<Arc<tokio::sync::Mutex<()>>> {
        if self.machines.lock().contains_key(&id) {
            return Err(Error::Exists(format!(
                "VM {id} exists already; stop it first, or start another one"
            )));
        }
        Ok(self.insert(id, name.to_owned(), Condition::plain(State::Starting)))
    }

    fn insert(&self, id: VmId, name: String, condition: Condition) -> Arc<tokio::sync::Mutex<()>> {
        let busy = Arc::new(tokio::sync::Mutex::new(()));
        let entry = Entry { name, condition, started_after: 0, live: None, busy: busy.clone() };
        self.machines.lock().insert(id, entry);
        busy
    }

    /// Takes a guest over and follows its events to its end.
    fn watch(&self, id: VmId, mut guest: Guest, started_after: u64, condition: Condition) {
        let machines = self.machines.clone();
        let console = Arc::new(guest.console);
        let live = Live { monitor: guest.monitor, console };
        machines.change(id, |entry| {
            entry.condition = condition;
            entry.started_after = started_after;
            entry.live = Some(live);
        });
        tokio::spawn(async move {
            while let Some(event) = guest.events.next().await {
                tracing::debug!(vm = %id, "event {} {}", event.name, event.data);
                machines
                    .change(id, |entry| entry.condition = entry.condition.after(&event.name, &event.data));
            }
            let last_words = guest.said.last_words().await;
            machines.change(id, |entry| {
                entry.live = None;
                entry.condition = entry.condition.after_end(&last_words);
            });
        });
    }
}

/// The condition of a machine found again.
async fn found(guest: &Guest) -> Condition {
    let status = guest.monitor.execute("query-status", None).await.unwrap_or_default();
    match status["status"].as_str() {
        Some("running") => Condition::plain(State::Running),
        Some("guest-panicked") => {
            Condition::plain(State::Running).after("GUEST_PANICKED", &serde_json::Value::Null)
        }
        _ => Condition::plain(State::Paused),
    }
}

fn remember(place: &Place, name: &str, started_after: u64) -> std::io::Result<()> {
    let remembered = Remembered { version: 1, name: name.to_owned(), started_after };
    // Whole or not at all: without it the machine counts as one whose start was cut short.
    let draft = place.file("vm.json.new");
    std::fs::write(&draft, serde_json::to_vec(&remembered)?)?;
    std::fs::rename(draft, place.file(REMEMBERED))
}

fn recall(place: &Place) -> Option<Remembered> {
    let remembered: Remembered = serde_json::from_slice(&std::fs::read(place.file(REMEMBERED)).ok()?).ok()?;
    (remembered.version == 1).then_some(remembered)
}

fn parse(vm: &str) -> Result<VmId> {
    vm.parse().map_err(|error| Error::InvalidArgument(format!("{error}")))
}

fn missing(vm: &str) -> Error {
    Error::NotFound(format!("there is no VM {vm}; it may have been stopped meanwhile"))
}
