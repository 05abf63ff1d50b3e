//! Marking slots, which RAUC refuses to do while it installs.

use futures_util::StreamExt;
use understudy_bus::rauc::RaucProxy;
use zbus::Connection;
use zbus::fdo::PropertiesProxy;
use zbus::proxy::{CacheProperties, Defaults};

/// What RAUC does when it does nothing.
const IDLE: &str = "idle";

/// Marks a slot, as [`RaucProxy::mark`] does, once an installation that runs has ended: somebody may have begun one before this start
/// was judged, and to fail for that would reboot the box in the middle of it.
pub async fn mark(bus: &Connection, state: &str, slot: &str) -> zbus::Result<()> {
    // A proxy's memory of a property lags behind what it was told.
    let rauc = RaucProxy::builder(bus).cache_properties(CacheProperties::No).build().await?;
    let (Some(service), Some(path)) = (RaucProxy::DESTINATION.as_ref(), RaucProxy::PATH.as_ref()) else {
        return Err(zbus::Error::MissingParameter("RAUC's name and path"));
    };
    let properties = PropertiesProxy::builder(bus).destination(service)?.path(path)?.build().await?;
    // Listened to before asking, so that the end is not missed.
    let mut changes = properties.receive_properties_changed().await?;
    loop {
        let Err(error) = rauc.mark(state, slot).await else { return Ok(()) };
        if rauc.operation().await? == IDLE {
            // What it was busy with may have ended in between; if not, it refuses again, for the same reason.
            return rauc.mark(state, slot).await.map(drop).map_err(|_| error);
        }
        tracing::info!("RAUC is installing; slot {slot} is marked {state} after that");
        while rauc.operation().await? != IDLE && changes.next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use understudy_private_bus::PrivateBus;
    use zbus::fdo;

    use super::*;

    /// As the real one: refuses while it installs.
    struct Installer {
        installs: Arc<AtomicBool>,
        marked: Arc<Mutex<Vec<String>>>,
        refused: Arc<tokio::sync::Notify>,
    }

    #[zbus::interface(name = "de.pengutronix.rauc.Installer")]
    impl Installer {
        fn mark(&self, state: &str, slot: &str) -> fdo::Result<(String, String)> {
            if self.installs.load(Ordering::SeqCst) || state == "unknown" {
                self.refused.notify_one();
                return Err(fdo::Error::Failed("already processing a different method".into()));
            }
            self.marked.lock().unwrap().push(format!("{slot} {state}"));
            Ok((slot.to_owned(), String::new()))
        }

        #[zbus(property)]
        fn operation(&self) -> &'static str {
            if self.installs.load(Ordering::SeqCst) { "installing" } else { IDLE }
        }
    }

    #[tokio::test]
    async fn a_slot_is_marked_when_the_installation_that_ran_has_ended() {
        let bus = PrivateBus::start();
        let (installs, marked) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let refused = Arc::new(tokio::sync::Notify::new());
        let server = bus.connect().await;
        let object =
            Installer { installs: installs.clone(), marked: marked.clone(), refused: refused.clone() };
        server.object_server().at("/", object).await.unwrap();
        server.request_name("de.pengutronix.rauc").await.unwrap();

        let client = bus.connect().await;
        let marking = tokio::spawn(async move {
            mark(&client, "good", "booted").await?;
            assert!(mark(&client, "unknown", "booted").await.is_err(), "a refusal of an idle RAUC is one");
            zbus::Result::Ok(())
        });
        refused.notified().await;
        assert!(marked.lock().unwrap().is_empty());
        installs.store(false, Ordering::SeqCst);
        let object = server.object_server().interface::<_, Installer>("/").await.unwrap();
        object.get().await.operation_changed(object.signal_emitter()).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(30), marking).await.unwrap().unwrap().unwrap();
        assert_eq!(*marked.lock().unwrap(), ["booted good"]);
    }
}
