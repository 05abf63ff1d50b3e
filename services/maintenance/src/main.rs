//! Starts the maintenance service.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use understudy_bus::maintenance;
use understudy_maintenance::{dbus, real};
use understudy_service as service;

fn folder(variable: &str) -> anyhow::Result<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).with_context(|| {
        format!("{variable} is not set: the service is started by its unit, understudy-maintenance.service")
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::start_logging();
    let (state, runtime) = (folder("STATE_DIRECTORY")?, folder("RUNTIME_DIRECTORY")?);
    let connection = service::connect().await?;
    let engine = real::ThisBox::new(connection.clone(), state.clone(), runtime.clone()).await?;
    dbus::serve(&connection, Arc::new(engine), &state, &runtime).await?;
    service::announce(&connection, maintenance::NAME).await?;
    service::stopped().await
}
