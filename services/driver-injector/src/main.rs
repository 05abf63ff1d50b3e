//! Starts the driver injector.

use std::path::PathBuf;

use anyhow::Context;
use understudy_bus::drivers;
use understudy_driver_injector::dbus::Manager;
use understudy_driver_injector::helper::{Helper, Parts};
use understudy_qemu_runner::{Accelerator, Systemd};
use understudy_service as service;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::start_logging();
    let runtime_directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from).context(
        "RUNTIME_DIRECTORY is not set: the injector is started by its unit, understudy-driver-injector.service",
    )?;
    let parts = Parts {
        accelerator: Accelerator::Kvm,
        kernel: PathBuf::from("/usr/lib/understudy/helper/vmlinuz"),
        initrd: PathBuf::from("/usr/lib/understudy/helper/initrd.img"),
    };
    let connection = service::connect().await?;
    let units =
        Systemd::new(&connection, "understudy-helper").await.context("cannot reach systemd over the bus")?;
    let helper = Helper::new(units, parts, runtime_directory);
    helper.clean_up().await.context("cannot end the helpers an earlier injector left behind")?;
    connection
        .object_server()
        .at(drivers::PATH, Manager::new(helper))
        .await
        .context("cannot serve the injector on the bus")?;
    service::announce(&connection, drivers::NAME).await?;
    service::stopped().await
}
