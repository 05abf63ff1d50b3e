//! What every service starts with: logging, its bus connection, readiness, and running programs.

mod program;

pub use program::{Program, ProgramError};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Logs to the journal with fields (`MACHINE=`, `JOB=`, `VM=` from tracing fields of these names in lower case), or to
/// standard error where there is no journal. `RUST_LOG` filters; `info` without it.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    match tracing_journald::layer() {
        // Journal fields are named in upper case; journald's own prefix `F_` would hide them from `journalctl MACHINE=…`.
        Ok(journal) => registry.with(journal.with_field_prefix(None)).init(),
        Err(_) => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init(),
    }
}

/// Connects to the system bus, or to the one `DBUS_SYSTEM_BUS_ADDRESS` names, as tests on a private bus do.
pub async fn connect() -> anyhow::Result<zbus::Connection> {
    // Something has to be served from the first moment: only then does zbus wait until its dispatcher listens. Started later, it
    // can be overtaken by the first calls, which are then lost without an answer.
    zbus::connection::Builder::system()?
        .serve_at("/org/understudy", zbus::fdo::ObjectManager)?
        .build()
        .await
        .context("cannot reach the system bus; is dbus.service running?")
}

/// Takes the service's name, after its objects are served, and tells systemd that it is ready.
pub async fn announce(connection: &zbus::Connection, name: &str) -> anyhow::Result<()> {
    connection.request_name(name).await.with_context(|| {
        format!("cannot take the name {name} on the bus; is another instance running, or its D-Bus policy missing?")
    })?;
    ready();
    tracing::info!("{name} is ready");
    Ok(())
}

/// Tells systemd that the service is ready; for a service without a name on the bus.
pub fn ready() {
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        tracing::warn!("cannot tell systemd that the service is ready: {error}");
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn stopped() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("asked to stop");
    Ok(())
}
