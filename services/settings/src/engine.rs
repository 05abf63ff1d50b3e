//! What setting up needs of the box beneath it.

use std::future::Future;

use tokio::sync::watch;
use understudy_answers::{DiskName, HostName, Import, Keyboard, Network, Pool, TimeServer, TimeZone};
use understudy_bus::error;
use understudy_bus::settings::{Port, Trial};

/// How the other services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Services {
    /// All run.
    Up,
    /// These do not run yet.
    Starting(Vec<String>),
    /// These have failed for good.
    Failed(Vec<String>),
}

/// What a disk's name in the answers means on this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This disk.
    Disk {
        /// The same for each of its names.
        device: String,
        /// What is on it; empty if nothing is.
        holds: String,
    },
    /// None, or none that can be used; a sentence says why.
    No(String),
}

/// How the whole box goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// It starts again.
    Reboot,
    /// It stays off.
    PowerOff,
}

/// The box.
pub trait Engine: Send + Sync + 'static {
    /// The text of the configuration disk's file; nothing if no such disk is connected.
    fn configuration_disk(&self) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;
    /// Loads the packet filter, keeping the holes that are open.
    fn load_firewall(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Sets the host name.
    fn name(&self, name: &HostName) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Sets the time zone and the time servers; those of the image if there are none.
    fn time(
        &self,
        zone: &TimeZone,
        servers: &[TimeServer],
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Gives the console a keyboard layout.
    fn keyboard(&self, keyboard: &Keyboard) -> impl Future<Output = error::Result<()>> + Send;
    /// Gives the box this network, or none: then its ports are up and have no address. A port that is absent is no error.
    fn network(&self, network: Option<&Network>) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Gives the box this network and looks what works; what was before is left to [`Engine::network`].
    fn try_network(&self, network: &Network) -> impl Future<Output = anyhow::Result<Trial>> + Send;
    /// The hardware Ethernet ports, in the kernel's order.
    fn ports(&self) -> anyhow::Result<Vec<Port>>;
    /// The box's addresses with prefix, without loopback and link-local ones.
    fn addresses(&self) -> anyhow::Result<Vec<String>>;
    /// Changes whenever ports, links or addresses may have changed.
    fn network_changes(&self) -> watch::Receiver<()>;
    /// Whether there is such a time zone.
    fn knows_zone(&self, zone: &TimeZone) -> bool;
    /// What disks' names mean, in the same order.
    fn find_disks(&self, names: &[DiskName]) -> impl Future<Output = anyhow::Result<Vec<Found>>> + Send;
    /// Why the pool that is meant cannot be imported; nothing if it can, or is already.
    fn check_import(&self, import: Import) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;
    /// Makes or imports the pool; nothing happens if that is done already, with the same disks.
    fn make_pool(&self, pool: &Pool) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Fails unless there is a pool.
    fn check_pool(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Releases the pool for good; `Busy` while it is in use.
    fn forget_pool(&self) -> impl Future<Output = error::Result<()>> + Send;
    /// How the other services are.
    fn services(&self) -> impl Future<Output = anyhow::Result<Services>> + Send;
    /// Takes the whole box down in good order; returns before it is.
    fn go_down(&self, how: Down) -> impl Future<Output = anyhow::Result<()>> + Send;
}
