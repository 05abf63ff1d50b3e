//! `org.freedesktop.systemd1`: starts and ends units, and knows how they are (org.freedesktop.systemd1(5)). Not ours; what our services
//! use of it.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedObjectPath, Type};

/// The service manager.
#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1",
    gen_blocking = false
)]
pub trait Manager {
    /// Asks for signals about units and jobs: without this there are none. See [`ManagerProxy::listen`].
    fn subscribe(&self) -> zbus::Result<()>;
    /// Starts a unit; gives the job, whose end `JobRemoved` tells. `mode`: "fail" or "replace" what contradicts it.
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// Stops a unit, in the same way.
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// The path of a unit, read from disk if need be: a [`Unit`].
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    /// Units whose load, sub or active state is one of `states`.
    fn list_units_filtered(&self, states: &[&str]) -> zbus::Result<Vec<ListedUnit>>;
    /// The same, of those whose name fits one of `patterns`.
    fn list_units_by_patterns(&self, states: &[&str], patterns: &[&str]) -> zbus::Result<Vec<ListedUnit>>;
    /// What is being started or stopped.
    fn list_jobs(&self) -> zbus::Result<Vec<ListedJob>>;
    /// `starting`, `running`, `degraded`, `stopping`…
    #[zbus(property(emits_changed_signal = "false"))]
    fn system_state(&self) -> zbus::Result<String>;
    /// A job has ended; `result` is `done` if it did what it was to do.
    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

impl ManagerProxy<'_> {
    /// Asks for signals about units and jobs, where this connection has not done so yet: systemd refuses to be asked twice.
    pub async fn listen(&self) -> zbus::Result<()> {
        match self.subscribe().await {
            Err(zbus::Error::MethodError(name, ..))
                if name == "org.freedesktop.systemd1.AlreadySubscribed" =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Reboots in good order, as `systemctl reboot` does: all units are stopped first. The manager's own `Reboot` leaves that out.
    pub async fn reboot(&self) -> zbus::Result<()> {
        self.start_unit("reboot.target", "replace-irreversibly").await.map(drop)
    }
}

/// One unit.
#[proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1",
    gen_blocking = false
)]
pub trait Unit {
    /// `active`, `activating`, `failed`, `inactive`…
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
    /// Names of the units that it starts with it.
    #[zbus(property(emits_changed_signal = "false"))]
    fn wants(&self) -> zbus::Result<Vec<String>>;
}

/// A unit in a list.
#[derive(Debug, Clone, Deserialize, Serialize, Type)]
pub struct ListedUnit {
    /// With its suffix: `a.service`.
    pub name: String,
    /// For people.
    pub description: String,
    /// `loaded`, `not-found`…
    pub load_state: String,
    /// As [`UnitProxy::active_state`].
    pub active_state: String,
    /// What an active state means for this kind of unit: `running`, `mounted`…
    pub sub_state: String,
    /// The unit whose state it follows; empty if none.
    pub following: String,
    /// Path of its [`Unit`].
    pub path: OwnedObjectPath,
    /// Number of the job that waits for it; 0 if none.
    pub job: u32,
    /// Kind of that job.
    pub job_kind: String,
    /// Path of that job.
    pub job_path: OwnedObjectPath,
}

/// A job in a list.
#[derive(Debug, Clone, Deserialize, Serialize, Type)]
pub struct ListedJob {
    /// Its number.
    pub id: u32,
    /// The unit it is for.
    pub unit: String,
    /// `start`, `stop`…
    pub kind: String,
    /// `waiting` or `running`.
    pub state: String,
    /// Its path.
    pub path: OwnedObjectPath,
    /// Path of its [`Unit`].
    pub unit_path: OwnedObjectPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_has_systemds_shapes() {
        assert_eq!(ListedUnit::SIGNATURE.to_string(), "(ssssssouso)");
        assert_eq!(ListedJob::SIGNATURE.to_string(), "(usssoo)");
    }
}
