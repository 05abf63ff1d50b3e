//! Starting and ending the units virtual machines run in.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;

use understudy_bus::systemd::ManagerProxy;
use understudy_wire::VmId;

use crate::{Error, Result};

/// What starts `understudy-qemu` for an id, and ends it. systemd on the box, plain processes in tests.
pub trait Units: Send + Sync + 'static {
    /// Starts the unit and returns when its program runs.
    fn start(&self, id: VmId) -> impl Future<Output = Result<()>> + Send;
    /// Ends the unit, if it runs, and returns when all its processes have gone.
    fn stop(&self, id: VmId) -> impl Future<Output = Result<()>> + Send;
    /// The ids whose unit runs.
    fn running(&self) -> impl Future<Output = Result<Vec<VmId>>> + Send;
}

/// A unit starts within seconds; ending one may wait for its disks to take what QEMU holds.
const DEADLINE: Duration = Duration::from_secs(150);

/// The units `PREFIX@ID.service` of systemd.
#[derive(Debug, Clone)]
pub struct Systemd {
    manager: ManagerProxy<'static>,
    prefix: &'static str,
}

impl Systemd {
    /// `prefix` is the template's name before the `@`.
    pub async fn new(connection: &zbus::Connection, prefix: &'static str) -> zbus::Result<Self> {
        let manager = ManagerProxy::new(connection).await?;
        // Without this systemd sends no signals about jobs.
        manager.listen().await?;
        Ok(Self { manager, prefix })
    }

    fn unit(&self, id: VmId) -> String {
        format!("{}@{id}.service", self.prefix)
    }
}

/// What systemd is to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Start it, unless something contradicts.
    Start,
    /// Start it, and give up what contradicts.
    StartInstead,
    /// Stop it, if it runs.
    Stop,
}

/// Has systemd start or stop a unit and waits for it to have done so. `manager` must be subscribed.
pub async fn change_unit(
    manager: &ManagerProxy<'_>,
    change: Change,
    unit: &str,
    deadline: Duration,
) -> Result<()> {
    let verb = if change == Change::Stop { "stop" } else { "start" };
    let failed = |reason: String| Error::Unit { verb, unit: unit.to_owned(), reason };
    // Before the call: the job may be done when its answer comes.
    let mut removed = manager.receive_job_removed().await.map_err(|error| failed(error.to_string()))?;
    let called = match change {
        Change::Start => manager.start_unit(unit, "fail").await,
        Change::StartInstead => manager.start_unit(unit, "replace").await,
        Change::Stop => manager.stop_unit(unit, "replace").await,
    };
    let job = match called {
        Ok(job) => job,
        Err(zbus::Error::MethodError(name, _, _))
            if change == Change::Stop && name.as_str() == "org.freedesktop.systemd1.NoSuchUnit" =>
        {
            return Ok(());
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let done = async {
        while let Some(signal) = removed.next().await {
            let args = signal.args().map_err(|error| failed(error.to_string()))?;
            if args.job == job {
                return if args.result == "done" { Ok(()) } else { Err(failed(args.result.clone())) };
            }
        }
        Err(failed("the bus connection ended".to_owned()))
    };
    tokio::time::timeout(deadline, done)
        .await
        .unwrap_or_else(|_| Err(failed(format!("it took longer than {} s", deadline.as_secs()))))
}

impl Units for Systemd {
    async fn start(&self, id: VmId) -> Result<()> {
        change_unit(&self.manager, Change::Start, &self.unit(id), DEADLINE).await
    }

    async fn stop(&self, id: VmId) -> Result<()> {
        change_unit(&self.manager, Change::Stop, &self.unit(id), DEADLINE).await
    }

    async fn running(&self) -> Result<Vec<VmId>> {
        let pattern = format!("{}@*.service", self.prefix);
        let states = ["active", "activating", "deactivating", "reloading"];
        let units = self.manager.list_units_by_patterns(&states, &[&pattern]).await.map_err(|error| {
            Error::Unit { verb: "list", unit: pattern.clone(), reason: error.to_string() }
        })?;
        let id = |name: &str| {
            name.strip_prefix(self.prefix)?.strip_prefix('@')?.strip_suffix(".service")?.parse().ok()
        };
        Ok(units.iter().filter_map(|unit| id(&unit.name)).collect())
    }
}
