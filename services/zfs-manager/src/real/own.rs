//! The box's own pool: found and opened at start, and known while the service runs.

use std::sync::PoisonError;
use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::{self, LOCKED, Pool};

use super::Zfs;
use super::crypt::{self, Encryption};
use super::pool::{self, Imported};
use super::recognize::{self, Candidate, Choice};
use crate::layout;
use crate::memory::{Identity, Own};

/// How long a pool that was imported to be looked at may stay busy.
const AFTER_LOOK: Duration = Duration::from_secs(20);

/// What is known of the pool at this moment.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Why there is no pool, where that is known.
    trouble: Option<String>,
    /// GUID of the imported pool that is the box's own.
    guid: Option<u64>,
    /// Why it is locked, if it is.
    locked: Option<String>,
}

impl Zfs {
    fn condition<T>(&self, look: impl FnOnce(&mut Condition) -> T) -> T {
        look(&mut self.condition.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.condition(|condition| condition.trouble = trouble);
    }

    pub(super) fn set_pool(&self, guid: Option<u64>, locked: Option<String>) {
        self.condition(|condition| (condition.guid, condition.locked) = (guid, locked));
    }

    /// Why the pool is locked, if it is.
    pub(super) fn locked(&self) -> Option<String> {
        self.condition(|condition| condition.locked.clone())
    }

    /// Imports and opens the own pool, if it is not yet; or says why there is none. The caller holds `changing`.
    pub(super) async fn acquire(&self) -> Result<Choice> {
        let own = self.memory.own()?;
        if let Some(imported) = pool::imported().await? {
            if !imported.read_only {
                return self.adopt(own, imported).await;
            }
            // A look that was cut short with this service, and not with the box.
            pool::export(AFTER_LOOK).await?;
        }
        let choice = self.recognize(own).await?;
        if let Choice::Import(guid) = choice {
            pool::import(guid).await?;
            self.open(guid).await?;
        }
        Ok(choice)
    }

    /// The pool is imported already: this service has ended and the box has not.
    async fn adopt(&self, own: Own, imported: Imported) -> Result<Choice> {
        match own {
            Own::Pool(own) if own.guid != imported.guid => Err(Error::NotReady(format!(
                "the pool that is imported (number {}) is not that of this box (number {}); export it, and restart the box",
                imported.guid, own.guid
            ))),
            _ => {
                self.open(imported.guid).await?;
                Ok(Choice::Import(imported.guid))
            }
        }
    }

    async fn recognize(&self, own: Own) -> Result<Choice> {
        let intent = self.memory.intent();
        if own == Own::None && intent.is_none() {
            return Ok(Choice::Nothing);
        }
        // Before udev has named all its disks, half a mirror would be imported as degraded. Waiting for all devices takes most of a boot:
        // no need if all its disks are there.
        if let Ok((Choice::Import(guid), candidates)) = self.choose(own, intent.as_deref()).await
            && candidates.iter().any(|candidate| candidate.pool.guid == guid && candidate.pool.is_whole())
        {
            return Ok(Choice::Import(guid));
        }
        pool::settle().await;
        Ok(self.choose(own, intent.as_deref()).await?.0)
    }

    async fn choose(
        &self,
        own: Own,
        intent: Option<&[std::path::PathBuf]>,
    ) -> Result<(Choice, Vec<Candidate>)> {
        let mut candidates = Vec::new();
        for pool in pool::listed().await? {
            candidates.push(match own {
                // Its number says enough; reading labels takes time, at each boot.
                Own::Pool(_) => Candidate { pool, ..Candidate::default() },
                _ if pool.name != layout::POOL => continue,
                _ => pool::look_closer(&self.root, pool).await,
            });
        }
        let making = intent.and_then(|disks| pool::kernel_names(&self.root, disks));
        Ok((recognize::choose(&own, pool::host_id(&self.root), making.as_ref(), &candidates), candidates))
    }

    /// Makes the imported pool the box's own: remembers it, opens it, and makes what is missing on it. That it stays locked is no
    /// failure.
    pub(super) async fn open(&self, guid: u64) -> Result<()> {
        let encryption = Encryption::of_pool().await?;
        let identity = Identity { guid, encrypted: encryption.encrypted };
        if self.memory.own()? != Own::Pool(identity) {
            self.memory.set_own(Some(identity))?;
        }
        let locked = if encryption.locked { self.open_with_kept_key().await } else { None };
        if let Some(why) = &locked {
            tracing::error!("{LOCKED}: {why}");
        }
        let is_open = locked.is_none();
        self.set_pool(Some(guid), locked);
        self.set_trouble(None);
        if is_open { self.settle_open(&encryption).await } else { Ok(()) }
    }

    /// What is to be done once a pool can be read.
    pub(super) async fn settle_open(&self, encryption: &Encryption) -> Result<()> {
        encryption.settle().await?;
        pool::complete().await
    }

    /// Why that did not work, if it did not.
    async fn open_with_kept_key(&self) -> Option<String> {
        match self.memory.key() {
            Ok(None) => Some("none is kept on this box".to_owned()),
            Ok(Some(kept)) => match crypt::load_key(&kept.key).await {
                Ok(()) => None,
                Err(Error::Denied(_)) => Some("the one that this box has kept does not fit".to_owned()),
                Err(error) => Some(error.message()),
            },
            Err(error) => Some(error.message()),
        }
    }

    /// The box's own pool; `NotReady` if it is not imported or is locked.
    pub(super) async fn need_pool(&self) -> Result<Imported> {
        let imported = pool::imported().await?;
        let (own, locked, trouble) =
            self.condition(|condition| (condition.guid, condition.locked.clone(), condition.trouble.clone()));
        let no_pool = || trouble.unwrap_or_else(|| "this box has no pool yet; set it up first".to_owned());
        let imported = match imported {
            Some(imported) if own == Some(imported.guid) => imported,
            // One that is being made or looked at, or that somebody imported by hand.
            _ => return Err(Error::NotReady(no_pool())),
        };
        // Somebody may have opened it by hand.
        if let Some(why) = locked {
            if Encryption::of_pool().await?.locked {
                return Err(Error::NotReady(format!("{LOCKED}: {why}")));
            }
            self.condition(|condition| condition.locked = None);
        }
        Ok(imported)
    }

    /// Tells of the pool's name and health if they are other than when they were last told.
    ///
    /// Asked after each call that may change them, and now and then: no event of ZFS's reaches a program without a daemon of its
    /// own (zed), and one run of `zpool list`, which reads nothing from the disks, costs milliseconds.
    pub async fn observe(&self) {
        let health = match self.need_pool().await {
            Ok(imported) => Some(imported.health),
            Err(error) if zfs::is_locked(&error) => Some(zfs::HEALTH_LOCKED.to_owned()),
            Err(Error::NotReady(_)) => None,
            Err(error) => {
                tracing::warn!("cannot look after the pool: {}", error.message());
                return;
            }
        };
        let known =
            |told: &Pool| health.as_deref() == (!told.name.is_empty()).then_some(told.health.as_str());
        if known(&self.changes.borrow()) {
            return;
        }
        let now = match &health {
            None => Pool::default(),
            Some(health) => pool::state(health.clone()).await.unwrap_or_else(|error| {
                tracing::debug!("cannot tell the pool's room: {}", error.message());
                Pool { name: layout::POOL.to_owned(), health: health.clone(), ..Pool::default() }
            }),
        };
        self.changes.send_if_modified(|told| {
            let changed = !known(told);
            if changed {
                tracing::info!("the pool is {}", health.as_deref().unwrap_or("not there"));
                *told = now;
            }
            changed
        });
    }
}
