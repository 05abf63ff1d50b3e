//! The edge on the bus.

use std::sync::Arc;

use futures_util::StreamExt;
use understudy_bus::error::{Error, Result};
use understudy_bus::settings::{Keyboard, Mistake, PATH, Port, Status, Trial};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use crate::engine::{Down, Engine};
use crate::keyboards;
use crate::setup::Setup;

/// The D-Bus object.
pub struct Manager<E> {
    setup: Arc<Setup<E>>,
}

/// Serves the manager on `connection`; its name is still to be taken.
pub async fn serve<E: Engine>(connection: &zbus::Connection, setup: Arc<Setup<E>>) -> anyhow::Result<()> {
    let manager = Manager { setup: Arc::clone(&setup) };
    connection.object_server().at(PATH, manager).await?;
    tokio::spawn(tell_status(SignalEmitter::new(connection, PATH)?.into_owned(), Arc::clone(&setup)));
    tokio::spawn(tell_ports(SignalEmitter::new(connection, PATH)?.into_owned(), setup));
    Ok(())
}

/// Says every change of the status, without end.
async fn tell_status<E: Engine>(emitter: SignalEmitter<'static>, setup: Arc<Setup<E>>) {
    let mut watch = setup.status().watch();
    while watch.changed().await.is_ok() {
        let status = watch.borrow_and_update().clone();
        if let Err(error) = Manager::<E>::status_changed(&emitter, status).await {
            tracing::warn!("cannot say on the bus that the status changed: {error}");
        }
    }
}

/// Says that ports changed, without end.
async fn tell_ports<E: Engine>(emitter: SignalEmitter<'static>, setup: Arc<Setup<E>>) {
    let mut changes = setup.engine().network_changes();
    let mut before = setup.engine().ports().unwrap_or_default();
    while changes.changed().await.is_ok() {
        // Taps of virtual machines come and go, which is nobody's business here.
        let now = setup.engine().ports().unwrap_or_default();
        if now == before {
            continue;
        }
        before = now;
        if let Err(error) = Manager::<E>::ports_changed(&emitter).await {
            tracing::warn!("cannot say on the bus that ports changed: {error}");
        }
    }
}

/// Ends when nobody has the name `caller` on the bus, which is never given again.
async fn gone(connection: zbus::Connection, caller: zbus::names::OwnedUniqueName) {
    let waiting = async {
        let bus = zbus::fdo::DBusProxy::new(&connection).await?;
        let mut changes = bus.receive_name_owner_changed_with_args(&[(0, caller.as_str())]).await?;
        while bus.name_has_owner(caller.as_ref().into()).await? {
            if changes.next().await.is_none() {
                break;
            }
        }
        zbus::Result::Ok(())
    };
    if let Err(error) = waiting.await {
        tracing::warn!("cannot watch who asked for a trial, which ends therefore: {error}");
    }
}

#[zbus::interface(name = "org.understudy.Settings1.Manager")]
impl<E: Engine> Manager<E> {
    async fn status(&self) -> Result<Status> {
        Ok(self.setup.status().get())
    }

    #[zbus(signal)]
    async fn status_changed(emitter: &SignalEmitter<'_>, status: Status) -> zbus::Result<()>;

    async fn ports(&self) -> Result<Vec<Port>> {
        self.setup.engine().ports().map_err(|error| Error::Failed(format!("{error:#}")))
    }

    #[zbus(signal)]
    async fn ports_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    async fn keyboards(&self) -> Result<Vec<Keyboard>> {
        Ok(keyboards::all())
    }

    async fn set_keyboard(&self, name: &str) -> Result<()> {
        let known = keyboards::keymap(name).and_then(|_| name.parse().ok());
        let keyboard = known.ok_or_else(|| Error::NotFound(keyboards::unknown(name)))?;
        self.setup.engine().keyboard(&keyboard).await
    }

    async fn try_network(
        &self,
        network: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<Trial> {
        let Some(caller) = header.sender() else {
            return Err(Error::Denied("a trial needs a caller whose end can be seen".to_owned()));
        };
        let gone = gone(connection.clone(), caller.to_owned().into());
        self.setup.try_network(network, gone).await
    }

    async fn end_trial(&self) -> Result<()> {
        self.setup.end_trial().await;
        Ok(())
    }

    async fn change_network(&self, network: &str) -> Result<()> {
        self.setup.change_network(network).await
    }

    async fn check(&self, answers: &str) -> Result<Vec<Mistake>> {
        self.setup.check(answers).await
    }

    async fn apply(&self, answers: &str) -> Result<()> {
        self.setup.apply(answers).await
    }

    async fn look_for_disk(&self) -> Result<()> {
        self.setup.look_for_disk();
        Ok(())
    }

    async fn settings(&self) -> Result<String> {
        self.setup.settings()
    }

    async fn set_password(&self, hash: &str) -> Result<()> {
        self.setup.set_password(hash).await
    }

    async fn set_time(&self, zone: &str, servers: Vec<String>) -> Result<()> {
        self.setup.set_time(zone, &servers).await
    }

    async fn reboot(&self) -> Result<()> {
        self.setup.go_down(Down::Reboot).await
    }

    async fn power_off(&self) -> Result<()> {
        self.setup.go_down(Down::PowerOff).await
    }

    async fn factory_reset(&self, host_name: &str) -> Result<()> {
        self.setup.factory_reset(host_name).await
    }
}

#[cfg(test)]
mod tests;
