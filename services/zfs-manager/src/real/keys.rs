//! The recovery key, kept by this box.

use understudy_bus::error::{Error, Result};
use understudy_recovery_key::RecoveryKey;

use super::crypt::{self, Encryption};
use super::{Zfs, pool};
use crate::memory::{KeptKey, Own};

impl Zfs {
    /// Keeps the key for the next pool. The caller holds `changing`.
    pub(super) fn keep_key(&self, key: RecoveryKey) -> Result<()> {
        let kept = self.memory.key();
        if matches!(&kept, Ok(Some(kept)) if kept.key == key) {
            return Ok(());
        }
        match self.memory.own()? {
            Own::Pool(own) if own.encrypted => {
                return Err(Error::Exists(
                    "the pool of this box is encrypted, and its key cannot be changed; to open it, unlock it with its own key"
                        .to_owned(),
                ));
            }
            // Power may have failed between making the pool and remembering it.
            _ if self.memory.intent().is_some() && !matches!(kept, Ok(None)) => {
                return Err(Error::Exists(
                    "a pool is being made with another recovery key; make it once more to finish it, or let the box forget it"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        self.memory.set_key(Some(&KeptKey { key, confirmed: false }))?;
        tracing::info!("keeping a recovery key");
        Ok(())
    }

    /// The kept key.
    pub(super) fn kept_key(&self) -> Result<KeptKey> {
        self.memory.key()?.ok_or_else(|| {
            Error::NotFound(
                "this box keeps no recovery key; one is made with the first encrypted pool, or given before"
                    .to_owned(),
            )
        })
    }

    /// Notes that the owner has it. The caller holds `changing`.
    pub(super) fn confirm_key(&self) -> Result<()> {
        let kept = self.kept_key()?;
        if kept.confirmed {
            return Ok(());
        }
        self.memory.set_key(Some(&KeptKey { confirmed: true, ..kept }))
    }

    /// Opens the pool and keeps the key that did it. The caller holds `changing`.
    pub(super) async fn open_with(&self, key: RecoveryKey) -> Result<()> {
        let own = match self.memory.own()? {
            Own::Pool(own) => own,
            _ => return Err(Error::NotReady("this box has no pool to unlock".to_owned())),
        };
        match pool::imported().await? {
            Some(imported) if imported.guid == own.guid => {}
            _ => {
                return Err(Error::NotReady(
                    "the pool of this box is not imported, so there is nothing to unlock; connect its disks and restart the \
                     box"
                    .to_owned(),
                ));
            }
        }
        let encryption = Encryption::of_pool().await?;
        if !encryption.encrypted {
            return Err(Error::NotReady("the pool of this box is not encrypted and needs no key".to_owned()));
        }
        if encryption.locked {
            crypt::load_key(&key).await?;
        } else {
            crypt::try_key(&key).await?;
        }
        self.memory.set_key(Some(&KeptKey { key, confirmed: true }))?;
        self.set_pool(Some(own.guid), None);
        if encryption.locked {
            tracing::info!("the pool is unlocked");
        }
        self.settle_open(&encryption).await
    }
}
