//! From nothing, or from what is kept, to a box that serves.
//!
//! Every step may be repeated: a power cut anywhere in the first boot is carried on from by the next (see [`crate::store`]
//! for the settings, and zfs-manager for a pool that was being made).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::configuration::{self, Configuration};
use crate::engine::{Engine, Services};
use crate::render;
use crate::status::{Shared, State};
use crate::store::Store;

/// How often the other services are looked at until all run.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks without an address before it is said that there is none: DHCP under load takes its time.
const LOOKS_FOR_ADDRESS: u32 = 240;

/// The course of setting up.
pub struct Setup<E> {
    engine: E,
    store: Store,
    status: Arc<Shared>,
}

/// What rendering led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rendered {
    /// Name and network stand.
    Done(Box<Configuration>),
    /// There is nothing to render.
    Unconfigured,
    /// It failed; the status says why.
    Failed,
}

impl<E: Engine> Setup<E> {
    /// Nothing is done yet.
    pub fn new(engine: E, store: Store, status: Arc<Shared>) -> Self {
        Self { engine, store, status }
    }

    /// What must stand before the network starts.
    pub async fn render(&self) -> Rendered {
        match self.try_render().await {
            Ok(Some(configuration)) => Rendered::Done(Box::new(configuration)),
            Ok(None) => {
                self.status.set(
                    State::Unconfigured,
                    "there are no settings; connect a disk labelled UNDERSTUDY with a file understudy.toml and restart",
                );
                Rendered::Unconfigured
            }
            Err(error) => {
                self.fail(&error);
                Rendered::Failed
            }
        }
    }

    async fn try_render(&self) -> anyhow::Result<Option<Configuration>> {
        // First of all, and even without settings: nothing may listen to everybody for a moment.
        self.engine.load_firewall().await?;
        let Some(configuration) = self.settings().await? else { return Ok(None) };
        self.status.set_host_name(&configuration.host_name);
        self.engine.apply(&configuration).await?;
        Ok(Some(configuration))
    }

    /// The settings that hold: what was carried out once; before that, the configuration disk; before that, what an earlier,
    /// interrupted first boot kept of it.
    async fn settings(&self) -> anyhow::Result<Option<Configuration>> {
        let kept = self.store.read()?;
        if !self.store.is_set_up()
            && let Some(text) = self.engine.configuration_disk().await?
        {
            let configuration = configuration::parse(&text)?;
            if kept.as_ref() != Some(&text) {
                self.store.write(&text)?;
                tracing::info!("took the settings from the configuration disk");
            }
            return Ok(Some(configuration));
        }
        kept.map(|text| configuration::parse(&text).context("the settings kept on this box cannot be read"))
            .transpose()
    }

    /// Everything else, until the box serves; says on the consoles how it went.
    pub async fn finish(&self, rendered: Rendered) {
        if let Rendered::Done(configuration) = &rendered
            && let Err(error) = self.pool(configuration).await
        {
            self.fail(&error);
        } else if let Rendered::Done(configuration) = &rendered {
            return self.wait_for_services(&configuration.host_name).await;
        }
        self.say_not_set_up(&self.status.get().message).await;
    }

    async fn pool(&self, configuration: &Configuration) -> anyhow::Result<()> {
        if self.store.is_set_up() {
            return self.engine.check_pool().await;
        }
        self.engine.create_pool(&configuration.pool).await?;
        self.store.mark_set_up()?;
        tracing::info!("the settings are carried out; the configuration disk is not needed any more");
        Ok(())
    }

    async fn wait_for_services(&self, host_name: &str) {
        let mut said = String::new();
        let mut without_address = 0;
        loop {
            let reason = match self.look(&mut without_address).await {
                Ok(None) => break,
                Ok(Some(reason)) => reason,
                Err(error) => format!("{error:#}"),
            };
            if !reason.is_empty() && reason != said {
                self.status.set(State::Failed, &reason);
                self.say_not_set_up(&reason).await;
                said = reason;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.status.set(State::Ready, "");
        let line = render::ready_line(host_name, &self.status.get().addresses);
        tracing::info!("{line}");
        self.engine.say(&line).await;
    }

    /// Nothing when the box serves; otherwise why not, or an empty text while that may still change by itself.
    async fn look(&self, without_address: &mut u32) -> anyhow::Result<Option<String>> {
        let addresses = self.engine.addresses()?;
        self.status.set_addresses(addresses.clone());
        match self.engine.services().await? {
            Services::Failed(units) => {
                let units = units.join(", ");
                return Ok(Some(format!("{units} failed; `journalctl -u UNIT` says why")));
            }
            Services::Starting(units) => {
                tracing::debug!("waiting for {}", units.join(", "));
                return Ok(Some(String::new()));
            }
            Services::Up => {}
        }
        if !addresses.is_empty() {
            return Ok(None);
        }
        *without_address += 1;
        if *without_address < LOOKS_FOR_ADDRESS {
            return Ok(Some(String::new()));
        }
        Ok(Some(
            "the box has no address; check the cable, and that the network gives one if it is set to dhcp"
                .to_owned(),
        ))
    }

    fn fail(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        tracing::error!("{text}");
        self.status.set(State::Failed, &text);
    }

    async fn say_not_set_up(&self, reason: &str) {
        let line = render::not_set_up_line(reason);
        tracing::warn!("{line}");
        self.engine.say(&line).await;
    }
}

#[cfg(test)]
mod tests;
