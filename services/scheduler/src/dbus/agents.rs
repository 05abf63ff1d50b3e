//! `org.understudy.Scheduler1.Agents`; see [`understudy_bus::scheduler::Agents`].

use std::sync::Arc;
use std::time::Instant;

use understudy_bus::error::Result;
use zbus::interface;
use zbus::object_server::SignalEmitter;

use crate::scheduler::Scheduler;

pub struct Agents(pub Arc<Scheduler>);

#[interface(name = "org.understudy.Scheduler1.Agents")]
impl Agents {
    async fn pairing_attempt(&self, selector: &str) -> Result<String> {
        Ok(self.0.codes.attempt(selector, Instant::now())?.to_string())
    }

    async fn register(&self, selector: &str, host_name: &str, key: &str) -> Result<String> {
        self.0.register(selector, host_name, key)
    }

    async fn inventory(&self, machine: &str, key: &str, inventory: &str) -> Result<()> {
        self.0.take_inventory(machine, key, inventory)
    }

    async fn order(&self, machine: &str, key: &str, address: &str) -> Result<String> {
        self.0.order(machine, key, address)
    }

    async fn progress(&self, machine: &str, key: &str, job: &str, progress: &str) -> Result<bool> {
        self.0.take_progress(machine, key, job, progress)
    }

    async fn blocks(&self, machine: &str, key: &str, job: &str, disk: &str, records: Vec<u8>) -> Result<()> {
        self.0.take_blocks(machine, key, job, disk, &records).await
    }

    async fn hashes(
        &self,
        machine: &str,
        key: &str,
        job: &str,
        disk: &str,
        from: u64,
        count: u64,
    ) -> Result<Vec<u8>> {
        self.0.base_hashes(machine, key, job, disk, (from, count)).await
    }

    async fn report(&self, machine: &str, key: &str, job: &str, report: &str) -> Result<()> {
        self.0.take_report(machine, key, job, report)
    }

    async fn outcome(&self, machine: &str, key: &str, job: &str) -> Result<String> {
        self.0.outcome(machine, key, job)
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, machine: &str) -> zbus::Result<()>;
}
