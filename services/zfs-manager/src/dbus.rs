//! The edge: text from the bus becomes ids and sizes here, and nothing unparsed passes.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_bus::systemd::ManagerProxy;
use understudy_bus::zfs::{DiskClone, MachineRecord, PATH, Point, Pool, Volume};
use zbus::zvariant::OwnedFd;

use crate::engine::{Engine, Geometry, Redundancy};

/// The D-Bus object.
pub struct Manager<E> {
    engine: Arc<E>,
}

/// Serves the manager on `connection`; its name is still to be taken.
pub async fn serve<E: Engine>(connection: &zbus::Connection, engine: Arc<E>) -> anyhow::Result<()> {
    connection.object_server().at(PATH, Manager { engine }).await?;
    Ok(())
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
    async fn create_pool(&self, layout: &str, devices: Vec<String>) -> Result<()> {
        let redundancy = Redundancy::parse(layout)?;
        let disks = devices.iter().map(|text| disk_path(text)).collect::<Result<Vec<_>>>()?;
        redundancy.check_disks(disks.len())?;
        self.engine.create_pool(redundancy, disks).await
    }

    async fn pool(&self) -> Result<Pool> {
        self.engine.pool().await
    }

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
