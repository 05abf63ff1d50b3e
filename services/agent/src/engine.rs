//! The backup engine and its tracker, as the service drives them.

use anyhow::Context;
use understudy_wire::{Disk, Inventory, Order};

use crate::backup;
use crate::config::BackupSettings;
use crate::link::Link;
use crate::service::Engine;
use crate::state::StateDir;
use crate::tracker::Tracker;

/// Takes real backups.
pub struct Backups {
    state: StateDir,
    settings: BackupSettings,
    /// `None` only after it could not be opened anew; every use tries again.
    tracker: Option<Tracker>,
    disks: Vec<Disk>,
}

impl Backups {
    /// Begins to track these disks, or goes on where an earlier process has begun.
    pub fn open(state: &StateDir, disks: &[Disk], settings: BackupSettings) -> anyhow::Result<Self> {
        let mut backups = Self { state: state.clone(), settings, tracker: None, disks: disks.to_vec() };
        backups.tracker()?;
        Ok(backups)
    }

    fn tracker(&mut self) -> anyhow::Result<&mut Tracker> {
        if self.tracker.is_none() {
            let tracker =
                Tracker::open(self.state.path(), &self.disks).context("writes cannot be tracked")?;
            self.tracker = Some(tracker);
        }
        self.tracker.as_mut().context("the tracker was opened above")
    }
}

impl Engine for Backups {
    fn recover(&mut self, link: &dyn Link) -> anyhow::Result<()> {
        backup::recover(link, self.tracker()?)
    }

    fn disks_changed(&mut self, disks: &[Disk]) -> anyhow::Result<()> {
        disks.clone_into(&mut self.disks);
        // Closed first: there is only one tracker. Its marks stay, in the kernel, for the next one.
        self.tracker = None;
        self.tracker().map(drop)
    }

    fn run(&mut self, order: &Order, inventory: &Inventory, link: &dyn Link) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        backup::run(order, inventory, link, self.tracker()?, &settings)
    }
}
