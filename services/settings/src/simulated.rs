//! A box in memory, whose power can be cut.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::bail;
use tokio::sync::watch;
use understudy_answers::{
    Answers, DiskName, HostName, Import, Keyboard, Network, Pool, TimeServer, TimeZone,
};
use understudy_bus::error::{Error, Result as BusResult};
use understudy_bus::settings::{Check, Port, Trial};

use crate::engine::{Down, Engine, Found, Services};

/// Answers that fit the box below.
pub const GOOD: &str = r#"version = 1
host_name = "box"
keyboard = "de"
time_zone = "Europe/Berlin"
[network]
mac = "52:54:00:AB:34:56"
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
[pool]
layout = "mirror"
disks = ["A", "B"]
"#;

/// The same, read.
pub fn answers() -> Answers {
    understudy_answers::parse(GOOD).unwrap()
}

/// So many steps are left until it is cut.
pub struct Power(AtomicI64);

impl Default for Power {
    fn default() -> Self {
        Self::for_steps(i64::MAX)
    }
}

impl Power {
    /// It lasts for so many steps.
    pub fn for_steps(steps: i64) -> Self {
        Self(AtomicI64::new(steps))
    }

    /// One step more. Once it has failed every other does: nothing happens any more.
    pub fn spend(&self) -> std::io::Result<()> {
        let left =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left > 0).then(|| left - 1));
        left.map(drop).map_err(|_| std::io::Error::other("the power is cut"))
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// What a box's disks hold, whatever becomes of its power.
#[derive(Default)]
pub struct Disks {
    /// The pool.
    pub pool: Option<Pool>,
    /// A pool that was begun.
    pub half: Option<Pool>,
}

/// What the box has, what was done to it, and where it fails.
pub struct Simulated {
    /// The configuration disk's text.
    pub disk: Mutex<Option<String>>,
    /// What was done, in order.
    pub done: Mutex<Vec<String>>,
    /// The step that fails, as it stands in `done`.
    pub fails: Mutex<Option<&'static str>>,
    /// How the services are, look by look; the last stays.
    pub services: Mutex<Vec<Services>>,
    /// Its disks.
    pub disks: Arc<Mutex<Disks>>,
    /// What it is called, where it stands, and how it is reached, as it is now.
    pub name: Mutex<Option<HostName>>,
    pub zone: Mutex<Option<(TimeZone, Vec<TimeServer>)>>,
    pub network: watch::Sender<Option<Network>>,
    pub addresses: Mutex<Vec<String>>,
    /// A trial is begun and never ends by itself.
    pub slow: bool,
    pub power: Arc<Power>,
    pub changes: watch::Sender<()>,
}

impl Simulated {
    /// A box without a configuration disk.
    pub fn new() -> Self {
        Self {
            disk: Mutex::default(),
            done: Mutex::default(),
            fails: Mutex::default(),
            services: Mutex::default(),
            disks: Arc::default(),
            name: Mutex::default(),
            zone: Mutex::default(),
            network: watch::Sender::new(None),
            addresses: Mutex::new(vec!["10.0.0.2/24".to_owned()]),
            slow: false,
            power: Arc::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// A box with a configuration disk.
    pub fn with_disk(text: &str) -> Self {
        let engine = Self::new();
        *engine.disk.lock().unwrap() = Some(text.to_owned());
        engine
    }

    fn step(&self, step: &str) -> anyhow::Result<()> {
        self.power.spend()?;
        self.done.lock().unwrap().push(step.to_owned());
        if *self.fails.lock().unwrap() == Some(step) { bail!("{step} failed") } else { Ok(()) }
    }

    /// What was done so far.
    pub fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

impl Engine for Simulated {
    async fn configuration_disk(&self) -> anyhow::Result<Option<String>> {
        self.step("look for the disk")?;
        Ok(self.disk.lock().unwrap().clone())
    }

    async fn load_firewall(&self) -> anyhow::Result<()> {
        self.step("firewall")
    }

    async fn name(&self, name: &HostName) -> anyhow::Result<()> {
        self.step("name")?;
        *self.name.lock().unwrap() = Some(name.clone());
        Ok(())
    }

    async fn time(&self, zone: &TimeZone, servers: &[TimeServer]) -> anyhow::Result<()> {
        self.step("time")?;
        *self.zone.lock().unwrap() = Some((zone.clone(), servers.to_vec()));
        Ok(())
    }

    async fn keyboard(&self, keyboard: &Keyboard) -> BusResult<()> {
        let done = self.step(&format!("keyboard {keyboard}"));
        done.map_err(|error| Error::Failed(error.to_string()))
    }

    async fn network(&self, network: Option<&Network>) -> anyhow::Result<()> {
        self.step(if network.is_some() { "network" } else { "no network" })?;
        self.network.send_replace(network.cloned());
        Ok(())
    }

    async fn try_network(&self, network: &Network) -> anyhow::Result<Trial> {
        self.step("try the network")?;
        self.network.send_replace(Some(network.clone()));
        if self.slow {
            std::future::pending::<()>().await;
        }
        let link = Check { what: "link".to_owned(), ok: true, said: "eth0 has a link".to_owned() };
        Ok(Trial { addresses: vec!["10.0.0.2/24".to_owned()], gateway: String::new(), checks: vec![link] })
    }

    fn ports(&self) -> anyhow::Result<Vec<Port>> {
        Ok(vec![Port {
            name: "eth0".to_owned(),
            mac: "52:54:00:ab:34:56".to_owned(),
            link: true,
            speed_mbit: 1000,
            driver: "e1000e".to_owned(),
            addresses: self.addresses()?,
        }])
    }

    fn addresses(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.addresses.lock().unwrap().clone())
    }

    fn network_changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn knows_zone(&self, zone: &TimeZone) -> bool {
        ["UTC", "Europe/Berlin"].contains(&zone.as_str())
    }

    async fn find_disks(&self, names: &[DiskName]) -> anyhow::Result<Vec<Found>> {
        let disks = self.disks.lock().unwrap();
        let used = if disks.pool.is_some() || disks.half.is_some() { "zfs_member" } else { "" };
        let find = |name: &DiskName| match name.as_str().trim_start_matches("by-id-of-") {
            name @ ("A" | "B") => Found::Disk { device: name.to_owned(), holds: used.to_owned() },
            "full" => Found::Disk { device: "full".to_owned(), holds: "zfs_member".to_owned() },
            name => Found::No(format!("there is no disk {name:?}")),
        };
        Ok(names.iter().map(find).collect())
    }

    async fn check_import(&self, import: Import) -> anyhow::Result<Option<String>> {
        Ok((import == Import::Guid(1)).then(|| "no disk holds it".to_owned()))
    }

    async fn make_pool(&self, pool: &Pool) -> anyhow::Result<()> {
        self.step("make the pool")?;
        if self.disks.lock().unwrap().pool.as_ref().is_some_and(|made| made != pool) {
            bail!("this box already has a pool");
        }
        self.disks.lock().unwrap().half = Some(pool.clone());
        self.power.spend()?;
        let mut disks = self.disks.lock().unwrap();
        (disks.pool, disks.half) = (Some(pool.clone()), None);
        drop(disks);
        self.step("made the pool")
    }

    async fn check_pool(&self) -> anyhow::Result<()> {
        self.step("check the pool")
    }

    async fn forget_pool(&self) -> BusResult<()> {
        self.step("forget the pool").map_err(|error| Error::Busy(error.to_string()))
    }

    async fn services(&self) -> anyhow::Result<Services> {
        let mut services = self.services.lock().unwrap();
        let now = services.first().cloned().unwrap_or(Services::Up);
        if services.len() > 1 {
            services.remove(0);
        }
        Ok(now)
    }

    async fn go_down(&self, how: Down) -> anyhow::Result<()> {
        self.step(&format!("{how:?}"))
    }
}
