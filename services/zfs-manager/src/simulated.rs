//! An engine without ZFS, so that the D-Bus edge runs in unprivileged tests. It keeps the promises of the contract that can
//! be kept in memory: existing things are found again, what is in use is not changed, only the newest point is rolled back to.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{DiskClone, MachineRecord, Point, PointDisk, Pool, Volume};

use crate::engine::{Engine, Geometry, Redundancy};
use crate::{layout, machine_record};

#[derive(Default)]
struct State {
    disks: Option<Vec<PathBuf>>,
    volumes: BTreeMap<(MachineId, DiskId), Geometry>,
    points: Vec<Point>,
    machine_records: BTreeMap<MachineId, BTreeMap<String, String>>,
    clones: BTreeMap<VmId, (MachineId, RecoveryPointId)>,
}

/// Storage in memory.
#[derive(Default)]
pub struct Simulated(Mutex<State>);

impl Simulated {
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.0.lock().unwrap();
        if state.disks.is_some() {
            Ok(state)
        } else {
            Err(Error::NotReady("this box has no pool yet".into()))
        }
    }
}

fn absent(what: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("there is no {what}"))
}

/// A descriptor whose contents tell what was opened.
fn descriptor(contents: String) -> Result<OwnedFd> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    Ok(file.into())
}

impl Engine for Simulated {
    async fn create_pool(&self, _: Redundancy, disks: Vec<PathBuf>) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        match &state.disks {
            Some(held) if *held == disks => Ok(()),
            Some(_) => Err(Error::Exists("this box already has a pool, on other disks".into())),
            None => {
                state.disks = Some(disks);
                Ok(())
            }
        }
    }

    async fn pool(&self) -> Result<Pool> {
        drop(self.state()?);
        Ok(Pool { name: layout::POOL.into(), health: "ONLINE".into(), size: 1 << 30, free: 1 << 29 })
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
