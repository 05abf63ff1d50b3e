//! The real box.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use understudy_bus::zfs::{self, ZfsProxy};
use understudy_service::Program;

use crate::configuration::{Configuration, FILE, Pool};
use crate::disks::{self, Unresolved};
use crate::engine::{Engine, Services};
use crate::{render, systemd};

/// Where udev shows the configuration disk.
const CONFIGURATION_DISK: &str = "/dev/disk/by-label/UNDERSTUDY";
/// Reads the file from that disk, as a user of its own: see its unit file.
const READER_UNIT: &str = "understudy-config-disk.service";
/// Where that unit leaves the file.
const READ_FILE: &str = "/run/understudy-config-disk.toml";
/// How long disks, interfaces and zfs-manager may take to appear.
const APPEAR: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(250);

/// This box.
pub struct ThisBox {
    connection: zbus::Connection,
}

impl ThisBox {
    /// `connection` is to the system bus.
    pub fn new(connection: zbus::Connection) -> Self {
        Self { connection }
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
}

/// A D-Bus error as a person should read it.
fn said(error: understudy_bus::error::Error) -> anyhow::Error {
    anyhow::anyhow!(error.message())
}

/// Replaces a file of the system that others read.
fn put(path: &str, text: &str) -> anyhow::Result<()> {
    let new = format!("{path}.new");
    let write = || std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    write().with_context(|| format!("cannot write {path}"))
}

fn set_time_zone(zone: &str) -> anyhow::Result<()> {
    let file = format!("/usr/share/zoneinfo/{zone}");
    if !Path::new(&file).is_file() {
        bail!(
            "the time zone {zone:?} is unknown on this box; use a name of the IANA database like Europe/Berlin"
        );
    }
    let new = "/etc/localtime.new";
    // Left there by a run that was cut short.
    let _ = std::fs::remove_file(new);
    std::os::unix::fs::symlink(&file, new)
        .and_then(|()| std::fs::rename(new, "/etc/localtime"))
        .context("cannot set the time zone in /etc/localtime")
}

fn set_host_name(name: &str) -> anyhow::Result<()> {
    put("/etc/hostname", &format!("{name}\n"))?;
    // Unlike sethostname(2), this file asks for its owner and not for a capability.
    std::fs::write("/proc/sys/kernel/hostname", name).context("cannot set the host name")
}

/// Hardware address of the interface that is meant; waits for it to appear.
async fn interface(mac: Option<&str>) -> anyhow::Result<String> {
    let begin = Instant::now();
    loop {
        let found = ethernet()?;
        let fits = found.iter().find(|(_, address)| mac.is_none_or(|mac| mac == address));
        if let Some((_, address)) = fits {
            return Ok(address.clone());
        }
        if begin.elapsed() > APPEAR {
            let present: Vec<_> = found.iter().map(|(_, address)| address.as_str()).collect();
            bail!(
                "no Ethernet interface {} is there; present are: {}",
                mac.unwrap_or("of any kind"),
                present.join(", ")
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Ethernet interfaces made of hardware, in the kernel's order: index and hardware address.
fn ethernet() -> anyhow::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/sys/class/net").context("cannot list network interfaces")?.flatten() {
        let path = entry.path();
        let read = |name: &str| Some(std::fs::read_to_string(path.join(name)).ok()?.trim().to_owned());
        // 1 is ARPHRD_ETHER.
        if path.join("device").exists()
            && read("type").as_deref() == Some("1")
            && let (Some(index), Some(address)) =
                (read("ifindex").and_then(|i| i.parse().ok()), read("address"))
        {
            found.push((index, address));
        }
    }
    found.sort();
    Ok(found)
}

async fn settle() {
    if let Err(error) = Program::new("udevadm").args(["settle", "--timeout=60"]).run().await {
        tracing::warn!("{error}");
    }
}

fn disk_entries() -> Vec<disks::Entry> {
    let entries = std::fs::read_dir("/dev/disk/by-id").into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let node = entry.path().canonicalize().ok()?;
        Some((entry.file_name().into_string().ok()?, node.to_string_lossy().into_owned()))
    });
    named.collect()
}

async fn resolve_disks(wanted: &[String]) -> anyhow::Result<Vec<String>> {
    let begin = Instant::now();
    loop {
        match disks::resolve(wanted, &disk_entries()) {
            Ok(paths) => return Ok(paths),
            Err(Unresolved::Absent { .. }) if begin.elapsed() < APPEAR / 2 => tokio::time::sleep(POLL).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Every console the kernel writes to.
fn consoles() -> Vec<String> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let found: Vec<_> = active.split_whitespace().map(|name| format!("/dev/{name}")).collect();
    if found.is_empty() { vec!["/dev/console".to_owned()] } else { found }
}

#[zbus::proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
trait Networkd {
    fn reload(&self) -> zbus::Result<()>;
}

impl Engine for ThisBox {
    async fn configuration_disk(&self) -> anyhow::Result<Option<String>> {
        // Only then is it known that a disk without this label is no disk that was not looked at yet.
        settle().await;
        if !Path::new(CONFIGURATION_DISK).exists() {
            return Ok(None);
        }
        Program::new("systemctl").args(["start", READER_UNIT]).run().await.with_context(|| {
            format!("the configuration disk has no readable file {FILE} in its root; `journalctl -u {READER_UNIT}` says more")
        })?;
        let text = std::fs::read(READ_FILE).with_context(|| format!("cannot read {READ_FILE}"))?;
        Ok(Some(String::from_utf8(text).with_context(|| format!("{FILE} is not UTF-8"))?))
    }

    async fn load_firewall(&self) -> anyhow::Result<()> {
        Program::new("nft").arg(render::FIREWALL).run().await.context("cannot load the packet filter")?;
        Ok(())
    }

    async fn apply(&self, configuration: &Configuration) -> anyhow::Result<()> {
        set_host_name(&configuration.host_name)?;
        set_time_zone(&configuration.time_zone)?;
        if let Some(text) = render::resolver(&configuration.network) {
            put("/etc/resolv.conf", &text)?;
        }
        let mac = interface(configuration.network.mac.as_deref()).await?;
        std::fs::create_dir_all("/etc/systemd/network").context("cannot make /etc/systemd/network")?;
        put("/etc/systemd/network/10-understudy.network", &render::network(&configuration.network, &mac))?;
        // At boot the network starts after us and reads the file by itself.
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await?;
        if bus.name_has_owner("org.freedesktop.network1".try_into()?).await? {
            NetworkdProxy::new(&self.connection)
                .await?
                .reload()
                .await
                .context("cannot reload the network")?;
        }
        Ok(())
    }

    async fn create_pool(&self, pool: &Pool) -> anyhow::Result<()> {
        let disks = resolve_disks(&pool.disks).await?;
        let disks: Vec<_> = disks.iter().map(String::as_str).collect();
        self.zfs().await?.create_pool(&pool.layout, &disks, &[], false).await.map_err(said)
    }

    async fn check_pool(&self) -> anyhow::Result<()> {
        self.zfs().await?.pool().await.map(drop).map_err(said)
    }

    fn addresses(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for interface in nix::ifaddrs::getifaddrs().context("cannot list the box's addresses")? {
            let (Some(address), Some(mask)) = (interface.address, interface.netmask) else { continue };
            let text = if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in())
            {
                let ip = address.ip();
                if ip.is_loopback() || ip.is_link_local() {
                    continue;
                }
                format!("{ip}/{}", u32::from(mask.ip()).count_ones())
            } else if let (Some(address), Some(mask)) = (address.as_sockaddr_in6(), mask.as_sockaddr_in6()) {
                let ip = address.ip();
                if ip.is_loopback() || ip.is_unicast_link_local() {
                    continue;
                }
                format!("{ip}/{}", u128::from(mask.ip()).count_ones())
            } else {
                continue;
            };
            found.push(text);
        }
        Ok(found)
    }

    async fn services(&self) -> anyhow::Result<Services> {
        systemd::services(&self.connection).await.context("cannot ask systemd for the services")
    }

    async fn say(&self, line: &str) {
        for console in consoles() {
            let text = format!("\r\n{line}\r\n");
            // A console whose other end is gone must not hold the box up.
            let opened = std::fs::OpenOptions::new()
                .write(true)
                .custom_flags(nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK)
                .open(&console);
            if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
                tracing::warn!("cannot write to the console {console}: {error}");
            }
        }
    }
}
