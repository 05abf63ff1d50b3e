//! The backup engine as the service drives it: the tracker, and backups that use it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use understudy_wire::{Disk, Inventory, Order};

use crate::backup;
use crate::config::BackupSettings;
use crate::link::Link;
use crate::service;
use crate::tracker::Tracker;

/// Tracks the machine's disks for as long as it lives, and backs them up.
pub struct Engine {
    state: PathBuf,
    settings: BackupSettings,
    /// `None` only while the tracker is opened again: one exists at a time.
    tracker: Option<Tracker>,
}

impl Engine {
    /// Tracking begins here, before the box is asked for anything.
    pub fn start(state: &Path, settings: BackupSettings, disks: &[Disk]) -> anyhow::Result<Self> {
        let tracker = Tracker::open(state, disks).context("the tracker cannot start")?;
        Ok(Self { state: state.to_owned(), settings, tracker: Some(tracker) })
    }

    fn tracker(&mut self) -> anyhow::Result<&mut Tracker> {
        self.tracker.as_mut().context("the tracker could not be started again after the disks changed")
    }
}

impl service::Engine for Engine {
    fn recover(&mut self, link: &dyn Link) -> anyhow::Result<()> {
        backup::recover(link, self.tracker()?)
    }

    fn disks_changed(&mut self, disks: &[Disk]) -> anyhow::Result<()> {
        // What is pinned goes on marking in between.
        self.tracker = None;
        self.tracker = Some(Tracker::open(&self.state, disks).context("the tracker cannot start again")?);
        Ok(())
    }

    fn run(&mut self, order: &Order, inventory: &Inventory, link: &dyn Link) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        backup::run(order, inventory, link, self.tracker()?, &settings)
    }
}
