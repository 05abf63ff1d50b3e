//! The real box.

mod disks;
mod files;
mod name_server;
mod neighbour;
mod netlink;
mod network;
mod pools;
mod ports;
mod resolver;
mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::watch;
use understudy_answers::{
    DiskName, FILE, HostName, Import, Keyboard, LABEL, Network, NewPool, Pool, TimeServer, TimeZone,
};
use understudy_bus::error::{self, Error};
use understudy_bus::settings::{Port, Trial};
use understudy_bus::zfs::{self, ZfsProxy};
use understudy_service::Program;

use crate::engine::{Down, Engine, Found, Services};
use crate::{keyboards, render, systemd};

/// Reads the file from the configuration disk, as a user of its own: see its unit file.
const READER_UNIT: &str = "understudy-config-disk.service";
/// Where that unit leaves the file.
const READ_FILE: &str = "/run/understudy-config-disk.toml";
/// Loads a keymap: see its unit file.
const KEYBOARD_UNIT: &str = "understudy-keyboard@";
/// How long disks and zfs-manager may take to appear.
const APPEAR: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(250);

/// This box.
pub struct ThisBox {
    connection: zbus::Connection,
    changes: Arc<watch::Sender<()>>,
    resolver: Arc<resolver::Resolver>,
    /// Held while the files of the network are written: a trial may begin while a change is applied. Whether systemd-networkd may not have
    /// read them yet, as when we start: whoever wrote them may have been cut short.
    unread: tokio::sync::Mutex<bool>,
}

impl ThisBox {
    /// `connection` is to the system bus.
    pub fn new(connection: zbus::Connection) -> anyhow::Result<Self> {
        let (changes, resolver) = (Arc::new(watch::Sender::new(())), Arc::default());
        let watching = network::watch(
            connection.clone(),
            netlink::Monitor::interfaces()?,
            Arc::clone(&changes),
            Arc::clone(&resolver),
        );
        tokio::spawn(watching);
        Ok(Self { connection, changes, resolver, unread: tokio::sync::Mutex::new(true) })
    }

    /// The pool's manager, once it is on the bus. It searches all disks for a pool before it appears.
    async fn zfs(&self) -> anyhow::Result<ZfsProxy<'_>> {
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await?;
        let begin = Instant::now();
        while !bus.name_has_owner(zfs::NAME.try_into()?).await? {
            if begin.elapsed() > APPEAR * 2 {
                bail!(
                    "{} did not appear on the bus; `journalctl -u understudy-zfs-manager` says why",
                    zfs::NAME
                );
            }
            tokio::time::sleep(POLL).await;
        }
        let builder = ZfsProxy::builder(&self.connection);
        Ok(builder.cache_properties(zbus::proxy::CacheProperties::No).build().await?)
    }

    async fn create_pool(&self, pool: &NewPool) -> anyhow::Result<()> {
        let (disks, erase) = (disks::wait_for(&pool.disks).await?, disks::wait_for(&pool.erase).await?);
        let zfs = self.zfs().await?;
        let all = zfs.disks().await.map_err(said)?;
        let erase: Vec<_> = erase.iter().map(|path| disks::to_agree(path, &all)).collect();
        let disks: Vec<_> = disks.iter().map(String::as_str).collect();
        let erase: Vec<_> = erase.iter().map(String::as_str).collect();
        zfs.create_pool(pool.layout.name(), &disks, &erase, pool.encryption).await.map_err(said)
    }

    async fn import_pool(&self, import: Import) -> anyhow::Result<()> {
        let zfs = self.zfs().await?;
        if self.has_pool(&zfs, import).await? {
            return Ok(());
        }
        let guid =
            pools::choose(import, &zfs.importable().await.map_err(said)?).map_err(anyhow::Error::msg)?;
        match zfs.import_pool(guid, "").await {
            // No key stands in answers. Whoever is at the console has zfs-manager keep it before they are applied.
            Err(locked) if zfs::is_locked(&locked) => {
                let (key, _) = zfs.recovery_key().await.map_err(|_| said(locked))?;
                zfs.import_pool(guid, &key).await.map_err(said)
            }
            imported => imported.map_err(said),
        }
    }

    /// Whether the pool to be imported is this box's already: by a start that was interrupted. A pool that this box does not know
    /// as its own is never imported by itself.
    async fn has_pool(&self, zfs: &ZfsProxy<'_>, import: Import) -> anyhow::Result<bool> {
        match zfs.pool().await {
            Ok(_) => {}
            Err(error) if zfs::is_locked(&error) => {}
            Err(Error::NotReady(_)) => return Ok(false),
            Err(error) => return Err(said(error)),
        }
        // One with that number that still waits is another; zfs-manager says so.
        let waits = match import {
            Import::Only => false,
            Import::Guid(guid) => zfs.importable().await.map_err(said)?.iter().any(|pool| pool.guid == guid),
        };
        Ok(!waits)
    }
}

/// A D-Bus error as a person should read it.
fn said(error: Error) -> anyhow::Error {
    anyhow::anyhow!(error.message())
}

async fn settle() {
    if let Err(error) = Program::new("udevadm").args(["settle", "--timeout=60"]).run().await {
        tracing::warn!("{error}");
    }
}

/// Starts a unit and waits until it has ended.
async fn run_unit(unit: &str) -> anyhow::Result<()> {
    let started = Program::new("systemctl").args(["start", unit]).run().await;
    if started.is_err() {
        // It is said to who asked; as a failed unit it would be a reason to call the whole box unhealthy.
        let _ = Program::new("systemctl").args(["reset-failed", unit]).run().await;
    }
    started.map(drop).with_context(|| format!("{unit} failed; `journalctl -u {unit}` says why"))
}

fn zone_file(zone: &TimeZone) -> String {
    format!("/usr/share/zoneinfo/{zone}")
}

fn set_time_zone(zone: &TimeZone) -> anyhow::Result<()> {
    let new = "/etc/localtime.new";
    // Left there by a run that was cut short.
    let _ = std::fs::remove_file(new);
    std::os::unix::fs::symlink(zone_file(zone), new)
        .and_then(|()| std::fs::rename(new, "/etc/localtime"))
        .context("cannot set the time zone in /etc/localtime")
}

impl Engine for ThisBox {
    async fn configuration_disk(&self) -> anyhow::Result<Option<String>> {
        // Only then is it known that a disk without this label is no disk that was not looked at yet.
        settle().await;
        if !Path::new("/dev/disk/by-label").join(LABEL).exists() {
            return Ok(None);
        }
        run_unit(READER_UNIT)
            .await
            .with_context(|| format!("the configuration disk has no readable file {FILE} in its root"))?;
        let text = std::fs::read(READ_FILE).with_context(|| format!("cannot read {READ_FILE}"))?;
        Ok(Some(String::from_utf8(text).with_context(|| format!("{FILE} is not UTF-8"))?))
    }

    async fn load_firewall(&self) -> anyhow::Result<()> {
        Program::new("nft").arg(render::FIREWALL).run().await.context("cannot load the packet filter")?;
        Ok(())
    }

    async fn name(&self, name: &HostName) -> anyhow::Result<()> {
        files::put("/etc/hostname", &format!("{name}\n"))?;
        // Unlike sethostname(2), this file asks for its owner and not for a capability.
        std::fs::write("/proc/sys/kernel/hostname", name.as_str()).context("cannot set the host name")
    }

    async fn time(&self, zone: &TimeZone, servers: &[TimeServer]) -> anyhow::Result<()> {
        if files::set(render::TIME_SERVERS_FILE, render::time_servers(servers).as_deref())? {
            // It may not run yet, and must not be waited for: it may be waiting for us.
            let restart = ["try-restart", "--no-block", "systemd-timesyncd.service"];
            Program::new("systemctl")
                .args(restart)
                .run()
                .await
                .context("cannot restart systemd-timesyncd")?;
        }
        if !self.knows_zone(zone) {
            bail!(crate::check::unknown_zone(zone.as_str()));
        }
        set_time_zone(zone)
    }

    async fn keyboard(&self, keyboard: &Keyboard) -> error::Result<()> {
        let name = keyboard.as_str();
        let keymap = keyboards::keymap(name).ok_or_else(|| Error::NotFound(keyboards::unknown(name)))?;
        let unit = format!("{KEYBOARD_UNIT}{keymap}.service");
        run_unit(&unit)
            .await
            .map_err(|error| Error::Failed(format!("cannot load the keymap {keymap}: {error:#}")))
    }

    async fn network(&self, network: Option<&Network>) -> anyhow::Result<()> {
        self.set_network(network).await
    }

    async fn try_network(&self, network: &Network) -> anyhow::Result<Trial> {
        self.trial(network).await
    }

    fn ports(&self) -> anyhow::Result<Vec<Port>> {
        ports::ports()
    }

    fn addresses(&self) -> anyhow::Result<Vec<String>> {
        Ok(ports::addresses()?.into_iter().map(|(_, address)| address).collect())
    }

    fn network_changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn knows_zone(&self, zone: &TimeZone) -> bool {
        // Other files lie there too; tzfile(5) says how each of a zone begins.
        std::fs::read(zone_file(zone)).is_ok_and(|contents| contents.starts_with(b"TZif"))
    }

    async fn find_disks(&self, names: &[DiskName]) -> anyhow::Result<Vec<Found>> {
        settle().await;
        let usable = self.zfs().await?.disks().await.map_err(said)?;
        Ok(disks::find(names, &usable))
    }

    async fn check_import(&self, import: Import) -> anyhow::Result<Option<String>> {
        settle().await;
        let zfs = self.zfs().await?;
        if self.has_pool(&zfs, import).await? {
            return Ok(None);
        }
        Ok(pools::choose(import, &zfs.importable().await.map_err(said)?).err())
    }

    async fn make_pool(&self, pool: &Pool) -> anyhow::Result<()> {
        match pool {
            Pool::New(pool) => self.create_pool(pool).await,
            Pool::Import(import) => self.import_pool(*import).await,
        }
    }

    async fn check_pool(&self) -> anyhow::Result<()> {
        self.zfs().await?.pool().await.map(drop).map_err(said)
    }

    async fn forget_pool(&self) -> error::Result<()> {
        let zfs = self.zfs().await.map_err(|error| Error::Failed(format!("{error:#}")))?;
        zfs.forget_pool().await
    }

    async fn services(&self) -> anyhow::Result<Services> {
        systemd::services(&self.connection).await.context("cannot ask systemd for the services")
    }

    async fn go_down(&self, how: Down) -> anyhow::Result<()> {
        systemd::go_down(&self.connection, how).await.context("cannot ask systemd to go down")
    }
}
