//! What may be changed once the box is set up, and how it is made to forget everything.

use understudy_answers::{Mistake, Network, PasswordHash};
use understudy_bus::error::{Error, Result};

use super::{Setup, failed};
use crate::check;
use crate::engine::{Down, Engine};

/// What a box is called that was told no name.
const NAMELESS: &str = "understudy";

/// Why a single answer makes no sense.
fn senseless(reason: impl ToString) -> Error {
    Error::InvalidArgument(reason.to_string())
}

impl<E: Engine> Setup<E> {
    /// Reads a section `[network]`, whose port this box must have.
    pub(super) fn network(&self, text: &str) -> Result<Network> {
        let network = understudy_answers::parse_network(text)
            .map_err(|Mistake { line, reason }| senseless(format!("network, line {line}: {reason}")))?;
        if let Some(mac) = &network.mac
            && let Some(reason) = check::no_port(mac.as_str(), &self.engine.ports().map_err(failed)?)
        {
            return Err(senseless(reason));
        }
        Ok(network)
    }

    /// Keeps a network for good, and applies it.
    pub async fn change_network(&self, text: &str) -> Result<()> {
        let network = self.network(text)?;
        let _turn = self.turn.lock().await;
        let mut answers = self.kept()?;
        self.end_trial().await;
        answers.network = network;
        self.store.write(&answers).map_err(failed)?;
        tracing::info!("the network is changed");
        self.engine.network(Some(&answers.network)).await.map_err(failed)
    }

    /// Keeps time zone and time servers, and applies them.
    pub async fn set_time(&self, zone: &str, servers: &[String]) -> Result<()> {
        let zone = zone.parse().map_err(senseless)?;
        let servers =
            servers.iter().map(|server| server.parse().map_err(senseless)).collect::<Result<_>>()?;
        if !self.engine.knows_zone(&zone) {
            return Err(senseless(check::unknown_zone(zone.as_str())));
        }
        let _turn = self.turn.lock().await;
        let mut answers = self.kept()?;
        (answers.time_zone, answers.time_servers) = (zone, servers);
        self.store.write(&answers).map_err(failed)?;
        self.engine.time(&answers.time_zone, &answers.time_servers).await.map_err(failed)
    }

    /// Keeps the administrator's password.
    pub async fn set_password(&self, hash: &str) -> Result<()> {
        let hash: PasswordHash = hash.parse().map_err(senseless)?;
        let _turn = self.turn.lock().await;
        let mut answers = self.kept()?;
        answers.password_hash = Some(hash);
        self.store.write(&answers).map_err(failed)?;
        tracing::info!("the administrator's password is changed");
        Ok(())
    }

    /// What is kept, without the password's hash.
    pub fn settings(&self) -> Result<String> {
        let kept = self.store.read().map_err(failed)?;
        let mut answers = kept.ok_or_else(|| Error::NotReady("this box was told nothing yet".to_owned()))?;
        answers.password_hash = None;
        Ok(answers.to_string())
    }

    /// Takes the box down.
    pub async fn go_down(&self, how: Down) -> Result<()> {
        tracing::info!("asked to go down: {how:?}");
        self.engine.go_down(how).await.map_err(failed)
    }

    /// Makes the next start forget everything, and begins it.
    ///
    /// The pool is released first: refused, nothing has happened yet. A power cut behind that leaves a box that is set up and misses its
    /// pool, with all on it; resetting it again completes what was begun.
    pub async fn factory_reset(&self, host_name: &str) -> Result<()> {
        let Ok(_turn) = self.turn.try_lock() else {
            return Err(Error::Busy(
                "settings are being carried out; try again when that has ended".to_owned(),
            ));
        };
        // Settings that cannot be read are a reason to reset a box.
        let kept = self.store.read().ok().flatten();
        let own = kept.as_ref().map_or(NAMELESS, |answers| answers.host_name.as_str());
        if host_name != own {
            return Err(senseless(format!("this box is {own:?} and not {host_name:?}; nothing was changed")));
        }
        match self.engine.forget_pool().await {
            // There may be none.
            Ok(()) | Err(Error::NotReady(_)) => {}
            Err(error) => return Err(error),
        }
        self.store.mark_factory_reset().map_err(failed)?;
        tracing::warn!("everything this box was told will be forgotten at its next start");
        self.engine.go_down(Down::Reboot).await.map_err(|error| {
            Error::Failed(format!("the box could not be restarted, and will be reset once it is: {error:#}"))
        })
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
