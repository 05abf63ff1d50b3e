//! The real box, over the system bus.

mod maintenance;
#[cfg(test)]
mod tests;

use understudy_answers::Network;
use understudy_bus::error::Error;
use understudy_bus::maintenance::{MaintenanceProxy, NAME as MAINTENANCE};
use understudy_bus::scheduler::{self, SchedulerProxy};
use understudy_bus::settings::{self, SettingsProxy};
use understudy_bus::zfs::{self, ZfsProxy};
use zbus::proxy::CacheProperties;
use zbus::{Connection, MatchRule, MessageStream};

use crate::appliance::{
    About, Appliance, Disk, ImportablePool, Keyboard, Machine, Mistake, Pool, Port, RecoveryKey, Result,
    Secret, Source, Stage, Status, Stick, Trial, Update,
};

/// Beneath it stand the disks' names.
const BY_ID: &str = "/dev/disk/by-id/";
/// Time zones of this box, a line each (tzdata's `zone1970.tab`: columns are separated by tabs, the third is the name).
const ZONES: &str = "/usr/share/zoneinfo/zone1970.tab";
const OS_RELEASE: &str = "/etc/os-release";
const COMMAND_LINE: &str = "/proc/cmdline";

/// The box on the bus.
#[derive(Debug)]
pub struct Bus {
    settings: SettingsProxy<'static>,
    zfs: ZfsProxy<'static>,
    scheduler: SchedulerProxy<'static>,
    maintenance: MaintenanceProxy<'static>,
    changes: tokio::sync::Mutex<Changes>,
}

/// Signals of each service, and of the bus about who comes and goes. What a signal says is not used: it only makes the console ask.
#[derive(Debug)]
struct Changes {
    settings: MessageStream,
    zfs: MessageStream,
    scheduler: MessageStream,
    maintenance: MessageStream,
    names: MessageStream,
}

impl Changes {
    async fn listen(connection: &Connection) -> zbus::Result<Self> {
        let signals = || MatchRule::builder().msg_type(zbus::message::Type::Signal);
        let of = async |interface: &'static str| -> zbus::Result<MessageStream> {
            let rule = signals().interface(interface)?.build();
            MessageStream::for_match_rule(rule, connection, None).await
        };
        let names = signals().interface("org.freedesktop.DBus")?.member("NameOwnerChanged")?;
        let names = names.arg0ns("org.understudy")?.build();
        Ok(Self {
            settings: of("org.understudy.Settings1.Manager").await?,
            zfs: of("org.understudy.Zfs1.Manager").await?,
            scheduler: of("org.understudy.Scheduler1.Manager").await?,
            maintenance: of("org.understudy.Maintenance1.Manager").await?,
            names: MessageStream::for_match_rule(names, connection, None).await?,
        })
    }
}

/// The next message; `None` when the connection is gone.
async fn next(stream: &mut MessageStream, source: Source) -> Option<Source> {
    futures_util::StreamExt::next(stream).await.map(|_| source)
}

/// A failed call as a person reads it.
fn said(service: &str) -> impl Fn(Error) -> String {
    move |error| {
        let absent = match &error {
            Error::ZBus(zbus::Error::MethodError(name, _, _)) => {
                name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner")
            }
            Error::ZBus(zbus::Error::FDO(error)) => {
                matches!(**error, zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_))
            }
            _ => false,
        };
        if absent {
            return format!(
                "{service} is not running yet. It starts with the box; this page goes on when it is there."
            );
        }
        error.message()
    }
}

impl Bus {
    /// `connection` is to the system bus.
    pub async fn new(connection: Connection) -> zbus::Result<Self> {
        // The interfaces have no properties to be kept in mind.
        let no = CacheProperties::No;
        Ok(Self {
            changes: tokio::sync::Mutex::new(Changes::listen(&connection).await?),
            settings: SettingsProxy::builder(&connection).cache_properties(no).build().await?,
            zfs: ZfsProxy::builder(&connection).cache_properties(no).build().await?,
            scheduler: SchedulerProxy::builder(&connection).cache_properties(no).build().await?,
            maintenance: MaintenanceProxy::builder(&connection).cache_properties(no).build().await?,
        })
    }
}

impl Appliance for Bus {
    async fn status(&self) -> Result<Status> {
        let status = self.settings.status().await.map_err(said(settings::NAME))?;
        let stage = match status.state.as_str() {
            "unconfigured" => Stage::Unconfigured,
            "applying" => Stage::Applying,
            "ready" => Stage::Ready,
            "failed" => Stage::Failed,
            other => {
                return Err(format!("{} says {other:?} of the box, which is unknown here", settings::NAME));
            }
        };
        Ok(Status {
            stage,
            message: status.message,
            host_name: status.host_name,
            addresses: status.addresses,
        })
    }

    async fn about(&self) -> Result<About> {
        let read = |path: &str| {
            std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
        };
        let release = read(OS_RELEASE)?;
        let version =
            release.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION=")).unwrap_or_default();
        let command_line = read(COMMAND_LINE)?;
        let slot = command_line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("rauc.slot="))
            .unwrap_or_default();
        Ok(About { version: version.trim_matches('"').to_owned(), slot: slot.to_owned() })
    }

    async fn ports(&self) -> Result<Vec<Port>> {
        self.settings.ports().await.map_err(said(settings::NAME))
    }

    async fn network(&self) -> Result<Network> {
        let kept = self.settings.settings().await.map_err(said(settings::NAME))?;
        let answers = understudy_answers::parse(&kept)
            .map_err(|mistake| format!("what {} keeps cannot be read: {mistake}", settings::NAME))?;
        Ok(answers.network)
    }

    async fn keyboards(&self) -> Result<Vec<Keyboard>> {
        self.settings.keyboards().await.map_err(said(settings::NAME))
    }

    async fn time_zones(&self) -> Result<Vec<String>> {
        let table = std::fs::read_to_string(ZONES).map_err(|error| {
            format!("the time zones of this box cannot be listed ({ZONES}: {error}); it stays with UTC")
        })?;
        Ok(zones(&table))
    }

    async fn disks(&self) -> Result<Vec<Disk>> {
        let disks = self.zfs.disks().await.map_err(said(zfs::NAME))?;
        let disk = |disk: zfs::Disk| Disk {
            name: disk.name.strip_prefix(BY_ID).unwrap_or_default().to_owned(),
            node: disk.node,
            model: disk.model,
            serial: disk.serial,
            size: disk.size,
            rotational: disk.rotational,
            removable: disk.removable,
            contents: disk.contents,
            unusable: disk.usable,
        };
        Ok(disks.into_iter().map(disk).collect())
    }

    async fn importable(&self) -> Result<Vec<ImportablePool>> {
        self.zfs.importable().await.map_err(said(zfs::NAME))
    }

    async fn pool(&self) -> Result<Option<Pool>> {
        match self.zfs.pool().await {
            Ok(pool) => Ok(Some(Pool {
                locked: false,
                name: pool.name,
                health: pool.health,
                size: pool.size,
                free: pool.free,
            })),
            Err(error) if zfs::is_locked(&error) => Ok(Some(Pool { locked: true, ..Pool::default() })),
            Err(Error::NotReady(_)) => Ok(None),
            Err(error) => Err(said(zfs::NAME)(error)),
        }
    }

    async fn machines(&self) -> Result<Vec<Machine>> {
        let machines = self.scheduler.overview().await.map_err(said(scheduler::NAME))?;
        let machine = |machine: scheduler::MachineOverview| Machine {
            name: machine.name,
            protected: machine.protected,
            last_backup: time(machine.backed_up),
            next_due: time(machine.due),
            failure: machine.failure,
            running: (!machine.job.is_empty()).then_some(machine.percent),
        };
        Ok(machines.into_iter().map(machine).collect())
    }

    async fn check(&self, answers: &str) -> Result<Vec<Mistake>> {
        let mistakes = self.settings.check(answers).await.map_err(said(settings::NAME))?;
        let mistake = |mistake: settings::Mistake| Mistake {
            line: usize::try_from(mistake.line).unwrap_or(usize::MAX),
            reason: mistake.reason,
        };
        Ok(mistakes.into_iter().map(mistake).collect())
    }

    async fn recovery_key(&self) -> Result<RecoveryKey> {
        let (key, confirmed) = self.zfs.recovery_key().await.map_err(said(zfs::NAME))?;
        Ok(RecoveryKey { key: Secret(key), confirmed })
    }

    async fn sticks(&self) -> Result<Vec<Stick>> {
        self.maintenance.sticks().await.map_err(said(MAINTENANCE))
    }

    async fn update(&self) -> Result<Update> {
        maintenance::update(self.maintenance.update().await.map_err(said(MAINTENANCE))?)
    }

    async fn support_mode(&self) -> Result<Option<String>> {
        self.maintenance.support_mode().await.map(maintenance::until).map_err(said(MAINTENANCE))
    }

    async fn start_support_mode(&self, minutes: u32) -> Result<()> {
        self.maintenance.start_support_mode(minutes).await.map_err(said(MAINTENANCE))
    }

    async fn end_support_mode(&self) -> Result<()> {
        self.maintenance.end_support_mode().await.map_err(said(MAINTENANCE))
    }

    async fn open_shell(&self, terminal: &str) -> Result<()> {
        self.maintenance.open_shell(terminal).await.map_err(said(MAINTENANCE))
    }

    async fn set_keyboard(&self, name: &str) -> Result<()> {
        self.settings.set_keyboard(name).await.map_err(said(settings::NAME))
    }

    async fn try_network(&self, network: &str) -> Result<Trial> {
        self.settings.try_network(network).await.map_err(said(settings::NAME))
    }

    async fn end_trial(&self) -> Result<()> {
        self.settings.end_trial().await.map_err(said(settings::NAME))
    }

    async fn keep_recovery_key(&self, key: &Secret) -> Result<()> {
        self.zfs.keep_recovery_key(&key.0).await.map_err(said(zfs::NAME))
    }

    async fn confirm_recovery_key(&self) -> Result<()> {
        self.zfs.confirm_recovery_key().await.map_err(said(zfs::NAME))
    }

    // zfs-manager has one place for the key of the pool that comes next, made or imported.
    async fn give_import_key(&self, key: &Secret) -> Result<()> {
        self.keep_recovery_key(key).await
    }

    async fn apply(&self, answers: &str) -> Result<()> {
        self.settings.apply(answers).await.map_err(said(settings::NAME))
    }

    async fn change_network(&self, network: &str) -> Result<()> {
        self.settings.change_network(network).await.map_err(said(settings::NAME))
    }

    async fn set_password(&self, hash: &str) -> Result<()> {
        self.settings.set_password(hash).await.map_err(said(settings::NAME))
    }

    async fn unlock(&self, key: &Secret) -> Result<()> {
        self.zfs.unlock(&key.0).await.map_err(said(zfs::NAME))
    }

    async fn new_pairing_code(&self) -> Result<(String, u64)> {
        self.scheduler.new_pairing_code().await.map_err(said(scheduler::NAME))
    }

    async fn install_from_stick(&self, device: &str, bundle: &str) -> Result<()> {
        self.maintenance.install_from_stick(device, bundle).await.map_err(said(MAINTENANCE))
    }

    async fn install_from_url(&self, url: &str) -> Result<()> {
        self.maintenance.install_from_url(url).await.map_err(said(MAINTENANCE))
    }

    async fn write_support_bundle(&self, device: &str) -> Result<String> {
        self.maintenance.write_support_bundle(device).await.map_err(said(MAINTENANCE))
    }

    async fn reboot(&self) -> Result<()> {
        self.settings.reboot().await.map_err(said(settings::NAME))
    }

    async fn power_off(&self) -> Result<()> {
        self.settings.power_off().await.map_err(said(settings::NAME))
    }

    async fn factory_reset(&self, host_name: &str) -> Result<()> {
        self.settings.factory_reset(host_name).await.map_err(said(settings::NAME))
    }

    async fn changed(&self) -> Option<Source> {
        let mut changes = self.changes.lock().await;
        let Changes { settings, zfs, scheduler, maintenance, names } = &mut *changes;
        tokio::select! {
            source = next(settings, Source::Settings) => source,
            source = next(zfs, Source::Pool) => source,
            source = next(scheduler, Source::Machines) => source,
            source = next(maintenance, Source::Maintenance) => source,
            source = next(names, Source::All) => source,
        }
    }
}

/// The names in `zone1970.tab`, and UTC, in order.
fn zones(table: &str) -> Vec<String> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let mut names: Vec<_> = lines.filter_map(|line| line.split('\t').nth(2)).map(str::to_owned).collect();
    names.push("UTC".to_owned());
    names.sort();
    names
}

/// Seconds since 1970-01-01 UTC in the box's own time zone; empty for 0.
fn time(utc: u64) -> String {
    if utc == 0 { String::new() } else { local(utc, "%Y-%m-%d %H:%M").unwrap_or_default() }
}

/// The same in any form of `strftime`; `None` for what is in no calendar.
fn local(utc: u64, form: &str) -> Option<String> {
    let stamp = jiff::Timestamp::from_second(i64::try_from(utc).ok()?).ok()?;
    Some(stamp.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string())
}
