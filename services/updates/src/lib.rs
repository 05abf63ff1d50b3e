//! Installs an update through RAUC, into the slot that does not run: what must be so before, what is checked, what is told meanwhile.
//!
//! [`source`] reads what a person names; [`run`] does the whole of it. Before anything is written, the version that runs has been found
//! good ([`judged`]), nothing else is being installed, the bundle is signed and for this hardware, and, where it is a file, every block of it
//! is as signed ([`Offered`]).

mod install;
mod offered;
mod slots;

use std::path::Path;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use understudy_bus::rauc::RaucProxy;
use understudy_bus::systemd::ManagerProxy;

pub use install::MOUNT_TRIES;
pub use offered::Offered;
pub use slots::{next_to_start, text};

/// The service that judges each start.
const JUDGE: &str = "understudy-health.service";

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The version that runs has not been found good yet.
    Waiting,
    /// It is, or nobody judges it any more.
    Judged,
    /// The bundle is being looked at.
    Checking,
    /// The bundle is for this box, and this is its version.
    Offered(String),
    /// RAUC works; with its own figure from 0 to 100, and its own words.
    Installing {
        /// How much is done.
        percent: i32,
        /// With what.
        what: String,
    },
    /// RAUC has ended, well or not.
    Ended,
    /// The stream was lost before anything was written, and is begun again: the number of the try, of [`MOUNT_TRIES`].
    Again(u32),
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The bundle's version; empty if it says none.
    pub version: String,
    /// The slot that starts next, as the boot loader names it: A or B.
    pub slot: String,
}

/// Installs `source`, which [`source`] gave, and tells of each step. The slot that runs is never touched.
pub async fn run(
    bus: &zbus::Connection,
    source: &str,
    mut tell: impl FnMut(Step),
) -> anyhow::Result<Installed> {
    let rauc = RaucProxy::new(bus).await?;
    judged(bus, &mut tell).await?;
    ensure!(!is_busy(&rauc).await?, "another update is being installed; wait for its end");
    tell(Step::Checking);
    let offered = Offered::inspect(&rauc, source).await?;
    let compatible = rauc.compatible().await.map_err(plain)?;
    ensure!(
        offered.compatible == compatible,
        "{source} is for {}, this box is {compatible}; nothing was changed. Get the bundle for this box",
        offered.compatible
    );
    tell(Step::Offered(offered.version.clone()));
    if source.starts_with('/') {
        // RAUC would find a damaged block only when it comes to write it.
        let path = Path::new(source).to_owned();
        let bundle = offered.clone();
        tokio::task::spawn_blocking(move || bundle.check(&path)).await?.with_context(|| {
            format!("{source} is damaged, and nothing was changed; copy it to this box again")
        })?;
    }
    install::install(&rauc, source, &mut tell).await?;
    Ok(Installed { version: offered.version, slot: next_to_start(&rauc).await? })
}

/// Whether RAUC installs something just now.
pub async fn is_busy(rauc: &RaucProxy<'_>) -> anyhow::Result<bool> {
    Ok(rauc.operation().await.map_err(plain)? != "idle")
}

/// Waits until this start is judged: an update overwrites the other slot, which the box falls back to if it is found wanting.
pub async fn judged(bus: &zbus::Connection, tell: &mut impl FnMut(Step)) -> anyhow::Result<()> {
    let manager = ManagerProxy::new(bus).await?;
    manager.listen().await.context("systemd does not tell what it does")?;
    let mut ended = manager.receive_job_removed().await?;
    while manager.list_jobs().await?.iter().any(|job| job.unit == JUDGE) {
        tell(Step::Waiting);
        ended.next().await.context("the bus has closed the connection")?;
    }
    tell(Step::Judged);
    Ok(())
}

/// What RAUC is told: an absolute path, or the URL.
pub fn source(bundle: &str) -> anyhow::Result<String> {
    if is_url(bundle) {
        return Ok(bundle.to_owned());
    }
    let path = Path::new(bundle);
    let path = path.canonicalize().with_context(|| format!("cannot find the bundle {bundle}"))?;
    ensure!(path.is_file(), "{bundle} is not a file");
    Ok(path.to_string_lossy().into_owned())
}

/// Whether a bundle is streamed from the network.
pub fn is_url(bundle: &str) -> bool {
    bundle.starts_with("http://") || bundle.starts_with("https://")
}

/// RAUC's errors carry their reason as text.
pub fn plain(error: zbus::Error) -> anyhow::Error {
    match error {
        zbus::Error::MethodError(name, ..) if name.ends_with(".AccessDenied") => {
            anyhow::anyhow!("only root may do this: become root, or use sudo")
        }
        zbus::Error::MethodError(_, Some(message), _) => anyhow::anyhow!("{message}"),
        other => anyhow::anyhow!(other),
    }
}

#[cfg(test)]
mod tests;
