//! The switch: learns who is where, and passes frames on.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use super::Traffic;
use super::frames::{BadLength, LONGEST_FRAME, PREFIX, Run, next_run};
use super::port::Port;

/// Several frames of the largest kind at a time: fewer system calls.
const BUFFER: usize = 4 * (LONGEST_FRAME + PREFIX);
/// A guest that makes up addresses must not fill our memory; a switch forgets as well.
const ADDRESSES_KEPT: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Hub {
    places: Mutex<Places>,
    next_id: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Places {
    ports: Vec<Arc<Port>>,
    /// Every machine that was ever here, and whether its cable is cut: it stays cut when the machine is started anew.
    machines: BTreeMap<String, bool>,
    learned: HashMap<[u8; 6], u64>,
}

impl Hub {
    /// A new place for `machine`; ends when the other end is closed.
    pub(super) fn attach(self: &Arc<Self>, machine: &str) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let port = Arc::new(Port::new(id, machine, ours.try_clone()?)?);
        let mut places = self.places();
        port.cut.store(*places.machines.entry(machine.to_owned()).or_default(), Ordering::Relaxed);
        places.ports.push(port.clone());
        drop(places);
        let hub = self.clone();
        thread::Builder::new().name(format!("switch port of {machine}")).spawn(move || {
            if let Err(BadLength(length)) = hub.serve(&port, ours) {
                tracing::error!(machine = port.machine, length, "a frame of impossible length; port closed");
            }
            hub.detach(&port);
        })?;
        Ok(theirs)
    }

    /// Cuts or restores every cable of `machine`; gives the names of those who are there where it is not.
    pub(super) fn set_cut(&self, machine: &str, cut: bool) -> Result<(), Vec<String>> {
        let mut places = self.places();
        let Some(state) = places.machines.get_mut(machine) else {
            return Err(places.machines.keys().cloned().collect());
        };
        *state = cut;
        let its = places.ports.iter().filter(|port| port.machine == machine);
        its.for_each(|port| port.cut.store(cut, Ordering::Relaxed));
        Ok(())
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            frames: self.frames.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// Reads frames until the machine is gone.
    fn serve(&self, port: &Port, mut stream: UnixStream) -> Result<(), BadLength> {
        let mut buffer = vec![0; BUFFER];
        let mut filled = 0;
        loop {
            match stream.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(()),
            }
            let mut unread = &buffer[..filled];
            while let Some(run) = next_run(&mut unread)? {
                self.pass_on(port, &run);
            }
            let left = unread.len();
            buffer.copy_within(filled - left..filled, 0);
            filled = left;
        }
    }

    fn pass_on(&self, from: &Port, run: &Run) {
        self.frames.fetch_add(run.frames, Ordering::Relaxed);
        self.bytes.fetch_add(run.bytes.len() as u64 - run.frames * PREFIX as u64, Ordering::Relaxed);
        let receivers = if from.is_cut() { Vec::new() } else { self.receivers(from, run) };
        let sent = receivers.iter().filter(|port| !port.is_cut() && port.send(run.bytes)).count();
        if sent == 0 {
            self.dropped.fetch_add(run.frames, Ordering::Relaxed);
        }
    }

    /// The one place where the address was seen; else all but the sender's own.
    fn receivers(&self, from: &Port, run: &Run) -> Vec<Arc<Port>> {
        let mut places = self.places();
        if places.learned.len() >= ADDRESSES_KEPT {
            places.learned.clear();
        }
        places.learned.insert(run.addresses.from, from.id);
        let known = (!run.addresses.to_many()).then(|| places.learned.get(&run.addresses.to)).flatten();
        let others = places.ports.iter().filter(|port| port.id != from.id);
        match known {
            Some(place) => others.filter(|port| port.id == *place).cloned().collect(),
            None => others.cloned().collect(),
        }
    }

    fn detach(&self, gone: &Port) {
        let mut places = self.places();
        places.ports.retain(|port| port.id != gone.id);
        places.learned.retain(|_, place| *place != gone.id);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
