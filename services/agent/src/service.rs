//! `understudy-agent run`: tells the box what machine this is, waits for orders, carries them out, for ever.

use std::time::Duration;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd;
use understudy_wire::{Disk, Inventory, Order};

use crate::inventory::{self, Memory, Probe, Root};
use crate::link::{Backoff, HttpsLink, Link, LinkError};
use crate::state::{Pairing, StateDir};
use crate::status::{Activity, Board};

/// How long one question for an order waits.
const POLL: Duration = Duration::from_secs(30);

/// The backup engine, as the service drives it.
pub trait Engine {
    /// Settles a job that an earlier process left open.
    fn recover(&mut self, link: &dyn Link) -> anyhow::Result<()>;

    /// The machine has other disks than before.
    fn disks_changed(&mut self, disks: &[Disk]) -> anyhow::Result<()>;

    /// Takes one whole backup and reports it.
    fn run(&mut self, order: &Order, inventory: &Inventory, link: &dyn Link) -> anyhow::Result<()>;
}

/// Reads the machine's inventory, and says cheaply when it may have changed.
pub struct Inventories {
    root: Root,
    probe: Box<dyn Probe>,
    memory: Memory,
}

impl Inventories {
    /// Of the machine beneath `root`, with disk ids remembered in `state`.
    pub fn open(root: Root, probe: Box<dyn Probe>, state: &StateDir) -> anyhow::Result<Self> {
        Ok(Self { root, probe, memory: Memory::open(state.path())? })
    }

    /// The inventory as it is now. New disk ids are stored before anybody hears of them.
    pub fn collect(&mut self) -> anyhow::Result<Inventory> {
        let inventory = inventory::collect(&self.root, &*self.probe, &mut self.memory)?;
        self.memory.store()?;
        Ok(inventory)
    }
}

/// The running service.
pub struct Service<'a> {
    /// Where the pairing is.
    pub state: &'a StateDir,
    /// Where it says what it does.
    pub board: Board,
    /// What machine this is.
    pub inventories: Inventories,
    /// What takes the backups.
    pub engine: &'a mut dyn Engine,
    /// Disks as the engine knows them.
    pub disks: Vec<Disk>,
}

/// What one conversation with one box has come to so far.
#[derive(Default)]
struct Progress {
    recovered: bool,
    sent: Option<Inventory>,
    fingerprint: Option<String>,
}

impl Service<'_> {
    /// Runs until the process ends. Returns only when something is wrong that trying again cannot mend.
    pub fn run(&mut self) -> anyhow::Result<std::convert::Infallible> {
        loop {
            let watch = Watch::new(self.state)?;
            let Some(pairing) = self.state.pairing()? else {
                tracing::info!(
                    "this machine is not paired with a box; run `understudy-agent pair ADDRESS CODE`"
                );
                self.board.show(Activity::WaitingForPairing);
                watch.wait(None)?;
                continue;
            };
            tracing::info!(machine = %pairing.machine, "paired with the box at {}", pairing.address);
            self.serve(&pairing, &watch)?;
            tracing::info!("the pairing has changed");
        }
    }

    /// Serves one box until the pairing changes.
    fn serve(&mut self, pairing: &Pairing, watch: &Watch) -> anyhow::Result<()> {
        let link = HttpsLink::open(pairing)?;
        let mut progress = Progress::default();
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        while self.state.pairing()?.as_ref() == Some(pairing) {
            match self.turn(&link, &mut progress) {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    let wait = backoff.wait();
                    tracing::warn!("{error:#}; trying again in {wait:?}");
                    self.board.show(Activity::Failing { reason: format!("{error:#}") });
                    watch.wait(Some(wait))?;
                }
            }
        }
        Ok(())
    }

    /// One round: whatever the box has to be told, then one question for an order.
    fn turn(&mut self, link: &HttpsLink, progress: &mut Progress) -> anyhow::Result<()> {
        if !progress.recovered {
            self.engine.recover(link).context("an earlier job cannot be settled")?;
            progress.recovered = true;
        }
        let fingerprint = inventory::fingerprint(&self.inventories.root)?;
        if progress.fingerprint.as_ref() != Some(&fingerprint) {
            self.introduce(link, progress)?;
            progress.fingerprint = Some(fingerprint);
        }
        let order = match link.order(POLL) {
            Ok(order) => order,
            // Known by another name, or no longer: whatever it was told is not known there.
            Err(error @ LinkError::Refused { .. }) => {
                *progress = Progress { recovered: true, ..Progress::default() };
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.board.show(Activity::Waiting);
        let Some(order) = order else { return Ok(()) };

        let inventory = self.introduce(link, progress)?;
        tracing::info!(job = %order.job, "backing up {} disks", order.disks.len());
        self.board.show(Activity::BackingUp { job: order.job });
        let result = self.engine.run(&order, &inventory, link);
        self.board.ended(order.job, result.as_ref().err().map(|error| format!("{error:#}")));
        match result {
            Ok(()) => tracing::info!(job = %order.job, "done"),
            // Waits a little before the next order, which may be the same one.
            Err(error) => return Err(error.context(format!("backup {} failed", order.job))),
        }
        self.board.show(Activity::Waiting);
        Ok(())
    }

    /// Collects the inventory, and tells engine and box where it is new to them.
    fn introduce(&mut self, link: &HttpsLink, progress: &mut Progress) -> anyhow::Result<Inventory> {
        let inventory = self.inventories.collect().context("the machine's inventory cannot be taken")?;
        let shape = |disks: &[Disk]| {
            disks.iter().map(|disk| (disk.id, disk.name.clone(), disk.size)).collect::<Vec<_>>()
        };
        if shape(&inventory.disks) != shape(&self.disks) {
            self.engine.disks_changed(&inventory.disks)?;
            self.disks.clone_from(&inventory.disks);
        }
        if progress.sent.as_ref() != Some(&inventory) {
            link.inventory(&inventory).context("the inventory was not taken by the box")?;
            tracing::info!("sent the inventory: {} disks", inventory.disks.len());
            progress.sent = Some(inventory.clone());
        }
        Ok(inventory)
    }
}

/// Notices when a pairing is stored.
struct Watch(Inotify);

impl Watch {
    fn new(state: &StateDir) -> anyhow::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .context("cannot watch for a pairing")?;
        watch
            .add_watch(state.path(), AddWatchFlags::IN_MOVED_TO)
            .with_context(|| format!("cannot watch {}", state.path().display()))?;
        Ok(Self(watch))
    }

    /// Waits until something is renamed into the state directory, or for this long.
    fn wait(&self, at_most: Option<Duration>) -> anyhow::Result<()> {
        let timeout = match at_most {
            Some(wait) => PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut ready, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => drop(self.0.read_events()),
            Err(error) => return Err(error).context("cannot wait for a pairing"),
        }
        Ok(())
    }
}
