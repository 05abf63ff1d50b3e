//! The other services as the scheduler uses them. Any of them may restart at any time: a call that only failed because nobody
//! answered is made again for a while, which is harmless because every call we repeat is idempotent.

use std::future::Future;
use std::time::{Duration, Instant};

use understudy_bus::drivers::DriversProxy;
use understudy_bus::error::{Error, Result};
use understudy_bus::iscsi::IscsiProxy;
use understudy_bus::vms::VmsProxy;
use understudy_bus::zfs::ZfsProxy;

/// Proxies of the services that do the work.
#[derive(Debug, Clone)]
pub struct Engines {
    /// zfs-manager.
    pub zfs: ZfsProxy<'static>,
    /// iscsi-manager.
    pub iscsi: IscsiProxy<'static>,
    /// vm-launcher.
    pub vms: VmsProxy<'static>,
    /// driver-injector.
    pub drivers: DriversProxy<'static>,
    patience: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Engines {
    /// `patience` is how long a service may be away before a step fails.
    pub async fn new(connection: &zbus::Connection, patience: Duration) -> zbus::Result<Self> {
        Ok(Self {
            zfs: ZfsProxy::new(connection).await?,
            iscsi: IscsiProxy::new(connection).await?,
            vms: VmsProxy::new(connection).await?,
            drivers: DriversProxy::new(connection).await?,
            patience,
        })
    }

    /// Makes a call; again while its service is away, or busy with what it will be done with soon. `what` begins the error text.
    pub async fn call<T, F, Fut>(&self, what: &str, call: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !passes(&error) || begin.elapsed() >= self.patience {
                return Err(explained(what, error));
            }
            tracing::debug!("{what}: {}; trying again", error.message());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether trying again may help without anybody doing anything.
fn passes(error: &Error) -> bool {
    is_away(error) || matches!(error, Error::Busy(_))
}

/// Whether the service behind a call is not there, or went away before it answered.
pub fn is_away(error: &Error) -> bool {
    const AWAY: [&str; 4] = [
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.NoReply",
        "org.freedesktop.DBus.Error.Disconnected",
    ];
    match error {
        Error::ZBus(zbus::Error::MethodError(name, _, _)) => AWAY.contains(&name.as_str()),
        Error::ZBus(zbus::Error::FDO(error)) => matches!(
            **error,
            zbus::fdo::Error::ServiceUnknown(_)
                | zbus::fdo::Error::NameHasNoOwner(_)
                | zbus::fdo::Error::NoReply(_)
                | zbus::fdo::Error::Disconnected(_)
        ),
        _ => false,
    }
}

/// The same kind of error, saying first what was tried.
pub fn explained(what: &str, error: Error) -> Error {
    let text = |text: String| format!("{what}: {text}");
    match error {
        Error::InvalidArgument(words) => Error::InvalidArgument(text(words)),
        Error::NotFound(words) => Error::NotFound(text(words)),
        Error::Exists(words) => Error::Exists(text(words)),
        Error::Busy(words) => Error::Busy(text(words)),
        Error::NotReady(words) => Error::NotReady(text(words)),
        Error::NoSpace(words) => Error::NoSpace(text(words)),
        Error::Corrupt(words) => Error::Corrupt(text(words)),
        Error::Denied(words) => Error::Denied(text(words)),
        Error::Failed(words) => Error::Failed(text(words)),
        Error::ZBus(error) => Error::Failed(text(error.to_string())),
    }
}
