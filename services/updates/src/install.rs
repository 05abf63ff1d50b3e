//! One installation, and its stream begun again where udev has ended it.

use std::collections::HashMap;

use anyhow::Context;
use futures_util::StreamExt;
use understudy_bus::rauc::RaucProxy;

use crate::{Step, is_url, plain};

/// How often a stream is begun that udev has ended.
pub const MOUNT_TRIES: u32 = 10;

/// RAUC mounts a stream from a network block device that ends when it is closed for the last time; where udev looks at the new device
/// before RAUC has opened it, that is too early (RAUC 1.13; github.com/rauc/rauc/pull/1741). Nothing is written by then.
fn is_lost_to_udev(source: &str, error: &anyhow::Error) -> bool {
    is_url(source) && error.downcast_ref::<NotInstalled>().is_some_and(NotInstalled::while_mounting)
}

/// RAUC could not, and says why.
#[derive(Debug)]
struct NotInstalled(String);

impl NotInstalled {
    fn while_mounting(&self) -> bool {
        self.0.starts_with("Failed mounting bundle")
    }
}

impl std::fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the update was not installed, the running version is untouched: {}", self.0)
    }
}

impl std::error::Error for NotInstalled {}

/// Installs, however often the stream is lost before anything was written.
pub async fn install(rauc: &RaucProxy<'_>, source: &str, tell: &mut impl FnMut(Step)) -> anyhow::Result<()> {
    let mut tries = 1;
    while let Err(error) = install_once(rauc, source, tell).await {
        if tries == MOUNT_TRIES || !is_lost_to_udev(source, &error) {
            return Err(error);
        }
        tries += 1;
        tell(Step::Again(tries));
    }
    Ok(())
}

async fn install_once(rauc: &RaucProxy<'_>, source: &str, tell: &mut impl FnMut(Step)) -> anyhow::Result<()> {
    // Listening begins before the start, so that neither the end nor any progress is missed.
    let mut completed = rauc.receive_completed().await?;
    let mut progress = rauc.receive_progress_changed().await;
    rauc.install_bundle(source, HashMap::new()).await.map_err(plain)?;
    let result = loop {
        tokio::select! {
            signal = completed.next() => {
                break signal.context("the bus has closed the connection")?.args()?.result;
            }
            Some(change) = progress.next() => {
                let (percent, what, _) = change.get().await?;
                tell(Step::Installing { percent, what });
            }
        }
    };
    tell(Step::Ended);
    if result != 0 {
        let why = rauc.last_error().await.unwrap_or_default();
        return Err(NotInstalled(why).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stream_that_could_not_be_mounted_is_begun_again() {
        let mounting: anyhow::Error =
            NotInstalled("Failed mounting bundle: Failed to load dm table".into()).into();
        let written: anyhow::Error = NotInstalled("Failed updating slot rootfs.1".into()).into();
        assert!(is_lost_to_udev("http://box/x.raucb", &mounting));
        assert!(!is_lost_to_udev("/state/x.raucb", &mounting));
        assert!(!is_lost_to_udev("http://box/x.raucb", &written));
        assert!(!is_lost_to_udev(
            "http://box/x.raucb",
            &anyhow::anyhow!("the bus has closed the connection")
        ));
    }
}
