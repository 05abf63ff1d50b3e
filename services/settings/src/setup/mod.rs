//! From nothing, or from what is kept, to a box that serves.
//!
//! Every step may be repeated: a power cut anywhere in the first boot is carried on from by the next (see [`crate::store`]
//! for the answers, and zfs-manager for a pool that was being made).

mod changes;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Mutex;
use understudy_answers::{Answers, Pool};
use understudy_bus::error::{Error, Result};
use understudy_bus::settings::{Mistake, Status};

use crate::check::{self, said};
use crate::engine::{Engine, Services};
use crate::status::{Shared, State};
use crate::store::Store;

/// How often the other services are looked at until all run.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks until a box without an address is said to serve all the same: DHCP under load takes its time.
const LOOKS_FOR_ADDRESS: u32 = 240;
/// The same where no port has a link: one that negotiates takes some seconds.
const LOOKS_FOR_LINK: u32 = 20;

/// The course of setting up, and what may be changed afterwards.
pub struct Setup<E> {
    engine: Arc<E>,
    store: Store,
    status: Shared,
    /// Held by whoever changes what is kept, or carries it out.
    turn: Arc<Mutex<()>>,
    trials: trial::Trials,
}

/// What a start has come to before the network starts.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// What is kept, if anything, is rendered.
    Done,
    /// It failed; the status says why.
    Failed,
}

/// What the configuration disk led to.
enum FromDisk {
    /// There is none.
    Absent,
    /// These answers can be carried out.
    Answers(Box<Answers>),
    /// Nothing on it can; why.
    Refused(String),
}

impl<E: Engine> Setup<E> {
    /// Nothing is done yet.
    pub fn new(engine: Arc<E>, store: Store) -> Arc<Self> {
        Arc::new(Self {
            engine,
            store,
            status: Shared::default(),
            turn: Arc::default(),
            trials: trial::Trials::default(),
        })
    }

    /// The box beneath.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// How far the box is.
    pub fn status(&self) -> &Shared {
        &self.status
    }

    /// What must stand before the network starts.
    pub async fn begin(&self) -> Begun {
        match self.try_begin().await {
            Ok(()) => Begun::Done,
            Err(error) => {
                self.fail(&error);
                Begun::Failed
            }
        }
    }

    async fn try_begin(&self) -> anyhow::Result<()> {
        // First of all, and even without settings: nothing may listen to everybody for a moment.
        self.engine.load_firewall().await?;
        match self.store.read()? {
            Some(answers) => self.render(&answers).await,
            // A trial may have been cut short by the end of this very service.
            None => self.engine.network(None).await,
        }
    }

    /// Everything else, until the box serves or waits for answers.
    pub async fn finish(&self, begun: Begun) {
        if begun == Begun::Failed && self.store.is_set_up() {
            return;
        }
        if !self.store.is_set_up() {
            return self.first_boot(true).await;
        }
        if let Ok(Some(answers)) = self.store.read() {
            self.keyboard(&answers).await;
        }
        match self.engine.check_pool().await {
            Ok(()) => self.wait_for_services().await,
            Err(error) => self.fail(&error),
        }
    }

    /// Takes answers from the configuration disk, or, `at_start`, what an earlier, interrupted first boot kept of it.
    async fn first_boot(&self, at_start: bool) {
        let turn = self.turn.lock().await;
        if self.store.is_set_up() {
            return;
        }
        let kept = match self.store.read() {
            Ok(kept) => kept,
            Err(error) => {
                self.fail(&error);
                None
            }
        };
        let answers = match (self.disk_answers(kept.as_ref()).await, kept) {
            (FromDisk::Refused(reason), _) => {
                tracing::warn!("the configuration disk is not taken: {reason}");
                return self.status.set(State::Unconfigured, &reason);
            }
            (FromDisk::Answers(answers), _) => *answers,
            (FromDisk::Absent, Some(kept)) if at_start => kept,
            (FromDisk::Absent, None) if at_start && !self.status.is(State::Failed) => {
                return self.status.set(State::Unconfigured, "");
            }
            (FromDisk::Absent, _) => return,
        };
        let done = async {
            if self.store.read().ok().flatten().as_ref() != Some(&answers) {
                self.store.write(&answers)?;
                tracing::info!("took the settings from the configuration disk");
            }
            self.end_trial().await;
            self.carry_out(&answers).await
        };
        let done = done.await;
        drop(turn);
        self.carried_out(done).await;
    }

    async fn disk_answers(&self, kept: Option<&Answers>) -> FromDisk {
        let checked = async {
            let Some(text) = self.engine.configuration_disk().await? else { return Ok(FromDisk::Absent) };
            Ok(match self.checked(&text, kept).await? {
                Ok(answers) => FromDisk::Answers(Box::new(answers)),
                Err(mistakes) => FromDisk::Refused(said(&mistakes)),
            })
        };
        checked.await.unwrap_or_else(|error: anyhow::Error| FromDisk::Refused(format!("{error:#}")))
    }

    /// Checks answers, unless they are the ones that are being carried out already: those may have left something, such as half
    /// a pool, that would be a mistake otherwise.
    async fn checked(
        &self,
        text: &str,
        kept: Option<&Answers>,
    ) -> anyhow::Result<std::result::Result<Answers, Vec<Mistake>>> {
        match understudy_answers::parse(text) {
            Ok(answers) if Some(&answers) == kept => Ok(Ok(answers)),
            _ => check::check(&*self.engine, text).await,
        }
    }

    /// What is wrong with answers; nothing if all is well.
    pub async fn check(&self, text: &str) -> Result<Vec<Mistake>> {
        let kept = if self.store.is_set_up() { None } else { self.store.read().ok().flatten() };
        Ok(self.checked(text, kept.as_ref()).await.map_err(failed)?.err().unwrap_or_default())
    }

    /// Keeps answers and begins to carry them out.
    pub async fn apply(self: &Arc<Self>, text: &str) -> Result<()> {
        let turn = Arc::clone(&self.turn).try_lock_owned();
        if self.store.is_set_up() {
            return Err(Error::Exists(
                "this box is set up already; change single settings, or reset it to as it was delivered"
                    .to_owned(),
            ));
        }
        let Ok(turn) = turn else {
            return Err(Error::Busy(
                "answers are being carried out already; the status tells how far".to_owned(),
            ));
        };
        // What cannot be read is replaced.
        let kept = self.store.read().ok().flatten();
        let answers = self
            .checked(text, kept.as_ref())
            .await
            .map_err(failed)?
            .map_err(|mistakes| Error::InvalidArgument(said(&mistakes)))?;
        self.end_trial().await;
        self.store.write(&answers).map_err(failed)?;
        self.status.set(State::Applying, "the answers are kept");
        let setup = Arc::clone(self);
        tokio::spawn(async move {
            let done = setup.carry_out(&answers).await;
            drop(turn);
            setup.carried_out(done).await;
        });
        Ok(())
    }

    /// Looks for a configuration disk in the background, after what is being done now.
    pub fn look_for_disk(self: &Arc<Self>) {
        if !self.store.is_set_up() {
            let setup = Arc::clone(self);
            tokio::spawn(async move { setup.first_boot(false).await });
        }
    }

    async fn carry_out(&self, answers: &Answers) -> anyhow::Result<()> {
        // The start may have failed at this very thing.
        self.engine.load_firewall().await?;
        self.status.set(State::Applying, "setting name, time, keyboard and network");
        self.keyboard(answers).await;
        self.render(answers).await?;
        let pool = match answers.pool {
            Pool::New(_) => "making the pool",
            Pool::Import(_) => "importing the pool",
        };
        self.status.set(State::Applying, pool);
        self.engine.make_pool(&answers.pool).await?;
        self.store.mark_set_up()?;
        tracing::info!("the settings are carried out; the configuration disk is not needed any more");
        Ok(())
    }

    async fn carried_out(&self, done: anyhow::Result<()>) {
        match done {
            Ok(()) => self.wait_for_services().await,
            Err(error) => self.fail(&error),
        }
    }

    async fn keyboard(&self, answers: &Answers) {
        if let Err(error) = self.engine.keyboard(&answers.keyboard).await {
            // A box may have no screen, and its keyboard is not what it is for.
            tracing::warn!("the console keeps its keyboard layout: {}", error.message());
        }
    }

    /// Name, time and network. One that fails does not keep the others from being set: a box with a wrong clock is still to be reached.
    async fn render(&self, answers: &Answers) -> anyhow::Result<()> {
        self.status.set_host_name(answers.host_name.as_str());
        let name = self.engine.name(&answers.host_name).await;
        let time = self.engine.time(&answers.time_zone, &answers.time_servers).await;
        let network = self.engine.network(Some(&answers.network)).await;
        name.and(time).and(network)
    }

    async fn wait_for_services(&self) {
        self.status.set(State::Applying, "waiting for the services");
        let mut without_address = 0;
        loop {
            let reason = match self.look(&mut without_address).await {
                Ok(None) => break,
                Ok(Some(reason)) => reason,
                Err(error) => format!("{error:#}"),
            };
            if !reason.is_empty() {
                self.status.set(State::Failed, &reason);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.status.set(State::Ready, "");
        let Status { host_name, addresses, message, .. } = self.status.get();
        tracing::info!("{host_name} serves at {}. {message}", addresses.join(", "));
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
        *without_address += 1;
        let patience = if self.engine.ports()?.iter().any(|port| port.link) {
            LOOKS_FOR_ADDRESS
        } else {
            LOOKS_FOR_LINK
        };
        Ok((addresses.is_empty() && *without_address < patience).then(String::new))
    }

    /// Keeps the addresses in the status true, without end.
    pub async fn watch_addresses(&self) {
        let mut changes = self.engine.network_changes();
        loop {
            changes.mark_unchanged();
            match self.engine.addresses() {
                Ok(addresses) => self.status.set_addresses(addresses),
                Err(error) => tracing::warn!("{error:#}"),
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn fail(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        tracing::error!("{text}");
        self.status.set(State::Failed, &text);
    }

    /// What is kept, once the box is set up.
    fn kept(&self) -> Result<Answers> {
        let not_yet = || Error::NotReady("this box is not set up yet".to_owned());
        if !self.store.is_set_up() {
            return Err(not_yet());
        }
        self.store.read().context("nothing was changed").map_err(failed)?.ok_or_else(not_yet)
    }
}

/// An error as it goes over the bus.
fn failed(error: anyhow::Error) -> Error {
    Error::Failed(format!("{error:#}"))
}

#[cfg(test)]
mod tests;
