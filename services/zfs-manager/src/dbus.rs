//! The edge: text from the bus becomes ids and sizes here, and nothing unparsed passes.

#![allow(missing_docs, reason = "the methods the interface macro makes for signals carry none")]

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_bus::systemd::ManagerProxy;
use understudy_bus::zfs::{Disk, DiskClone, ImportablePool, MachineRecord, PATH, Point, Pool, Volume};
use understudy_recovery_key::RecoveryKey;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedFd;

use crate::engine::{Engine, Geometry, NewPool, Redundancy};

/// The D-Bus object.
pub struct Manager<E> {
    engine: Arc<E>,
}

/// Serves the manager on `connection`; its name is still to be taken.
pub async fn serve<E: Engine>(connection: &zbus::Connection, engine: Arc<E>) -> anyhow::Result<()> {
    let mut changes = engine.changes();
    connection.object_server().at(PATH, Manager { engine }).await?;
    let emitter = SignalEmitter::new(connection, PATH)?.into_owned();
    // For as long as the service runs.
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let pool = changes.borrow_and_update().clone();
            if let Err(error) = Manager::<E>::pool_changed(&emitter, pool).await {
                tracing::warn!("cannot tell that the pool has changed: {error}");
            }
        }
    });
    Ok(())
}

/// Parses a recovery key. What was typed never stands in the error.
fn recovery_key(text: &str) -> Result<RecoveryKey> {
    text.parse().map_err(|error: understudy_recovery_key::KeyError| Error::InvalidArgument(error.to_string()))
}

/// Parses an id of any kind.
fn id<T>(text: &str) -> Result<T>
where
    T: std::str::FromStr<Err = understudy_bus::wire::id::IdError>,
{
    text.parse().map_err(|error: understudy_bus::wire::id::IdError| Error::InvalidArgument(error.to_string()))
}

/// Parses an id that may be absent.
fn optional_id<T>(text: &str) -> Result<Option<T>>
where
    T: std::str::FromStr<Err = understudy_bus::wire::id::IdError>,
{
    if text.is_empty() { Ok(None) } else { id(text).map(Some) }
}

/// Accepts `/dev/disk/by-id/NAME` only: names that stay with the disk, so that a pool is never made on another one because
/// the kernel counted differently this time.
fn disk_path(text: &str) -> Result<PathBuf> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if plain && path.parent() == Some(Path::new("/dev/disk/by-id")) {
        return Ok(path.to_owned());
    }
    Err(Error::InvalidArgument(format!(
        "{text:?} does not name a disk; a path /dev/disk/by-id/NAME is expected"
    )))
}

#[zbus::interface(name = "org.understudy.Zfs1.Manager")]
impl<E: Engine> Manager<E> {
    async fn disks(&self) -> Result<Vec<Disk>> {
        self.engine.disks().await
    }

    async fn create_pool(
        &self,
        layout: &str,
        devices: Vec<String>,
        erase: Vec<String>,
        encrypted: bool,
    ) -> Result<()> {
        let redundancy = Redundancy::parse(layout)?;
        let disks = devices.iter().map(|text| disk_path(text)).collect::<Result<Vec<_>>>()?;
        redundancy.check_disks(disks.len())?;
        self.engine.create_pool(NewPool { redundancy, disks, erase, encrypted }).await
    }

    async fn pool(&self) -> Result<Pool> {
        self.engine.pool().await
    }

    async fn importable(&self) -> Result<Vec<ImportablePool>> {
        self.engine.importable().await
    }

    async fn import_pool(&self, guid: u64, key: &str) -> Result<()> {
        let key = if key.trim().is_empty() { None } else { Some(recovery_key(key)?) };
        self.engine.import_pool(guid, key).await
    }

    async fn forget_pool(&self) -> Result<()> {
        self.engine.forget_pool().await
    }

    async fn keep_recovery_key(&self, key: &str) -> Result<()> {
        self.engine.keep_recovery_key(recovery_key(key)?).await
    }

    async fn recovery_key(&self) -> Result<(String, bool)> {
        let (key, confirmed) = self.engine.recovery_key().await?;
        Ok((key.to_string(), confirmed))
    }

    async fn confirm_recovery_key(&self) -> Result<()> {
        self.engine.confirm_recovery_key().await
    }

    async fn unlock(&self, key: &str) -> Result<()> {
        self.engine.unlock(recovery_key(key)?).await
    }

    #[zbus(signal)]
    async fn pool_changed(emitter: &SignalEmitter<'_>, pool: Pool) -> zbus::Result<()>;

    async fn create_volume(&self, machine: &str, disk: &str, size: u64, sector_size: u32) -> Result<Volume> {
        self.engine.create_volume(id(machine)?, id(disk)?, Geometry::new(size, sector_size)?).await
    }

    async fn volumes(&self) -> Result<Vec<Volume>> {
        self.engine.volumes().await
    }

    async fn rollback(&self, machine: &str, disk: &str, point: &str) -> Result<()> {
        self.engine.rollback(id(machine)?, id(disk)?, optional_id(point)?).await
    }

    async fn snapshot(&self, machine: &str, point: &str, disks: Vec<String>, record: &str) -> Result<Point> {
        let mut ids = disks.iter().map(|text| id(text)).collect::<Result<Vec<_>>>()?;
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Err(Error::InvalidArgument("a recovery point of no disks makes no sense".to_owned()));
        }
        self.engine.snapshot(id(machine)?, id(point)?, ids, record).await
    }

    async fn points(&self, machine: &str) -> Result<Vec<Point>> {
        self.engine.points(optional_id(machine)?).await
    }

    async fn set_machine_record(&self, machine: &str, record: &str) -> Result<()> {
        self.engine.set_machine_record(id(machine)?, record).await
    }

    async fn machine_records(&self) -> Result<Vec<MachineRecord>> {
        self.engine.machine_records().await
    }

    async fn open_volume(&self, machine: &str, disk: &str) -> Result<OwnedFd> {
        Ok(self.engine.open_volume(id(machine)?, id(disk)?).await?.into())
    }

    async fn open_point(&self, machine: &str, disk: &str, point: &str) -> Result<OwnedFd> {
        Ok(self.engine.open_point(id(machine)?, id(disk)?, id(point)?).await?.into())
    }

    async fn clone_point(&self, vm: &str, machine: &str, point: &str) -> Result<Vec<DiskClone>> {
        self.engine.clone_point(id(vm)?, id(machine)?, id(point)?).await
    }

    async fn open_clone(&self, vm: &str, disk: &str) -> Result<OwnedFd> {
        Ok(self.engine.open_clone(id(vm)?, id(disk)?).await?.into())
    }

    async fn destroy_clones(&self, vm: &str) -> Result<()> {
        self.engine.destroy_clones(id(vm)?).await
    }

    async fn clones(&self) -> Result<Vec<String>> {
        Ok(self.engine.clones().await?.iter().map(ToString::to_string).collect())
    }
}

/// Whether the whole box goes down, and not just this service.
pub async fn system_is_stopping(connection: &zbus::Connection) -> bool {
    let state = async { ManagerProxy::new(connection).await?.system_state().await };
    match state.await {
        Ok(state) => state == "stopping",
        Err(error) => {
            tracing::warn!(
                "cannot ask systemd whether the box is going down: {error}; the pool stays imported"
            );
            false
        }
    }
}

#[cfg(test)]
mod tests;
