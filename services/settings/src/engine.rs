//! What setting up needs of the box beneath it.

use std::future::Future;

use crate::configuration::{Configuration, Pool};

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

/// The box.
pub trait Engine: Send + Sync + 'static {
    /// The text of the configuration disk's file; nothing if no such disk is connected.
    fn configuration_disk(&self) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;
    /// Loads the packet filter, keeping the holes that are open.
    fn load_firewall(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Renders name, time zone and network.
    fn apply(&self, configuration: &Configuration) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Makes the pool; nothing happens if it is made already, of these disks.
    fn create_pool(&self, pool: &Pool) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Fails unless there is a pool.
    fn check_pool(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// The box's addresses with prefix, without loopback and link-local ones.
    fn addresses(&self) -> anyhow::Result<Vec<String>>;
    /// How the other services are.
    fn services(&self) -> impl Future<Output = anyhow::Result<Services>> + Send;
    /// Says a line on every console.
    fn say(&self, line: &str) -> impl Future<Output = ()> + Send;
}
