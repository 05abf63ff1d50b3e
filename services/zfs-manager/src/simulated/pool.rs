//! Disks, the pool and its key, in memory.

use std::path::{Path, PathBuf};

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::{Disk, HEALTH_LOCKED, ImportablePool, LOCKED, Pool};
use understudy_recovery_key::RecoveryKey;

use super::{Contents, Simulated, State};
use crate::engine::{self, NamedDisk, NewPool};
use crate::layout;

/// What each disk of the box's own pool is called unusable for.
const OURS: &str = "part of this box's pool";

/// A pool, imported or not.
pub(super) struct SimulatedPool {
    guid: u64,
    disks: Vec<PathBuf>,
    /// What it is encrypted with, if it is.
    key: Option<RecoveryKey>,
    locked: bool,
    health: String,
    /// As it is listed while it is not imported.
    listed: ImportablePool,
    pub(super) contents: Contents,
}

fn disk(name: &str, serial: &str, contents: &str, usable: &str) -> Disk {
    Disk {
        name: format!("/dev/disk/by-id/virtio-{name}"),
        node: format!("/dev/sim-{name}"),
        serial: serial.to_owned(),
        size: 12 << 30,
        sector_size: 512,
        contents: contents.to_owned(),
        usable: usable.to_owned(),
        ..Disk::default()
    }
}

/// The disks of a box of which nothing else is said: two blank ones, one that holds something, and the one it starts from.
pub(super) fn usual_disks() -> Vec<Disk> {
    vec![
        disk("a", "a", "", ""),
        disk("b", "b", "", ""),
        disk("c", "c", "a Windows NTFS file system \"DATA\"", ""),
        disk("system", "system", "partition table (gpt) with 7 partitions", "this box starts from it"),
    ]
}

impl Simulated {
    /// A box with these disks and no pool.
    pub fn with_disks(disks: Vec<Disk>) -> Self {
        let simulated = Self::default();
        simulated.lock().disks = disks;
        simulated
    }

    /// Puts a pool of another box on the disks, encrypted with `key` if there is one.
    pub fn add_importable(&self, pool: ImportablePool, key: Option<RecoveryKey>) {
        self.lock().shelf.push(SimulatedPool {
            guid: pool.guid,
            disks: pool.disks.iter().map(|name| Path::new("/dev/disk/by-id").join(name)).collect(),
            key,
            locked: false,
            health: pool.health.clone(),
            listed: pool,
            contents: Contents::default(),
        });
    }

    /// Changes the pool's health, as a disk does that is pulled out.
    pub fn set_health(&self, health: &str) {
        if let Some(pool) = &mut self.lock().pool {
            pool.health = health.to_owned();
        }
        self.tell();
    }

    /// The box starts anew and has lost its key file: an encrypted pool stays locked.
    pub fn lose_key(&self) {
        let mut state = self.lock();
        state.kept = None;
        if let Some(pool) = &mut state.pool {
            pool.locked = pool.key.is_some();
        }
        drop(state);
        self.tell();
    }

    /// Somebody has opened a volume, or has closed all again.
    pub fn set_busy(&self, busy: bool) {
        self.lock().busy = busy;
    }

    /// Tells of the pool if it has changed.
    fn tell(&self) {
        let state = self.lock();
        let now = state.pool.as_ref().map_or_else(Pool::default, |pool| match pool.locked {
            true => Pool { health: HEALTH_LOCKED.to_owned(), ..pool.describe() },
            false => pool.describe(),
        });
        drop(state);
        self.changes.send_if_modified(|told| {
            let changed = *told != now;
            *told = now;
            changed
        });
    }

    pub(super) fn make(&self, new: &NewPool) -> Result<()> {
        let mut state = self.lock();
        let mut indexes = Vec::new();
        for path in &new.disks {
            let index = state.disks.iter().position(|disk| Path::new(&disk.name) == path);
            indexes.push(index.ok_or_else(|| Error::NotFound(format!("{} is not there", path.display())))?);
        }
        let disks: Vec<_> = indexes.iter().map(|&index| &state.disks[index]).collect();
        let named: Vec<_> = disks
            .iter()
            .map(|disk| NamedDisk { path: disk.name.clone().into(), serial: disk.serial.clone() })
            .collect();
        let agreed = engine::agreed(&named, &new.erase)?;
        if let Some(pool) = &state.pool {
            let same = pool.disks == new.disks && pool.key.is_some() == new.encrypted;
            return if same {
                Ok(())
            } else {
                Err(Error::Exists(
                    "this box already has a pool, on other disks or encrypted otherwise".into(),
                ))
            };
        }
        for (disk, agreed) in disks.iter().zip(agreed) {
            if !disk.usable.is_empty() {
                return Err(Error::InvalidArgument(format!(
                    "{} cannot be used ({})",
                    disk.name, disk.usable
                )));
            }
            if !disk.contents.is_empty() && !agreed {
                return Err(Error::Exists(format!("{} holds {}", disk.name, disk.contents)));
            }
        }
        let key = if new.encrypted {
            let kept = match state.kept.take() {
                Some(kept) => kept,
                None => (RecoveryKey::generate().map_err(|error| Error::Failed(error.to_string()))?, false),
            };
            Some(state.kept.insert(kept).0.clone())
        } else {
            None
        };
        for &index in &indexes {
            state.disks[index].contents = format!("ZFS pool \"{}\"", layout::POOL);
            state.disks[index].usable = OURS.to_owned();
        }
        state.made += 1;
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let listed = ImportablePool {
            guid: state.made,
            name: layout::POOL.to_owned(),
            health: "ONLINE".to_owned(),
            hint: "This pool can be imported.".to_owned(),
            disks: new.disks.iter().map(name).collect(),
            ours: true,
            ..ImportablePool::default()
        };
        state.pool = Some(SimulatedPool {
            guid: state.made,
            disks: new.disks.clone(),
            key,
            locked: false,
            health: "ONLINE".to_owned(),
            listed,
            contents: Contents::default(),
        });
        drop(state);
        self.tell();
        Ok(())
    }

    pub(super) fn listed(&self) -> Vec<ImportablePool> {
        self.lock().shelf.iter().map(|pool| pool.listed.clone()).collect()
    }

    pub(super) fn take(&self, guid: u64, key: Option<RecoveryKey>) -> Result<()> {
        let mut state = self.lock();
        if state.pool.is_some() {
            return Err(Error::Exists("this box already has a pool".into()));
        }
        let index = state.shelf.iter().position(|pool| pool.guid == guid);
        let index =
            index.ok_or_else(|| Error::NotFound(format!("no disk holds a pool with the number {guid}")))?;
        let pool = &state.shelf[index];
        if !pool.listed.ours {
            return Err(Error::InvalidArgument("it is not the pool of a box like this one".into()));
        }
        if pool.listed.health != "ONLINE" && pool.listed.health != "DEGRADED" {
            return Err(Error::NotReady(pool.listed.hint.clone()));
        }
        match (&pool.key, &key) {
            (Some(_), None) => return Err(Error::NotReady(format!("{LOCKED}: this pool is encrypted"))),
            (Some(right), Some(key)) if right != key => {
                return Err(Error::Denied("the recovery key does not fit this pool".into()));
            }
            _ => {}
        }
        let pool = state.shelf.remove(index);
        if let Some(key) = &pool.key {
            state.kept = Some((key.clone(), true));
        }
        mark(&mut state, &pool.disks, OURS);
        state.pool = Some(pool);
        drop(state);
        self.tell();
        Ok(())
    }

    pub(super) fn forget(&self) -> Result<()> {
        let mut state = self.lock();
        if state.busy {
            return Err(Error::Busy("the pool is in use".into()));
        }
        state.kept = None;
        if let Some(mut pool) = state.pool.take() {
            pool.locked = false;
            mark(&mut state, &pool.disks, "");
            state.shelf.push(pool);
        }
        drop(state);
        self.tell();
        Ok(())
    }

    pub(super) fn keep_key(&self, key: RecoveryKey) -> Result<()> {
        let mut state = self.lock();
        match (&state.kept, &state.pool) {
            (Some((kept, _)), _) if *kept == key => return Ok(()),
            (_, Some(SimulatedPool { key: Some(_), .. })) => {
                return Err(Error::Exists("the pool of this box is encrypted with another key".into()));
            }
            _ => {}
        }
        state.kept = Some((key, false));
        Ok(())
    }

    pub(super) fn kept_key(&self) -> Result<(RecoveryKey, bool)> {
        self.lock().kept.clone().ok_or_else(|| Error::NotFound("this box keeps no recovery key".into()))
    }

    pub(super) fn confirm_key(&self) -> Result<()> {
        let mut state = self.lock();
        match &mut state.kept {
            Some((_, confirmed)) => *confirmed = true,
            None => return Err(Error::NotFound("this box keeps no recovery key".into())),
        }
        Ok(())
    }

    pub(super) fn open_with(&self, key: RecoveryKey) -> Result<()> {
        let mut state = self.lock();
        let pool = state.pool.as_mut().filter(|pool| pool.key.is_some());
        let pool = pool.ok_or_else(|| Error::NotReady("this box has no encrypted pool".into()))?;
        if pool.key.as_ref() != Some(&key) {
            return Err(Error::Denied("the recovery key does not fit this pool".into()));
        }
        pool.locked = false;
        state.kept = Some((key, true));
        drop(state);
        self.tell();
        Ok(())
    }
}

fn mark(state: &mut State, disks: &[PathBuf], usable: &str) {
    for disk in state.disks.iter_mut().filter(|disk| disks.iter().any(|path| Path::new(&disk.name) == path)) {
        disk.usable = usable.to_owned();
    }
}

impl SimulatedPool {
    pub(super) fn is_locked(&self) -> bool {
        self.locked
    }

    pub(super) fn describe(&self) -> Pool {
        Pool { name: layout::POOL.into(), health: self.health.clone(), size: 1 << 30, free: 1 << 29 }
    }
}
