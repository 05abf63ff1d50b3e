//! The edge: `org.understudy.Vms1` (contract in `understudy-bus`).

#![allow(missing_docs, reason = "the methods the interface macro makes for signals carry none")]

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use understudy_bus::error::Result;
use understudy_bus::vms::{PATH, Spec, Vm};
use understudy_qemu_runner::Units;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedFd;

use crate::launcher::Launcher;

/// The object on the bus.
pub struct Manager<U>(Arc<Launcher<U>>);

impl<U: Units> Manager<U> {
    /// Serves a launcher.
    pub fn new(launcher: Arc<Launcher<U>>) -> Self {
        Self(launcher)
    }
}

#[zbus::interface(name = "org.understudy.Vms1.Manager")]
impl<U: Units> Manager<U> {
    async fn start(&self, spec: Spec) -> Result<Vm> {
        self.0.start(spec).await
    }

    async fn stop(&self, vm: &str) -> Result<()> {
        self.0.stop(vm).await
    }

    fn list(&self) -> Vec<Vm> {
        self.0.list()
    }

    fn console(&self, vm: &str) -> Result<OwnedFd> {
        self.0.console(vm).map(OwnedFd::from)
    }

    async fn screenshot(&self, vm: &str) -> Result<OwnedFd> {
        self.0.screenshot(vm).await.map(OwnedFd::from)
    }

    #[zbus(signal)]
    async fn state_changed(emitter: &SignalEmitter<'_>, vm: Vm) -> zbus::Result<()>;
}

/// Tells of changes over the bus, for as long as there are any.
pub async fn tell(connection: &zbus::Connection, mut changes: UnboundedReceiver<Vm>) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    while let Some(vm) = changes.recv().await {
        ManagerSignals::state_changed(&emitter, vm).await?;
    }
    Ok(())
}
