//! Publishes a volume to one initiator for one job, and withdraws it, as `org.understudy.Iscsi1` on the system bus.

mod chap;
mod dbus;
mod engine;
mod firewall;
mod lio;
mod names;
#[cfg(test)]
mod simulated;

use std::path::Path;
use std::sync::Arc;

use understudy_bus::iscsi;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let engine = Arc::new(lio::Lio::new(Path::new("/sys/kernel/config/target"), firewall::Nftables));
    // Targets of jobs that outlive this process are left alone; what they need of the firewall is made true again.
    engine.restore_firewall().await;
    let connection = understudy_service::connect().await?;
    dbus::serve(&connection, engine).await?;
    understudy_service::announce(&connection, iscsi::NAME).await?;
    understudy_service::stopped().await
}
