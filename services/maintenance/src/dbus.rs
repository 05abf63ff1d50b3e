//! The edge: `org.understudy.Maintenance1` (contract in `understudy-bus`).

#![allow(missing_docs, reason = "the methods the interface macro makes for signals carry none")]

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use understudy_bus::error::Result;
use understudy_bus::maintenance::{PATH, Stick, Update};
use zbus::object_server::SignalEmitter;

use crate::engine::{Engine, Found};
use crate::names::is_bundle;
use crate::support::{Bundles, Mode};
use crate::updates::Updates;

/// The D-Bus object.
pub struct Manager<E> {
    engine: Arc<E>,
    updates: Arc<Updates<E>>,
    bundles: Bundles<E>,
    mode: Arc<Mode<E>>,
}

/// Serves the manager on `connection`; its name is still to be taken. `state` and `runtime` are the service's own folders.
pub async fn serve<E: Engine>(
    connection: &zbus::Connection,
    engine: Arc<E>,
    state: &Path,
    runtime: &Path,
) -> anyhow::Result<()> {
    let cleared = || format!("cannot clear {} of what an earlier start has left", state.display());
    let updates = Arc::new(Updates::new(Arc::clone(&engine), state.to_owned()).with_context(cleared)?);
    let bundles = Bundles::new(Arc::clone(&engine), state.to_owned()).with_context(cleared)?;
    let mode = Arc::new(Mode::resume(Arc::clone(&engine), runtime).await);
    let emitter = SignalEmitter::new(connection, PATH)?.into_owned();
    // Everything is watched before the first call can change it.
    tokio::spawn(tell_sticks(emitter.clone(), Arc::clone(&engine), engine.stick_changes(), engine.sticks()));
    tokio::spawn(tell_updates::<E>(emitter.clone(), updates.watch()));
    tokio::spawn(tell_mode(emitter, Arc::clone(&mode), mode.watch()));
    let clock = Arc::clone(&mode);
    tokio::spawn(async move { clock.watch_clock().await });
    let manager = Manager { engine, updates, bundles, mode };
    connection.object_server().at(PATH, manager).await?;
    Ok(())
}

fn unheard(error: &zbus::Error, what: &str) {
    tracing::warn!("cannot say on the bus that {what} changed: {error}");
}

async fn tell_sticks<E: Engine>(
    emitter: SignalEmitter<'static>,
    engine: Arc<E>,
    mut changes: tokio::sync::watch::Receiver<()>,
    mut before: Vec<Found>,
) {
    while changes.changed().await.is_ok() {
        // Other devices come and go too.
        let now = engine.sticks();
        if now == before {
            continue;
        }
        before = now;
        if let Err(error) = Manager::<E>::sticks_changed(&emitter).await {
            unheard(&error, "sticks");
        }
    }
}

async fn tell_updates<E: Engine>(
    emitter: SignalEmitter<'static>,
    mut changes: tokio::sync::watch::Receiver<Update>,
) {
    while changes.changed().await.is_ok() {
        let update = changes.borrow_and_update().clone();
        if let Err(error) = Manager::<E>::update_changed(&emitter, update).await {
            unheard(&error, "the update");
        }
    }
}

async fn tell_mode<E: Engine>(
    emitter: SignalEmitter<'static>,
    mode: Arc<Mode<E>>,
    mut changes: tokio::sync::watch::Receiver<Option<std::time::Duration>>,
) {
    while changes.changed().await.is_ok() {
        changes.borrow_and_update();
        if let Err(error) = Manager::<E>::support_mode_changed(&emitter, mode.until()).await {
            unheard(&error, "support mode");
        }
    }
}

#[zbus::interface(name = "org.understudy.Maintenance1.Manager")]
impl<E: Engine> Manager<E> {
    async fn sticks(&self) -> Vec<Stick> {
        let mut sticks = Vec::new();
        for found in self.engine.sticks() {
            let mut unreadable = found.unreadable.clone();
            let mut bundles = Vec::new();
            if unreadable.is_empty() {
                match self.engine.list(&found.device).await {
                    Ok(files) => {
                        bundles
                            .extend(files.into_iter().map(|file| file.name).filter(|name| is_bundle(name)));
                        bundles.sort();
                    }
                    Err(error) => {
                        unreadable = format!("{}; plug it in again, or use another", error.message());
                    }
                }
            }
            let Found { device, label, model, size, .. } = found;
            sticks.push(Stick { device, label, model, size, bundles, unreadable });
        }
        sticks
    }

    #[zbus(signal)]
    async fn sticks_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    async fn install_from_stick(&self, device: &str, bundle: &str) -> Result<()> {
        self.updates.from_stick(device, bundle).await
    }

    async fn install_from_url(&self, url: &str) -> Result<()> {
        self.updates.from_url(url).await
    }

    async fn update(&self) -> Update {
        self.updates.watch().borrow().clone()
    }

    #[zbus(signal)]
    async fn update_changed(emitter: &SignalEmitter<'_>, update: Update) -> zbus::Result<()>;

    async fn write_support_bundle(&self, device: &str) -> Result<String> {
        self.bundles.write(device).await
    }

    async fn start_support_mode(&self, minutes: u32) -> Result<()> {
        self.mode.switch_on(minutes).await
    }

    async fn end_support_mode(&self) -> Result<()> {
        self.mode.switch_off("it was asked for, at the console or by root").await
    }

    async fn support_mode(&self) -> u64 {
        self.mode.until()
    }

    #[zbus(signal)]
    async fn support_mode_changed(emitter: &SignalEmitter<'_>, until: u64) -> zbus::Result<()>;

    async fn open_shell(&self, terminal: &str) -> Result<()> {
        self.mode.open_shell(terminal).await
    }
}

#[cfg(test)]
mod tests;
