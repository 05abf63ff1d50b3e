//! Pools, volumes, recovery points and clones on ZFS, as `org.understudy.Zfs1` on the system bus.

mod dbus;
mod engine;
mod layout;
mod machine_record;
mod real;
mod record;
#[cfg(test)]
mod simulated;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use understudy_bus::zfs;

/// How often recovery points that nobody reads any more lose their device nodes.
const HIDE_EVERY: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY")
        .map(PathBuf::from)
        .context("STATE_DIRECTORY is not set; start this service through its systemd unit")?;
    let engine = Arc::new(real::Zfs::start(state).await);
    let connection = understudy_service::connect().await?;
    dbus::serve(&connection, Arc::clone(&engine)).await?;
    understudy_service::announce(&connection, zfs::NAME).await?;
    let hiding = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            loop {
                tokio::time::sleep(HIDE_EVERY).await;
                engine.hide_unread_points().await;
            }
        }
    });
    understudy_service::stopped().await?;
    hiding.abort();
    if dbus::system_is_stopping(&connection).await {
        engine.export().await;
    }
    Ok(())
}
