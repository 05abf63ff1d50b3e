//! An engine without ZFS, so that the D-Bus edge runs in unprivileged tests. It keeps the promises of the contract that can
//! be kept in memory: existing things are found again, what is in use is not changed, only the newest point is rolled back to.

mod pool;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::sync::watch;
use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{
    Disk, DiskClone, ImportablePool, LOCKED, MachineRecord, Point, PointDisk, Pool, Volume,
};
use understudy_recovery_key::RecoveryKey;

use crate::engine::{Engine, Geometry, NewPool};
use crate::{layout, machine_record};
use pool::SimulatedPool;

/// What is on a pool.
#[derive(Default)]
struct Contents {
    volumes: BTreeMap<(MachineId, DiskId), Geometry>,
    points: Vec<Point>,
    machine_records: BTreeMap<MachineId, BTreeMap<String, String>>,
    clones: BTreeMap<VmId, (MachineId, RecoveryPointId)>,
}

struct State {
    disks: Vec<Disk>,
    pool: Option<SimulatedPool>,
    /// Pools on the disks that are not imported.
    shelf: Vec<SimulatedPool>,
    /// The recovery key, and whether its owner has confirmed it.
    kept: Option<(RecoveryKey, bool)>,
    busy: bool,
    /// Pools made so far.
    made: u64,
}

/// Storage in memory.
pub struct Simulated {
    state: Mutex<State>,
    changes: watch::Sender<Pool>,
}

impl Default for Simulated {
    /// A box with four disks: `virtio-a` and `virtio-b` are blank, `virtio-c` is not, and from `virtio-system` it starts.
    fn default() -> Self {
        let state = State {
            disks: pool::usual_disks(),
            pool: None,
            shelf: Vec::new(),
            kept: None,
            busy: false,
            made: 0,
        };
        Self { state: Mutex::new(state), changes: watch::Sender::default() }
    }
}

/// What is on the pool, while it is looked at.
struct Open<'a>(MutexGuard<'a, State>);

impl std::ops::Deref for Open<'_> {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0.pool.as_ref().expect("only made where there is a pool").contents
    }
}

impl std::ops::DerefMut for Open<'_> {
    fn deref_mut(&mut self) -> &mut Contents {
        &mut self.0.pool.as_mut().expect("only made where there is a pool").contents
    }
}

impl Simulated {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Result<Open<'_>> {
        let state = self.lock();
        match &state.pool {
            Some(pool) if pool.is_locked() => Err(Error::NotReady(format!("{LOCKED}: none is kept"))),
            Some(_) => Ok(Open(state)),
            None => Err(Error::NotReady("this box has no pool yet".into())),
        }
    }
}

fn absent(what: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("there is no {what}"))
}

/// A descriptor whose contents tell what was opened.
fn descriptor(contents: String) -> Result<OwnedFd> {
    let write = || -> std::io::Result<OwnedFd> {
        let mut file = std::fs::File::from(memfd_create("simulated", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(contents.as_bytes())?;
        Ok(file.into())
    };
    write().map_err(|error| Error::Failed(error.to_string()))
}

impl Engine for Simulated {
    async fn disks(&self) -> Result<Vec<Disk>> {
        Ok(self.lock().disks.clone())
    }

    async fn create_pool(&self, new: NewPool) -> Result<()> {
        self.make(&new)
    }

    async fn pool(&self) -> Result<Pool> {
        drop(self.state()?);
        self.lock().pool.as_ref().map(SimulatedPool::describe).ok_or_else(|| absent("pool"))
    }

    async fn importable(&self) -> Result<Vec<ImportablePool>> {
        Ok(self.listed())
    }

    async fn import_pool(&self, guid: u64, key: Option<RecoveryKey>) -> Result<()> {
        self.take(guid, key)
    }

    async fn forget_pool(&self) -> Result<()> {
        self.forget()
    }

    async fn keep_recovery_key(&self, key: RecoveryKey) -> Result<()> {
        self.keep_key(key)
    }

    async fn recovery_key(&self) -> Result<(RecoveryKey, bool)> {
        self.kept_key()
    }

    async fn confirm_recovery_key(&self) -> Result<()> {
        self.confirm_key()
    }

    async fn unlock(&self, key: RecoveryKey) -> Result<()> {
        self.open_with(key)
    }

    fn changes(&self) -> watch::Receiver<Pool> {
        self.changes.subscribe()
    }

    async fn create_volume(&self, machine: MachineId, disk: DiskId, geometry: Geometry) -> Result<Volume> {
        let mut state = self.state()?;
        let known = *state.volumes.entry((machine, disk)).or_insert(geometry);
        if known != geometry {
            return Err(Error::Exists("it is kept with another size".into()));
        }
        Ok(Volume {
            machine: machine.to_string(),
            disk: disk.to_string(),
            device: layout::device(&layout::volume(machine, disk)),
            size: geometry.size.0,
            sector_size: geometry.sector,
        })
    }

    async fn volumes(&self) -> Result<Vec<Volume>> {
        let known: Vec<_> = self.state()?.volumes.iter().map(|(&key, &geometry)| (key, geometry)).collect();
        let mut volumes = Vec::new();
        for ((machine, disk), geometry) in known {
            volumes.push(self.create_volume(machine, disk, geometry).await?);
        }
        Ok(volumes)
    }

    async fn rollback(&self, machine: MachineId, disk: DiskId, point: Option<RecoveryPointId>) -> Result<()> {
        let state = self.state()?;
        if !state.volumes.contains_key(&(machine, disk)) {
            return Err(absent("such volume"));
        }
        let of_disk = |point: &&Point| point.disks.iter().any(|held| held.disk == disk.to_string());
        let newest = state.points.iter().rev().find(of_disk).map(|point| point.point.clone());
        if newest == point.map(|point| point.to_string()) {
            return Ok(());
        }
        Err(Error::Exists("it is not the newest recovery point".into()))
    }

    async fn snapshot(
        &self,
        machine: MachineId,
        point: RecoveryPointId,
        disks: Vec<DiskId>,
        record: &str,
    ) -> Result<Point> {
        let mut state = self.state()?;
        if let Some(known) = state.points.iter().find(|known| known.point == point.to_string()) {
            return Ok(known.clone());
        }
        let mut held = Vec::new();
        for disk in disks {
            let geometry = state.volumes.get(&(machine, disk)).ok_or_else(|| absent("such volume"))?;
            let guid = state.points.len() as u64 + 1;
            let (size, sector_size) = (geometry.size.0, geometry.sector);
            held.push(PointDisk { disk: disk.to_string(), guid, size, sector_size, used: 0 });
        }
        let created = state.points.len() as u64;
        let (machine, record) = (machine.to_string(), record.to_owned());
        let new = Point { machine, point: point.to_string(), created, record, disks: held };
        state.points.push(new.clone());
        Ok(new)
    }

    async fn points(&self, machine: Option<MachineId>) -> Result<Vec<Point>> {
        let state = self.state()?;
        let wanted = machine.map(|machine| machine.to_string());
        let matching =
            state.points.iter().filter(|p| wanted.as_ref().is_none_or(|machine| p.machine == *machine));
        Ok(matching.cloned().collect())
    }

    async fn set_machine_record(&self, machine: MachineId, record: &str) -> Result<()> {
        let properties = machine_record::encode(record)?;
        self.state()?.machine_records.entry(machine).or_default().extend(properties);
        Ok(())
    }

    async fn machine_records(&self) -> Result<Vec<MachineRecord>> {
        let state = self.state()?;
        let records = state.machine_records.iter().filter_map(|(machine, held)| {
            let part = |index| held.get(&machine_record::property(index)).map(String::as_str);
            let record = machine_record::decode(part)?;
            Some(MachineRecord { machine: machine.to_string(), record })
        });
        Ok(records.collect())
    }

    async fn open_volume(&self, machine: MachineId, disk: DiskId) -> Result<OwnedFd> {
        if !self.state()?.volumes.contains_key(&(machine, disk)) {
            return Err(absent("such volume"));
        }
        descriptor(layout::volume(machine, disk))
    }

    async fn open_point(&self, machine: MachineId, disk: DiskId, point: RecoveryPointId) -> Result<OwnedFd> {
        if !self.state()?.points.iter().any(|known| known.point == point.to_string()) {
            return Err(absent("such recovery point"));
        }
        descriptor(layout::snapshot(machine, disk, point))
    }

    async fn clone_point(
        &self,
        vm: VmId,
        machine: MachineId,
        point: RecoveryPointId,
    ) -> Result<Vec<DiskClone>> {
        let mut state = self.state()?;
        let known = state.points.iter().find(|known| known.point == point.to_string());
        let source = known.cloned().ok_or_else(|| absent("such recovery point"))?;
        if *state.clones.entry(vm).or_insert((machine, point)) != (machine, point) {
            return Err(Error::Exists("the VM runs from another point".into()));
        }
        let clone =
            |disk: PointDisk| DiskClone { disk: disk.disk, size: disk.size, sector_size: disk.sector_size };
        Ok(source.disks.into_iter().map(clone).collect())
    }

    async fn open_clone(&self, vm: VmId, disk: DiskId) -> Result<OwnedFd> {
        if !self.state()?.clones.contains_key(&vm) {
            return Err(absent("such VM"));
        }
        descriptor(layout::clone(vm, disk))
    }

    async fn destroy_clones(&self, vm: VmId) -> Result<()> {
        self.state()?.clones.remove(&vm);
        Ok(())
    }

    async fn clones(&self) -> Result<Vec<VmId>> {
        Ok(self.state()?.clones.keys().copied().collect())
    }
}
