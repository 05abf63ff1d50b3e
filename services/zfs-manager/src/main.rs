//! Pools, volumes, recovery points and clones on ZFS, as `org.understudy.Zfs1` on the system bus.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use understudy_bus::zfs;
use understudy_zfs_manager::{dbus, real};

/// How often recovery points that nobody reads any more lose their device nodes, and the pool's health is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// With this and a folder after it, the system's own folders (`/dev`, `/sys`, `/run`, `/etc`, `/proc`) are those in there.
const ROOT: &str = "--root";

fn root() -> anyhow::Result<PathBuf> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match &arguments[..] {
        [] => Ok(PathBuf::from("/")),
        [option, folder] if option == ROOT => Ok(PathBuf::from(folder)),
        _ => anyhow::bail!("the only arguments known are `{ROOT} FOLDER`"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY")
        .map(PathBuf::from)
        .context("STATE_DIRECTORY is not set; start this service through its systemd unit")?;
    let engine = Arc::new(real::Zfs::start(state, root()?).await);
    let connection = understudy_service::connect().await?;
    dbus::serve(&connection, Arc::clone(&engine)).await?;
    understudy_service::announce(&connection, zfs::NAME).await?;
    let looking = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                engine.hide_unread_points().await;
                engine.observe().await;
            }
        }
    });
    understudy_service::stopped().await?;
    looking.abort();
    if dbus::system_is_stopping(&connection).await {
        engine.export().await;
    }
    Ok(())
}
