//! The calls that the console makes, as they stand on the bus. Only what it needs: each interface has more.

use serde::{Deserialize, Serialize};
use understudy_bus::error::Result;
use understudy_bus::settings::Status;
use understudy_bus::zfs::Pool;
use zbus::proxy;
use zbus::zvariant::Type;

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Port {
    pub name: String,
    pub mac: String,
    pub link: bool,
    /// 0 if unknown.
    pub speed_mbit: u32,
    pub driver: String,
    pub addresses: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Keyboard {
    pub name: String,
    pub description: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Check {
    pub what: String,
    pub ok: bool,
    pub said: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Trial {
    pub addresses: Vec<String>,
    pub gateway: String,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Mistake {
    pub line: u32,
    pub reason: String,
}

#[proxy(
    interface = "org.understudy.Settings1.Manager",
    default_service = "org.understudy.Settings1",
    default_path = "/org/understudy/Settings1",
    gen_blocking = false
)]
pub(super) trait Settings {
    fn status(&self) -> Result<Status>;
    fn ports(&self) -> Result<Vec<Port>>;
    fn keyboards(&self) -> Result<Vec<Keyboard>>;
    fn set_keyboard(&self, name: &str) -> Result<()>;
    fn try_network(&self, network: &str) -> Result<Trial>;
    fn end_trial(&self) -> Result<()>;
    fn change_network(&self, network: &str) -> Result<()>;
    fn check(&self, answers: &str) -> Result<Vec<Mistake>>;
    fn apply(&self, answers: &str) -> Result<()>;
    fn set_password(&self, hash: &str) -> Result<()>;
    fn reboot(&self) -> Result<()>;
    fn power_off(&self) -> Result<()>;
    fn factory_reset(&self, host_name: &str) -> Result<()>;
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct Disk {
    /// Its path, best beneath `/dev/disk/by-id`.
    pub name: String,
    pub node: String,
    pub model: String,
    pub serial: String,
    pub size: u64,
    pub sector_size: u32,
    pub rotational: bool,
    pub removable: bool,
    /// Empty for a blank disk.
    pub contents: String,
    /// Empty if it may be used.
    pub usable: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct ForeignPool {
    pub guid: u64,
    pub name: String,
    pub health: String,
    pub hint: String,
    pub disks: Vec<String>,
    /// How many disks are not there; each of them is `missing` among `disks`.
    pub missing: u32,
    pub last_host: String,
    pub in_use_elsewhere: bool,
    pub ours: bool,
}

#[proxy(
    interface = "org.understudy.Zfs1.Manager",
    default_service = "org.understudy.Zfs1",
    default_path = "/org/understudy/Zfs1",
    gen_blocking = false
)]
pub(super) trait Zfs {
    fn disks(&self) -> Result<Vec<Disk>>;
    fn importable(&self) -> Result<Vec<ForeignPool>>;
    fn pool(&self) -> Result<Pool>;
    fn keep_recovery_key(&self, key: &str) -> Result<()>;
    fn recovery_key(&self) -> Result<(String, bool)>;
    fn confirm_recovery_key(&self) -> Result<()>;
    fn unlock(&self, key: &str) -> Result<()>;
}

/// A machine at a glance; times are seconds since 1970-01-01 UTC, 0 for never.
#[derive(Debug, Clone, Serialize, Deserialize, Type)]
pub(super) struct MachineOverview {
    pub machine: String,
    pub name: String,
    pub protected: bool,
    pub backed_up: u64,
    pub due: u64,
    /// Empty if the last backup did not fail.
    pub failure: String,
    /// The running job; empty if none.
    pub job: String,
    pub step: String,
    pub percent: u8,
}

#[proxy(
    interface = "org.understudy.Scheduler1.Manager",
    default_service = "org.understudy.Scheduler1",
    default_path = "/org/understudy/Scheduler1",
    gen_blocking = false
)]
pub(super) trait Scheduler {
    fn overview(&self) -> Result<Vec<MachineOverview>>;
    fn new_pairing_code(&self) -> Result<(String, u64)>;
}
