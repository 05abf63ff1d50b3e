//! A box in memory: what the console is tested against, and tried out on any terminal (`examples/simulated.rs`).

mod maintenance;

use std::future::{Ready, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use understudy_answers::{Answers, Network, parse, parse_network};

use crate::appliance::{
    About, Appliance, Check, Disk, ImportablePool, Keyboard, Machine, Mistake, Pool, Port, RecoveryKey,
    Result, Secret, Source, Stage, Status, Stick, Trial, Update,
};
pub use maintenance::{Maintenance, stick};

/// What is so, and what was done to it.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// As the box says.
    pub status: Status,
    /// As the box says.
    pub ports: Vec<Port>,
    /// As the box is set.
    pub network: Option<Network>,
    /// As the box says.
    pub disks: Vec<Disk>,
    /// As the box says.
    pub importable: Vec<ImportablePool>,
    /// As the box says.
    pub pool: Option<Pool>,
    /// As the box says.
    pub machines: Vec<Machine>,
    /// What comes of a trial.
    pub trial: Trial,
    /// Why applying fails; empty if it does not.
    pub apply_fails: String,
    /// What checking finds.
    pub mistakes: Vec<Mistake>,
    /// The key that was handed over, and whether it is confirmed.
    pub key: Option<(Secret, bool)>,
    /// The key for an import.
    pub import_key: Option<Secret>,
    /// The answers that were applied.
    pub applied: Option<Answers>,
    /// Updates, sticks and support mode.
    pub maintenance: Maintenance,
    /// What was done, in order, in words.
    pub deeds: Vec<String>,
}

/// The box.
#[derive(Debug, Default)]
pub struct Simulated {
    world: Mutex<World>,
    changed: Notify,
}

/// The key that opens the simulated pools.
pub const OPENING_KEY: &str = "000011-000022-000033-000044-000055-000066-000077-000088";

/// How the box that is set up is reached.
const NETWORK: &str = "[network]\nmac = \"52:54:00:00:00:02\"\naddress = \"192.0.2.17/24\"\n\
    gateway = \"192.0.2.1\"\ndns = [\"192.0.2.1\"]\n";

/// A disk that can be used.
pub fn disk(node: &str, serial: &str, size: u64, contents: &str) -> Disk {
    Disk {
        name: format!("ata-SIM_{serial}"),
        node: node.to_owned(),
        model: "SIM HDD 4000".into(),
        serial: serial.to_owned(),
        size,
        rotational: true,
        contents: contents.to_owned(),
        ..Disk::default()
    }
}

impl World {
    /// A new box with two ports and two empty disks.
    pub fn new() -> Self {
        let port = |name: &str, mac: &str, link| Port {
            name: name.into(),
            mac: mac.into(),
            link,
            speed_mbit: if link { 1000 } else { 0 },
            driver: "virtio_net".into(),
            addresses: Vec::new(),
        };
        let check = |what: &str, said: &str| Check { what: what.into(), ok: true, said: said.into() };
        Self {
            status: Status { stage: Stage::Unconfigured, ..Status::default() },
            ports: vec![port("eth0", "52:54:00:00:00:01", false), port("eth1", "52:54:00:00:00:02", true)],
            disks: vec![
                disk("/dev/sda", "WD-1001", 4_000_787_030_016, ""),
                disk("/dev/sdb", "WD-1002", 4_000_787_030_016, ""),
            ],
            trial: Trial {
                addresses: vec!["192.0.2.17/24".into()],
                gateway: "192.0.2.1".into(),
                checks: vec![
                    check("Router", "192.0.2.1 answers"),
                    check("Names", "names are resolved"),
                    check("Time", "a time server answers"),
                ],
            },
            ..Self::default()
        }
    }

    /// A box that is set up and protects two machines.
    pub fn set_up() -> Self {
        let machine = |name: &str| Machine {
            name: name.into(),
            protected: true,
            last_backup: "2026-11-22 03:10".into(),
            next_due: "2026-11-23 03:00".into(),
            ..Machine::default()
        };
        Self {
            status: Status {
                stage: Stage::Ready,
                host_name: "backup-berlin".into(),
                addresses: vec!["192.0.2.17/24".into()],
                ..Status::default()
            },
            pool: Some(Pool {
                name: "understudy".into(),
                health: "ONLINE".into(),
                size: 4_000_000_000_000,
                free: 2_500_000_000_000,
                locked: false,
            }),
            machines: vec![machine("mail"), machine("files")],
            key: Some((Secret(OPENING_KEY.into()), false)),
            network: parse_network(NETWORK).ok(),
            ..Self::new()
        }
    }

    fn apply(&mut self, text: &str) -> Result<()> {
        if !self.apply_fails.is_empty() {
            return Err(self.apply_fails.clone());
        }
        let answers = parse(text).map_err(|mistake| mistake.to_string())?;
        self.status = Status {
            stage: Stage::Ready,
            message: String::new(),
            host_name: answers.host_name.to_string(),
            addresses: self.trial.addresses.clone(),
        };
        let name = "understudy".to_owned();
        self.pool = Some(Pool { name, health: "ONLINE".into(), size: 4 << 40, free: 4 << 40, locked: false });
        self.network = Some(answers.network.clone());
        self.applied = Some(answers);
        Ok(())
    }
}

impl Simulated {
    /// A box in this state.
    pub fn new(world: World) -> Self {
        Self { world: Mutex::new(world), changed: Notify::new() }
    }

    /// How it is now.
    pub fn world(&self) -> World {
        self.locked().clone()
    }

    /// Changes it, and tells that something changed.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.locked());
        self.changed.notify_one();
    }

    fn locked(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say<T>(&self, value: impl FnOnce(&World) -> T) -> Ready<Result<T>> {
        ready(Ok(value(&self.locked())))
    }

    fn deed<T>(&self, deed: String, act: impl FnOnce(&mut World) -> Result<T>) -> Ready<Result<T>> {
        let mut world = self.locked();
        world.deeds.push(deed);
        let result = act(&mut world);
        drop(world);
        self.changed.notify_one();
        ready(result)
    }
}

impl Appliance for Simulated {
    fn status(&self) -> impl Future<Output = Result<Status>> + Send {
        self.say(|world| world.status.clone())
    }

    fn about(&self) -> impl Future<Output = Result<About>> + Send {
        ready(Ok(About { version: "0.1.0".into(), slot: "A".into() }))
    }

    fn ports(&self) -> impl Future<Output = Result<Vec<Port>>> + Send {
        self.say(|world| world.ports.clone())
    }

    fn network(&self) -> impl Future<Output = Result<Network>> + Send {
        ready(self.locked().network.clone().ok_or_else(|| "this box was told nothing yet".to_owned()))
    }

    fn keyboards(&self) -> impl Future<Output = Result<Vec<Keyboard>>> + Send {
        let keyboard =
            |(name, words): (&str, &str)| Keyboard { name: name.into(), description: words.into() };
        let all =
            [("de", "German"), ("fr", "French"), ("ch", "Swiss"), ("uk", "British"), ("us", "American")];
        ready(Ok(all.map(keyboard).to_vec()))
    }

    fn time_zones(&self) -> impl Future<Output = Result<Vec<String>>> + Send {
        let all = [
            "UTC",
            "Europe/Berlin",
            "Europe/Paris",
            "America/New_York",
            "America/Argentina/Ushuaia",
            "Asia/Tokyo",
        ];
        ready(Ok(all.map(str::to_owned).to_vec()))
    }

    fn disks(&self) -> impl Future<Output = Result<Vec<Disk>>> + Send {
        self.say(|world| world.disks.clone())
    }

    fn importable(&self) -> impl Future<Output = Result<Vec<ImportablePool>>> + Send {
        self.say(|world| world.importable.clone())
    }

    fn pool(&self) -> impl Future<Output = Result<Option<Pool>>> + Send {
        self.say(|world| world.pool.clone())
    }

    fn machines(&self) -> impl Future<Output = Result<Vec<Machine>>> + Send {
        self.say(|world| world.machines.clone())
    }

    fn check(&self, answers: &str) -> impl Future<Output = Result<Vec<Mistake>>> + Send {
        let own = parse(answers).err().map(|wrong| Mistake { line: wrong.line, reason: wrong.reason });
        self.say(|world| own.into_iter().chain(world.mistakes.clone()).collect())
    }

    fn recovery_key(&self) -> impl Future<Output = Result<RecoveryKey>> + Send {
        let key = self.locked().key.clone();
        let (key, confirmed) = key.unwrap_or((Secret(String::new()), true));
        ready(Ok(RecoveryKey { key: if confirmed { Secret(String::new()) } else { key }, confirmed }))
    }

    fn sticks(&self) -> impl Future<Output = Result<Vec<Stick>>> + Send {
        ready(self.locked().maintained(|maintenance| maintenance.sticks.clone()))
    }

    fn update(&self) -> impl Future<Output = Result<Update>> + Send {
        ready(self.locked().maintained(|maintenance| maintenance.update.clone()))
    }

    fn support_mode(&self) -> impl Future<Output = Result<Option<String>>> + Send {
        ready(self.locked().maintained(|maintenance| maintenance.support_until.clone()))
    }

    fn start_support_mode(&self, minutes: u32) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("support mode for {minutes} minutes"), |world| world.support(Some("14:30")))
    }

    fn end_support_mode(&self) -> impl Future<Output = Result<()>> + Send {
        self.deed("end support mode".into(), |world| world.support(None))
    }

    fn open_shell(&self, terminal: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("shell at {terminal}"), |world| world.open_shell(terminal))
    }

    fn set_keyboard(&self, name: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("keyboard {name}"), |_| Ok(()))
    }

    fn try_network(&self, network: &str) -> impl Future<Output = Result<Trial>> + Send {
        let wrong = parse_network(network).err().map(|mistake| mistake.to_string());
        self.deed("try network".into(), |world| wrong.map_or(Ok(world.trial.clone()), Err))
    }

    fn end_trial(&self) -> impl Future<Output = Result<()>> + Send {
        self.deed("end trial".into(), |_| Ok(()))
    }

    fn keep_recovery_key(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send {
        self.deed("keep key".into(), |world| {
            world.key = Some((key.clone(), false));
            Ok(())
        })
    }

    fn confirm_recovery_key(&self) -> impl Future<Output = Result<()>> + Send {
        self.deed("confirm key".into(), |world| match &mut world.key {
            Some((_, confirmed)) => {
                *confirmed = true;
                Ok(())
            }
            None => Err("there is no key to be confirmed".into()),
        })
    }

    fn give_import_key(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send {
        self.deed("give import key".into(), |world| {
            world.import_key = Some(key.clone());
            Ok(())
        })
    }

    fn apply(&self, answers: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed("apply".into(), |world| world.apply(answers))
    }

    fn change_network(&self, network: &str) -> impl Future<Output = Result<()>> + Send {
        let network = parse_network(network).map_err(|mistake| mistake.to_string());
        self.deed("change network".into(), |world| {
            world.network = Some(network?);
            Ok(())
        })
    }

    fn set_password(&self, _hash: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed("set password".into(), |_| Ok(()))
    }

    fn unlock(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send {
        self.deed("unlock".into(), |world| match &mut world.pool {
            Some(pool) if key.0 == OPENING_KEY => {
                pool.locked = false;
                Ok(())
            }
            _ => Err("this key does not open the pool; compare it with your note".into()),
        })
    }

    fn new_pairing_code(&self) -> impl Future<Output = Result<(String, u64)>> + Send {
        // So far in the future that it is good for the same time in every test.
        let until =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.deed("pairing code".into(), |_| Ok(("7-harbour-violin".into(), until + 899)))
    }

    fn install_from_stick(&self, device: &str, bundle: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("install {bundle} from {device}"), |world| world.install_from_stick(device, bundle))
    }

    fn install_from_url(&self, url: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("install {url}"), World::install_from_url)
    }

    fn write_support_bundle(&self, device: &str) -> impl Future<Output = Result<String>> + Send {
        self.deed(format!("support bundle to {device}"), |world| world.write_support_bundle(device))
    }

    fn reboot(&self) -> impl Future<Output = Result<()>> + Send {
        self.deed("reboot".into(), |_| Ok(()))
    }

    fn power_off(&self) -> impl Future<Output = Result<()>> + Send {
        self.deed("power off".into(), |_| Ok(()))
    }

    fn factory_reset(&self, host_name: &str) -> impl Future<Output = Result<()>> + Send {
        self.deed(format!("factory reset {host_name}"), |_| Ok(()))
    }

    async fn changed(&self) -> Option<Source> {
        self.changed.notified().await;
        Some(Source::All)
    }
}
