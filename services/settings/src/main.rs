//! The box's own configuration: told once, on a configuration disk or at the console, kept in one file, rendered into the system at every
//! boot; as `org.understudy.Settings1` on the system bus.

mod check;
mod dbus;
mod disks;
mod engine;
mod keyboards;
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
    let engine = Arc::new(system::ThisBox::new(connection.clone())?);
    let setup = setup::Setup::new(engine, store::Store::new(state));
    dbus::serve(&connection, Arc::clone(&setup)).await?;
    // Ready means: the firewall stands, and name and network are rendered; the network starts after this unit. The pool
    // and the other services come later and must not be waited for here, because they wait for nothing of ours.
    let begun = setup.begin().await;
    understudy_service::announce(&connection, settings::NAME).await?;
    tokio::select! {
        stopped = understudy_service::stopped() => stopped,
        () = run(&setup, begun) => Ok(()),
    }
}

/// What goes on without end.
async fn run(setup: &setup::Setup<system::ThisBox>, begun: setup::Begun) {
    tokio::join!(setup.finish(begun), setup.watch_addresses());
    // All have ended only if nothing can change any more.
    std::future::pending::<()>().await;
}
