//! The box's own configuration: read once from a configuration disk, kept in one file, rendered into the system at every
//! boot; as `org.understudy.Settings1` on the system bus.

mod configuration;
mod dbus;
mod disks;
mod engine;
mod render;
mod setup;
#[cfg(test)]
mod simulated;
mod status;
mod store;
mod system;
mod systemd;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use understudy_bus::settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY")
        .map(PathBuf::from)
        .context("STATE_DIRECTORY is not set; start this service through its systemd unit")?;
    let connection = understudy_service::connect().await?;
    let status = Arc::new(status::Shared::default());
    dbus::serve(&connection, Arc::clone(&status)).await?;
    let setup = setup::Setup::new(system::ThisBox::new(connection.clone()), store::Store::new(state), status);
    // Ready means: the firewall stands, and name and network are rendered; the network starts after this unit. The pool
    // and the other services come later and must not be waited for here, because they wait for nothing of ours.
    let rendered = setup.render().await;
    understudy_service::announce(&connection, settings::NAME).await?;
    let finishing = tokio::spawn(async move { setup.finish(rendered).await });
    understudy_service::stopped().await?;
    finishing.abort();
    Ok(())
}
