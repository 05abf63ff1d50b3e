//! This box.

mod clock;
mod evidence;
pub mod mtools;
mod watch;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::io::unix::AsyncFd;
use understudy_bus::error::{Error, Result};
use understudy_bus::rauc::RaucProxy;
use understudy_bus::systemd::ManagerProxy;
use understudy_qemu_runner::{Change, change_unit};
use understudy_updates::{self as install, Installed, Step};

use crate::engine::{Engine, Evidence, Found, Listed};
use crate::sticks;

/// A shell starts within a moment, and is killed after five seconds if it does not end by itself.
const SHELL_DEADLINE: Duration = Duration::from_secs(30);

/// This box.
#[derive(Debug)]
pub struct ThisBox {
    bus: zbus::Connection,
    manager: ManagerProxy<'static>,
    mtools: mtools::Mtools,
    changes: tokio::sync::watch::Receiver<()>,
    state: PathBuf,
}

impl ThisBox {
    /// `state` and `runtime` are the service's own folders.
    pub async fn new(bus: zbus::Connection, state: PathBuf, runtime: PathBuf) -> anyhow::Result<Self> {
        let manager = ManagerProxy::new(&bus).await?;
        // Without this systemd sends no signals about jobs.
        manager.listen().await.context("systemd does not tell what it does")?;
        let mtools = mtools::Mtools::new(manager.clone(), runtime);
        Ok(Self { bus, manager, mtools, changes: watch::changes(Path::new("/"))?, state })
    }
}

fn shell(terminal: &str) -> String {
    format!("understudy-support-shell@{terminal}.service")
}

fn failed(error: understudy_qemu_runner::Error) -> Error {
    Error::Failed(error.to_string())
}

impl Engine for ThisBox {
    fn sticks(&self) -> Vec<Found> {
        sticks::all(Path::new("/"))
    }

    fn stick_changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.changes.clone()
    }

    async fn list(&self, device: &str) -> Result<Vec<Listed>> {
        self.mtools.list(device).await
    }

    async fn read<W: Write + Send + 'static>(&self, device: &str, name: &str, to: W) -> Result<W> {
        self.mtools.read(device, name, to).await
    }

    async fn write(&self, device: &str, name: &str, from: File) -> Result<()> {
        self.mtools.write(device, name, from).await
    }

    async fn rename(&self, device: &str, from: &str, to: &str) -> Result<()> {
        self.mtools.rename(device, from, to).await
    }

    async fn remove(&self, device: &str, name: &str) -> Result<()> {
        self.mtools.remove(device, name).await
    }

    fn room(&self) -> std::io::Result<u64> {
        let room = nix::sys::statvfs::statvfs(&self.state)?;
        Ok(room.blocks_available().saturating_mul(room.fragment_size()))
    }

    async fn is_installing(&self) -> anyhow::Result<bool> {
        install::is_busy(&RaucProxy::new(&self.bus).await?).await
    }

    async fn install(&self, source: &str, tell: impl FnMut(Step) + Send) -> anyhow::Result<Installed> {
        install::run(&self.bus, source, tell).await
    }

    async fn evidence(&self, what: Evidence) -> anyhow::Result<String> {
        evidence::gather(&self.bus, what).await
    }

    fn since_start(&self) -> Duration {
        clock::since_start()
    }

    async fn wait_until(&self, since_start: Duration) -> anyhow::Result<()> {
        clock::wait_until(since_start).await
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    async fn start_shell(&self, terminal: &str) -> Result<()> {
        change_unit(&self.manager, Change::StartInstead, &shell(terminal), SHELL_DEADLINE)
            .await
            .map_err(failed)
    }

    async fn end_shell(&self, terminal: &str) -> Result<()> {
        change_unit(&self.manager, Change::Stop, &shell(terminal), SHELL_DEADLINE).await.map_err(failed)
    }
}

/// The same file again, for the runtime to wait on.
fn pollable(file: impl AsFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "an OwnedFd stays the same descriptor while the AsyncFd has it, which is what the successor asks a promise for"
    )]
    AsyncFd::new(file.as_fd().try_clone_to_owned()?)
}
