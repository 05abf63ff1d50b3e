//! Takes over a pool that another box, or an earlier life of this one, has made; and lets go of the own one.
//!
//! Power cut anywhere in here: what was imported only to be looked at is not imported after a restart, and nothing was written
//! to it. Then the key is kept, which alone means nothing; then the pool is imported for good, and last it is remembered. Where
//! that last step is missing, the next start finds this box's host id in the pool's labels, or, if the box had been told to
//! forget a pool before, leaves the pool alone: the same call again carries on.

use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::LOCKED;
use understudy_recovery_key::RecoveryKey;
use understudy_udev::printable;

use super::command::{self, Import};
use super::crypt::{self, Encryption};
use super::{Zfs, pool};
use crate::importable::Importable;
use crate::layout;
use crate::memory::{KeptKey, Own};

/// How long a pool that was imported to be looked at may stay busy: udev looks at its volumes as they appear.
const AFTER_LOOK: Duration = Duration::from_secs(20);
/// How long a pool that is to be forgotten may stay busy. What is still open then is open for a reason.
const TO_FORGET: Duration = Duration::from_secs(5);

impl Zfs {
    /// Imports a pool for good. The caller holds `changing`.
    pub(super) async fn take(&self, guid: u64, key: Option<RecoveryKey>) -> Result<()> {
        self.check_free_for(guid).await?;
        pool::settle().await;
        let found = pool::listed().await?.into_iter().find(|pool| pool.guid == guid);
        let found = found.ok_or_else(|| {
            Error::NotFound(format!(
                "no disk holds a pool with the number {guid}; connect its disks and look again"
            ))
        })?;
        let take_over = found.is_in_use_elsewhere();
        let encrypted = self.look(&found, take_over, key.as_ref()).await?;
        let before = (self.memory.own()?, self.memory.key()?);
        let key = key.filter(|_| encrypted);
        if let Some(key) = key {
            self.memory.set_key(Some(&KeptKey { key, confirmed: true }))?;
        }
        if let Err(error) = self.take_for_good(guid, take_over).await {
            self.undo(before).await;
            return Err(error);
        }
        tracing::info!("took over the pool {} ({guid})", layout::POOL);
        // Whatever pool was being made before: the box has one now.
        self.memory.forget_intent()
    }

    async fn check_free_for(&self, guid: u64) -> Result<()> {
        match pool::imported().await? {
            // Left by a look that was cut short; a pool that is read-only is nobody's.
            Some(imported) if imported.read_only => pool::export(AFTER_LOOK).await?,
            Some(imported) => {
                return Err(Error::Exists(format!(
                    "this box already has a pool (number {}); let it forget that one first",
                    imported.guid
                )));
            }
            None => {}
        }
        match self.memory.own()? {
            Own::Pool(own) if own.guid != guid => Err(Error::Exists(format!(
                "this box has a pool already (number {}), whose disks are not there. Connect them and restart the box; if they \
                 are gone for good, let it forget that pool first",
                own.guid
            ))),
            _ => Ok(()),
        }
    }

    /// Looks at a pool without changing it: whether it is that of a box like this one, and whether the key fits. Returns
    /// whether it is encrypted.
    async fn look(&self, pool: &Importable, take_over: bool, key: Option<&RecoveryKey>) -> Result<bool> {
        if pool.name != layout::POOL {
            return Err(not_ours(&pool.name));
        }
        if let Err(error) = command::zpool(command::import_pool(pool.guid, Import::ToLook, take_over)).await {
            // Killed for its slowness it may have come to its end all the same.
            if matches!(pool::imported().await, Ok(Some(_))) {
                pool::export(AFTER_LOOK).await?;
            }
            return Err(cannot_import(&error));
        }
        let judged = self.judge(pool, key).await;
        let released = pool::export(AFTER_LOOK).await;
        match (judged, released) {
            (Ok(encrypted), Ok(())) => Ok(encrypted),
            (Err(error), Ok(())) => Err(error),
            (Ok(_), Err(error)) => Err(Error::Failed(format!(
                "the pool was looked at, unchanged, but cannot be released again: {}. Restart the box and try again",
                error.message()
            ))),
            (Err(first), Err(second)) => {
                tracing::error!("a pool that was looked at cannot be released: {}", second.message());
                Err(first)
            }
        }
    }

    async fn judge(&self, pool: &Importable, key: Option<&RecoveryKey>) -> Result<bool> {
        let root = ["list", "-H", "-o", "name", layout::ROOT].map(str::to_owned).to_vec();
        match command::zfs(root).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => return Err(not_ours(&pool.name)),
            Err(error) => return Err(error),
        }
        let encryption = Encryption::of_pool().await?;
        match encryption.version {
            Some(layout::VERSION) => {}
            Some(version) => {
                return Err(Error::InvalidArgument(format!(
                    "this pool was made by a newer version of this software ({version}; this one knows {}); update the box \
                     first",
                    layout::VERSION
                )));
            }
            None => return Err(not_ours(&pool.name)),
        }
        encryption.check()?;
        match (encryption.encrypted, key) {
            (true, Some(key)) => crypt::try_key(key).await?,
            (true, None) => {
                return Err(Error::NotReady(format!("{LOCKED}: this pool is encrypted")));
            }
            (false, _) => {}
        }
        Ok(encryption.encrypted)
    }

    async fn take_for_good(&self, guid: u64, take_over: bool) -> Result<()> {
        command::zpool(command::import_pool(guid, Import::ToUse, take_over))
            .await
            .map_err(|error| cannot_import(&error))?;
        self.open(guid).await?;
        if let Some(why) = self.locked() {
            return Err(Error::Failed(format!("the key did fit, but the pool does not open: {why}")));
        }
        Ok(())
    }

    /// After a failure: the pool is released, and what was remembered before is remembered again.
    async fn undo(&self, (own, key): (Own, Option<KeptKey>)) {
        let undo = async {
            let imported = pool::imported().await?.is_some();
            if imported {
                pool::export(AFTER_LOOK).await?;
            }
            self.set_pool(None, None);
            match own {
                Own::Pool(own) => self.memory.set_own(Some(own))?,
                // This box's host id may be in the pool's labels now; where nothing is remembered the next start would go by that.
                _ if imported => self.memory.set_own(None)?,
                _ => {}
            }
            self.memory.set_key(key.as_ref())
        };
        if let Err(error) = undo.await {
            tracing::error!("a pool that was not taken over cannot be let go: {}", error.message());
        }
    }

    /// Forgets the pool and the key. The caller holds `changing`.
    pub(super) async fn forget(&self) -> Result<()> {
        if pool::imported().await?.is_some() {
            pool::export(TO_FORGET).await.map_err(|error| match error {
                Error::Busy(text) => Error::Busy(format!(
                    "the pool is in use: a backup, a stand-in or an export still reads or writes it. End those and try again. \
                     ZFS says: {text}"
                )),
                other => other,
            })?;
        }
        self.set_pool(None, None);
        // In this order: a key without a pool is nothing, an encrypted pool without its key is lost.
        self.memory.set_own(None)?;
        self.memory.set_key(None)?;
        self.memory.forget_intent()?;
        self.set_trouble(None);
        tracing::info!("forgot the pool; it stays on its disks, released");
        Ok(())
    }
}

fn not_ours(name: &str) -> Error {
    Error::InvalidArgument(format!(
        "the pool {:?} is not that of a box like this one; it was left as it is",
        printable(name)
    ))
}

fn cannot_import(error: &Error) -> Error {
    let text = error.message();
    let advice = if text.contains("imported on") {
        "another box is using this pool now. Shut that box down first, which releases the pool"
    } else {
        "the pool cannot be imported and was left as it is. Check that all its disks are connected"
    };
    Error::NotReady(format!("{advice}. ZFS says: {text}"))
}
