//! Starts the VM launcher.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use understudy_bus::vms;
use understudy_qemu_runner::{Accelerator, Systemd};
use understudy_service as service;
use understudy_vm_launcher::dbus::{self, Manager};
use understudy_vm_launcher::launcher::Launcher;
use understudy_vm_launcher::spec::Host;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::start_logging();
    let runtime_directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from).context(
        "RUNTIME_DIRECTORY is not set: the launcher is started by its unit, understudy-vm-launcher.service",
    )?;
    let connection = service::connect().await?;
    let units =
        Systemd::new(&connection, "understudy-vm").await.context("cannot reach systemd over the bus")?;
    let host = Host::this(Accelerator::Kvm).context("cannot tell how much memory this box has")?;
    let (launcher, changes) = Launcher::new(units, host, runtime_directory);
    let launcher = Arc::new(launcher);
    launcher.find_again().await.context("cannot look for the machines an earlier launcher started")?;
    connection
        .object_server()
        .at(vms::PATH, Manager::new(launcher))
        .await
        .context("cannot serve the launcher on the bus")?;
    service::announce(&connection, vms::NAME).await?;
    tokio::select! {
        result = dbus::tell(&connection, changes) => result.context("cannot tell of changes over the bus"),
        // The machines stay: they outlive an update of this service.
        result = service::stopped() => result,
    }
}
