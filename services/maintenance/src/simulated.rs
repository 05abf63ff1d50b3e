//! A box in memory, with sticks that are full, broken and pulled out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::{mpsc, watch};
use understudy_bus::error::{Error, Result};
use understudy_updates::{Installed, Step};

use crate::engine::{Engine, Evidence, Found, Listed};

/// What is wrong with a stick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes so many bytes of a file and says nothing of the rest, as mtools does.
    Full(usize),
    /// It cannot be read.
    Unreadable,
    /// It is pulled out after so many bytes of a file.
    PulledOut(usize),
}

/// A stick.
#[derive(Debug, Default)]
pub struct Stick {
    pub found: Found,
    pub files: BTreeMap<String, Vec<u8>>,
    pub fault: Option<Fault>,
}

/// How an installation ends.
pub type Ended = anyhow::Result<Installed>;

/// What there is of it.
#[derive(Debug)]
pub struct State {
    pub sticks: BTreeMap<String, Stick>,
    /// Bytes.
    pub room: u64,
    /// RAUC is at work for somebody else.
    pub busy: bool,
    /// What was installed: source and contents.
    pub installed: Vec<(String, Vec<u8>)>,
    /// What every part of a support bundle says; one that is missing fails.
    pub evidence: Option<String>,
    /// The part that gives no answer.
    pub hangs: Option<Evidence>,
    /// Bytes that each journal has besides.
    pub journal: usize,
    /// Terminals with a shell.
    pub shells: Vec<String>,
    /// What was asked for as the journal's share.
    pub journal_shares: Vec<usize>,
}

/// The box.
pub struct Simulated {
    state: Mutex<State>,
    pub changes: watch::Sender<()>,
    pub clock: watch::Sender<Duration>,
    /// What RAUC does next, as a test says; the end of an installation is the last of it.
    steps: tokio::sync::Mutex<mpsc::UnboundedReceiver<std::result::Result<Step, Ended>>>,
    pub rauc: mpsc::UnboundedSender<std::result::Result<Step, Ended>>,
}

impl Simulated {
    pub fn new() -> Self {
        let (rauc, steps) = mpsc::unbounded_channel();
        let state = State {
            sticks: BTreeMap::new(),
            room: 1 << 40,
            busy: false,
            installed: Vec::new(),
            evidence: Some("all is well\n".to_owned()),
            hangs: None,
            journal: 0,
            shells: Vec::new(),
            journal_shares: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(()),
            clock: watch::Sender::new(Duration::from_secs(100)),
            steps: tokio::sync::Mutex::new(steps),
            rauc,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plugs in a stick with these files.
    pub fn plug(&self, device: &str, files: &[(&str, &[u8])]) {
        let found =
            Found { device: device.to_owned(), label: "TOOLS".to_owned(), size: 1 << 30, ..Found::default() };
        let files = files.iter().map(|(name, contents)| ((*name).to_owned(), contents.to_vec())).collect();
        self.state().sticks.insert(device.to_owned(), Stick { found, files, fault: None });
        self.changes.send_replace(());
    }

    /// Makes a stick bad.
    pub fn spoil(&self, device: &str, fault: Fault) {
        self.state().sticks.get_mut(device).unwrap().fault = Some(fault);
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.send_modify(|clock| *clock += time);
    }

    fn on<T>(&self, device: &str, act: impl FnOnce(&mut Stick) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        let stick = state.sticks.get_mut(device).ok_or_else(|| Error::Failed(format!("{device} is gone")))?;
        if stick.fault == Some(Fault::Unreadable) {
            return Err(Error::Failed(format!("cannot read the stick {device}: input/output error")));
        }
        act(stick)
    }
}

fn absent(name: &str) -> Error {
    Error::Failed(format!("{name} not found"))
}

impl Engine for Simulated {
    fn sticks(&self) -> Vec<Found> {
        self.state().sticks.values().map(|stick| stick.found.clone()).collect()
    }

    fn stick_changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    async fn list(&self, device: &str) -> Result<Vec<Listed>> {
        self.on(device, |stick| {
            let listed = stick.files.iter();
            Ok(listed
                .map(|(name, contents)| Listed { name: name.clone(), size: contents.len() as u64 })
                .collect())
        })
    }

    async fn read<W: Write + Send + 'static>(&self, device: &str, name: &str, mut to: W) -> Result<W> {
        let (contents, fault) = self.on(device, |stick| {
            Ok((stick.files.get(name).cloned().ok_or_else(|| absent(name))?, stick.fault))
        })?;
        let contents = match fault {
            Some(Fault::PulledOut(after)) => &contents[..after.min(contents.len())],
            _ => &contents[..],
        };
        for part in contents.chunks(1000) {
            to.write_all(part).map_err(|error| Error::Failed(error.to_string()))?;
        }
        Ok(to)
    }

    async fn write(&self, device: &str, name: &str, mut from: File) -> Result<()> {
        self.on(device, |stick| {
            let mut contents = Vec::new();
            from.read_to_end(&mut contents).unwrap();
            if let Some(Fault::Full(room)) = stick.fault {
                contents.truncate(room);
            }
            stick.files.insert(name.to_owned(), contents);
            Ok(())
        })
    }

    async fn rename(&self, device: &str, from: &str, to: &str) -> Result<()> {
        self.on(device, |stick| {
            let contents = stick.files.remove(from).ok_or_else(|| absent(from))?;
            stick.files.insert(to.to_owned(), contents);
            Ok(())
        })
    }

    async fn remove(&self, device: &str, name: &str) -> Result<()> {
        self.on(device, |stick| stick.files.remove(name).map(drop).ok_or_else(|| absent(name)))
    }

    fn room(&self) -> std::io::Result<u64> {
        Ok(self.state().room)
    }

    async fn is_installing(&self) -> anyhow::Result<bool> {
        Ok(self.state().busy)
    }

    async fn install(&self, source: &str, mut tell: impl FnMut(Step) + Send) -> Ended {
        let contents = std::fs::read(source).unwrap_or_default();
        self.state().installed.push((source.to_owned(), contents));
        let mut steps = self.steps.lock().await;
        while let Some(step) = steps.recv().await {
            match step {
                Ok(step) => tell(step),
                Err(ended) => return ended,
            }
        }
        bail!("the test is over")
    }

    async fn evidence(&self, what: Evidence) -> anyhow::Result<String> {
        if self.state().hangs == Some(what) {
            std::future::pending::<()>().await;
        }
        let mut state = self.state();
        let mut journal = String::new();
        if let Evidence::Journal { most, .. } = what {
            state.journal_shares.push(most);
            journal = "-".repeat(state.journal);
        }
        match &state.evidence {
            Some(text) => Ok(format!("{what:?}\n{journal}{text}")),
            None => bail!("nobody answers: secret={}", "00112233445566778899aabbccddeeff"),
        }
    }

    fn since_start(&self) -> Duration {
        *self.clock.borrow()
    }

    async fn wait_until(&self, since_start: Duration) -> anyhow::Result<()> {
        self.clock.subscribe().wait_for(|clock| *clock >= since_start).await?;
        Ok(())
    }

    fn now(&self) -> u64 {
        1_767_323_045 + self.since_start().as_secs()
    }

    async fn start_shell(&self, terminal: &str) -> Result<()> {
        self.state().shells.push(terminal.to_owned());
        Ok(())
    }

    async fn end_shell(&self, terminal: &str) -> Result<()> {
        self.state().shells.retain(|shell| shell != terminal);
        Ok(())
    }
}
