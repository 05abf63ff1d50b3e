//! Makes the pool.
//!
//! All disks are checked before anything is changed on any. Then, power being cut anywhere: disks that were named to be erased
//! are erased, which the same call does again; once all are empty the intent is written down, so that the next call, finding
//! half a pool on disks that were proved empty, clears them and starts again. After `zpool create` the next start finds the pool
//! by this box's host id in its labels, remembers it, and makes the missing datasets.

use std::collections::BTreeSet;
use std::path::PathBuf;

use understudy_bus::error::{Error, Result};
use understudy_recovery_key::RecoveryKey;

use super::crypt::{Encryption, Readable};
use super::disks::{self, Disk, Finding};
use super::inventory::{Facts, Uses};
use super::recognize::Choice;
use super::{Zfs, command, pool};
use crate::engine::{self, NamedDisk, NewPool};
use crate::layout;
use crate::memory::{KeptKey, Own};

/// A disk that the pool is made of, and what was found out about it.
struct Checked {
    disk: Disk,
    findings: Vec<Finding>,
    /// Whether its owner has agreed to lose what is on it.
    agreed: bool,
}

impl Zfs {
    /// Makes the pool, or returns if these very disks hold it already. The caller holds `changing`.
    pub(super) async fn make(&self, new: &NewPool) -> Result<()> {
        // A disk's name may be there a moment before what udev has written down of it.
        pool::settle().await;
        let disks = new.disks.iter().map(|path| Disk::find(&self.root, path)).collect::<Result<Vec<_>>>()?;
        let wanted: BTreeSet<_> = disks.iter().map(|disk| disk.name.clone()).collect();
        if wanted.len() != disks.len() {
            return Err(Error::InvalidArgument("the same disk is named twice".to_owned()));
        }
        let facts: Vec<_> = disks.iter().map(|disk| Facts::read(&self.root, &disk.name)).collect();
        let named: Vec<_> = new
            .disks
            .iter()
            .zip(&facts)
            .map(|(path, facts)| NamedDisk {
                path: path.clone(),
                serial: facts.as_ref().map(|facts| facts.serial().to_owned()).unwrap_or_default(),
            })
            .collect();
        let agreed = engine::agreed(&named, &new.erase)?;
        if self.has_pool(&new.disks).await? {
            pool::check_made_of(&self.root, &wanted).await?;
            if Encryption::of_pool().await?.encrypted != new.encrypted {
                let (is, wanted) = if new.encrypted { ("not ", "") } else { ("", "not ") };
                return Err(Error::Exists(format!(
                    "this box already has a pool, on these disks, but it is {is}encrypted, and was to be {wanted}encrypted; \
                     nothing was changed. Let the box forget its pool first, if it is to be made anew"
                )));
            }
            return self.memory.forget_intent();
        }
        self.check_usable(&new.disks, &facts)?;
        let mut checked = Vec::new();
        for (disk, agreed) in disks.into_iter().zip(agreed) {
            checked.push(Checked { findings: disk.findings().await?, disk, agreed });
        }
        let to_clear = self.to_clear(&new.disks, &checked).await?;
        let key = if new.encrypted { Some(self.key_for_new_pool()?) } else { None };
        for disk in to_clear {
            tracing::info!("erasing {}", disk.path.display());
            disk.wipe().await?;
        }
        self.memory.set_intent(&new.disks)?;
        let readable = key.as_ref().map(Readable::new).transpose()?;
        let location = readable.as_ref().map(Readable::location);
        command::zpool(command::create_pool(new.redundancy, &new.disks, location.as_deref())).await?;
        drop(readable);
        let made = pool::imported().await?.ok_or_else(|| {
            Error::Corrupt(format!("the pool {} is not there after it was made", layout::POOL))
        })?;
        self.open(made.guid).await?;
        tracing::info!(
            "made the pool {} ({}) as {:?} of {} disks{}",
            layout::POOL,
            made.guid,
            new.redundancy,
            new.disks.len(),
            if new.encrypted { ", encrypted" } else { "" }
        );
        self.memory.forget_intent()
    }

    /// Whether the box has a pool, imported now or by this.
    async fn has_pool(&self, disks: &[PathBuf]) -> Result<bool> {
        let own = self.memory.own()?;
        match self.acquire().await {
            Ok(Choice::Import(_)) => Ok(true),
            Ok(Choice::Refuse(why)) if matches!(own, Own::Pool(_)) => {
                Err(Error::Exists(format!("no pool was made and nothing was changed: {why}")))
            }
            // A pool of another box, on whatever disks; the ones named here are looked at below.
            Ok(Choice::Refuse(_) | Choice::Nothing) => Ok(false),
            // Half-written labels of our own attempt; likewise.
            Err(error) if self.memory.intends(disks) && !matches!(own, Own::Pool(_)) => {
                tracing::warn!("{}", error.message());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn check_usable(&self, paths: &[PathBuf], facts: &[Option<Facts>]) -> Result<()> {
        let uses = Uses::of_system(&self.root);
        for (path, facts) in paths.iter().zip(facts) {
            let reason = match facts {
                Some(facts) => facts.unusable(&self.root, &uses),
                None => "it is no whole disk".to_owned(),
            };
            if !reason.is_empty() {
                return Err(Error::InvalidArgument(format!(
                    "no pool was made and nothing was changed: {} cannot be used ({reason}); name another disk",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// The disks to be cleared; `Exists` if one holds something that nobody has agreed to lose.
    async fn to_clear<'a>(&self, paths: &[PathBuf], checked: &'a [Checked]) -> Result<Vec<&'a Disk>> {
        let mut left_by_us = self.memory.intends(paths);
        let host_id = pool::host_id(&self.root);
        for finding in checked.iter().flat_map(|checked| &checked.findings) {
            left_by_us = left_by_us && finding.is_from_pool_creation(host_id).await;
        }
        let full = || checked.iter().filter(|checked| !checked.findings.is_empty());
        let refused: Vec<_> = full()
            .filter(|checked| !checked.agreed && !left_by_us)
            .map(|checked| (checked.disk.path.clone(), checked.findings.clone()))
            .collect();
        if !refused.is_empty() {
            return Err(disks::refusal(&refused));
        }
        if left_by_us && full().next().is_some() {
            tracing::info!("making the pool was interrupted; clearing what it left and starting again");
        }
        Ok(full().map(|checked| &checked.disk).collect())
    }

    /// The kept key, or a new one that is kept from now on: before anything is encrypted with it.
    fn key_for_new_pool(&self) -> Result<RecoveryKey> {
        if let Some(kept) = self.memory.key()? {
            return Ok(kept.key);
        }
        let key = RecoveryKey::generate()
            .map_err(|error| Error::Failed(format!("the kernel gives no random numbers: {error}")))?;
        self.memory.set_key(Some(&KeptKey { key: key.clone(), confirmed: false }))?;
        tracing::info!("made a recovery key");
        Ok(key)
    }
}
