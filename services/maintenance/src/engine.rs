//! What maintenance needs of the box beneath it.

use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::time::Duration;

use tokio::sync::watch;
use understudy_bus::error::Result;
use understudy_updates::{Installed, Step};

/// A file system on something that can be pulled out, as far as it is known without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The kernel's name of the partition or disk, for example `sdb1`.
    pub device: String,
    /// Its label; may be empty.
    pub label: String,
    /// Maker and model of the disk.
    pub model: String,
    /// Bytes.
    pub size: u64,
    /// Why it cannot be read, and what to do; empty if it can.
    pub unreadable: String,
}

/// A file in the root of a stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// One part of a support bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The journal of a start of the box: 0 is this one, 1 the one before. At most so many bytes, the newest.
    Journal {
        /// How many starts back.
        start: u8,
        /// Bytes.
        most: usize,
    },
    /// Units that failed.
    FailedUnits,
    /// What system this is.
    OsRelease,
    /// The kernel's command line.
    CommandLine,
    /// Both versions of the system, as RAUC knows them.
    Slots,
    /// How far the box is set up.
    Status,
    /// What it was told.
    Settings,
    /// Its disks.
    Disks,
    /// Its pool.
    Pool,
    /// The protected machines at a glance.
    Machines,
    /// How many recovery points there are.
    Points,
    /// Network interfaces and their addresses.
    Addresses,
    /// Routes.
    Routes,
    /// Memory and load.
    Memory,
}

/// The box.
pub trait Engine: Send + Sync + 'static {
    /// Sticks that are there, by device.
    fn sticks(&self) -> Vec<Found>;
    /// Changes whenever sticks may have come or gone.
    fn stick_changes(&self) -> watch::Receiver<()>;
    /// Files in the root of a stick.
    fn list(&self, device: &str) -> impl Future<Output = Result<Vec<Listed>>> + Send;
    /// Reads a file from a stick into `to`, which is given back.
    fn read<W: Write + Send + 'static>(
        &self,
        device: &str,
        name: &str,
        to: W,
    ) -> impl Future<Output = Result<W>> + Send;
    /// Writes a file to a stick. What was written is to be read again: a full stick need not be an error here.
    fn write(&self, device: &str, name: &str, from: File) -> impl Future<Output = Result<()>> + Send;
    /// Gives a file on a stick another name.
    fn rename(&self, device: &str, from: &str, to: &str) -> impl Future<Output = Result<()>> + Send;
    /// Removes a file from a stick.
    fn remove(&self, device: &str, name: &str) -> impl Future<Output = Result<()>> + Send;
    /// Bytes that are free where the service keeps its files.
    fn room(&self) -> std::io::Result<u64>;

    /// Whether an update is being installed, by whomever.
    fn is_installing(&self) -> impl Future<Output = anyhow::Result<bool>> + Send;
    /// Installs a bundle, by path or URL.
    fn install(
        &self,
        source: &str,
        tell: impl FnMut(Step) + Send,
    ) -> impl Future<Output = anyhow::Result<Installed>> + Send;

    /// One part of a support bundle, as it stands on the box.
    fn evidence(&self, what: Evidence) -> impl Future<Output = anyhow::Result<String>> + Send;

    /// Time since the box was started, with the time it slept.
    fn since_start(&self) -> Duration;
    /// Returns when [`Engine::since_start`] has reached this.
    fn wait_until(&self, since_start: Duration) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Seconds since 1970-01-01 UTC.
    fn now(&self) -> u64;

    /// Gives a terminal to a shell of root's.
    fn start_shell(&self, terminal: &str) -> impl Future<Output = Result<()>> + Send;
    /// Ends the shell at a terminal, if there is one.
    fn end_shell(&self, terminal: &str) -> impl Future<Output = Result<()>> + Send;
}
