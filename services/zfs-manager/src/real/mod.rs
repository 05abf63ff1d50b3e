//! The engine on real ZFS, through its own programs.

mod command;
mod contents;
mod crypt;
mod device;
mod disks;
mod inventory;
mod ioctl;
mod keys;
mod label;
mod listing;
mod machines;
mod making;
mod own;
mod points;
mod pool;
mod recognize;
mod taking;
mod vms;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Mutex as State;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{Disk, DiskClone, ImportablePool, MachineRecord, Point, Pool, Volume};
use understudy_recovery_key::RecoveryKey;

use crate::engine::{Engine, Geometry, NewPool};
use crate::layout;
use crate::memory::{Memory, Own};
use device::{Access, Exclusive};
use inventory::Uses;
use recognize::Choice;

/// ZFS on this box.
pub struct Zfs {
    memory: Memory,
    /// Where `/dev`, `/sys`, `/run` and `/etc` are.
    root: PathBuf,
    /// Held by whatever changes the pool, datasets or device nodes: two such at once would see each other's halves.
    changing: Mutex<()>,
    condition: State<own::Condition>,
    changes: watch::Sender<Pool>,
}

/// A volume's own numbers.
#[derive(Debug, Clone, Copy)]
struct Size {
    geometry: Geometry,
    /// What ZFS made of it, in bytes.
    volume: u64,
}

impl Zfs {
    /// Imports the pool if there is one. That there is none, or that it cannot be imported, is no failure of the service:
    /// callers are told. `state` is the service's own folder, `root` where the system's are.
    pub async fn start(state: PathBuf, root: PathBuf) -> Self {
        if pool::host_id(&root).is_none() {
            tracing::error!(
                "/etc/hostid is absent or zero: what this box used last and what another did cannot be told apart"
            );
        }
        let zfs = Self {
            memory: Memory::new(state),
            root,
            changing: Mutex::new(()),
            condition: State::default(),
            changes: watch::Sender::default(),
        };
        match zfs.acquire().await {
            Ok(Choice::Import(guid)) => tracing::info!("the pool {} ({guid}) is imported", layout::POOL),
            Ok(Choice::Nothing) => tracing::info!("no disk holds a pool of this box"),
            Ok(Choice::Refuse(why)) => {
                tracing::warn!("{why}");
                zfs.set_trouble(Some(why));
            }
            Err(error) => {
                tracing::error!("{}", error.message());
                zfs.set_trouble(Some(error.message()));
            }
        }
        zfs.observe().await;
        zfs
    }

    /// Releases the pool when the box goes down.
    pub async fn export(&self) {
        let _changing = self.changing.lock().await;
        if matches!(pool::imported().await, Ok(Some(_))) {
            match pool::export(Duration::ZERO).await {
                Ok(()) => tracing::info!("released the pool"),
                Err(error) => tracing::warn!("the pool stays marked as ours: {}", error.message()),
            }
        }
    }

    /// Takes the device nodes from recovery points that nobody reads any more: thousands of points would otherwise mean
    /// thousands of devices. A failure is logged and tried again next time.
    pub async fn hide_unread_points(&self) {
        let _changing = self.changing.lock().await;
        if let Err(error) = points::hide_unread().await {
            tracing::debug!("cannot hide recovery points: {}", error.message());
        }
    }

    /// A volume or clone by its dataset's name.
    async fn size_of(&self, dataset: &str) -> Result<Size> {
        self.need_pool().await?;
        let properties =
            ["name", "volsize", layout::PROPERTY_VERSION, layout::PROPERTY_SIZE, layout::PROPERTY_SECTOR];
        let json = command::zfs(command::list("volume", &properties, dataset)).await?;
        let entries = listing::parse(&json)?;
        let entry = entries.iter().find(|entry| entry.name == dataset);
        let entry = entry.ok_or_else(|| Error::NotFound(format!("there is no volume {dataset}")))?;
        Ok(Size { geometry: entry.geometry()?, volume: entry.number("volsize")? })
    }
}

fn volume(machine: MachineId, disk: DiskId, geometry: Geometry) -> Volume {
    Volume {
        machine: machine.to_string(),
        disk: disk.to_string(),
        device: layout::device(&layout::volume(machine, disk)),
        size: geometry.size.0,
        sector_size: geometry.sector,
    }
}

impl Engine for Zfs {
    async fn disks(&self) -> Result<Vec<Disk>> {
        let mut uses = Uses::of_system(&self.root);
        // Where that cannot be read, the disks can still be shown.
        if let Ok(Own::Pool(own)) = self.memory.own() {
            uses.guid = Some(own.guid);
        }
        // Of a disk that is not there any more there is nothing to say.
        if pool::imported().await?.is_some() {
            let members = pool::members().await?;
            uses.pool =
                members.iter().filter_map(|path| disks::whole_disk(&self.root, path.as_ref()).ok()).collect();
        }
        let mut found = Vec::new();
        for facts in inventory::all(&self.root) {
            found.push(facts.describe(&self.root, &uses).await);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn create_pool(&self, new: NewPool) -> Result<()> {
        let changing = self.changing.lock().await;
        let made = self.make(&new).await;
        drop(changing);
        self.observe().await;
        made
    }

    async fn pool(&self) -> Result<Pool> {
        pool::state(self.need_pool().await?.health).await
    }

    async fn importable(&self) -> Result<Vec<ImportablePool>> {
        // One that is just being looked at would be missing.
        let _changing = self.changing.lock().await;
        let mut found = Vec::new();
        for listed in pool::listed().await? {
            let candidate = pool::look_closer(&self.root, listed).await;
            found.push(candidate.pool.describe(&candidate.host_name));
        }
        Ok(found)
    }

    async fn import_pool(&self, guid: u64, key: Option<RecoveryKey>) -> Result<()> {
        let changing = self.changing.lock().await;
        let taken = self.take(guid, key).await;
        drop(changing);
        self.observe().await;
        taken
    }

    async fn forget_pool(&self) -> Result<()> {
        let changing = self.changing.lock().await;
        let forgotten = self.forget().await;
        drop(changing);
        self.observe().await;
        forgotten
    }

    async fn keep_recovery_key(&self, key: RecoveryKey) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.keep_key(key)
    }

    async fn recovery_key(&self) -> Result<(RecoveryKey, bool)> {
        self.kept_key().map(|kept| (kept.key, kept.confirmed))
    }

    async fn confirm_recovery_key(&self) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.confirm_key()
    }

    async fn unlock(&self, key: RecoveryKey) -> Result<()> {
        let changing = self.changing.lock().await;
        let unlocked = self.open_with(key).await;
        drop(changing);
        self.observe().await;
        unlocked
    }

    fn changes(&self) -> watch::Receiver<Pool> {
        self.changes.subscribe()
    }

    async fn create_volume(&self, machine: MachineId, disk: DiskId, geometry: Geometry) -> Result<Volume> {
        let _changing = self.changing.lock().await;
        let dataset = layout::volume(machine, disk);
        let size = match self.size_of(&dataset).await {
            Ok(size) if size.geometry == geometry => size,
            Ok(size) => {
                return Err(Error::Exists(format!(
                    "disk {disk} of machine {machine} is kept with {} bytes in sectors of {}, not {} in sectors of {}; a \
                     disk that changed its size is a new disk",
                    size.geometry.size.0, size.geometry.sector, geometry.size.0, geometry.sector
                )));
            }
            Err(Error::NotFound(_)) => {
                points::create_volume(machine, disk, geometry).await?;
                tracing::info!(machine = %machine, "made the volume of disk {disk}, {} bytes", geometry.size.0);
                self.size_of(&dataset).await?
            }
            Err(error) => return Err(error),
        };
        device::wait(&dataset, size.volume).await?;
        Ok(volume(machine, disk, geometry))
    }

    async fn volumes(&self) -> Result<Vec<Volume>> {
        self.need_pool().await?;
        let properties = ["name", layout::PROPERTY_VERSION, layout::PROPERTY_SIZE, layout::PROPERTY_SECTOR];
        let json = command::zfs(command::list("volume", &properties, layout::MACHINES)).await?;
        let entries = listing::parse(&json)?;
        let ours = entries.iter().filter_map(|entry| Some((layout::parse_volume(&entry.name)?, entry)));
        ours.map(|((machine, disk), entry)| Ok(volume(machine, disk, entry.geometry()?))).collect()
    }

    async fn rollback(&self, machine: MachineId, disk: DiskId, point: Option<RecoveryPointId>) -> Result<()> {
        let _changing = self.changing.lock().await;
        let dataset = layout::volume(machine, disk);
        let size = self.size_of(&dataset).await?;
        let newest = points::newest(&dataset).await?;
        let exclusive = Exclusive::take(&dataset, size.volume).await?;
        match point {
            Some(point) => {
                let wanted = layout::snapshot(machine, disk, point);
                if newest.as_ref() != Some(&wanted) {
                    return Err(points::not_newest(&wanted, newest.as_deref()));
                }
                command::zfs(vec!["rollback".to_owned(), wanted]).await?;
                exclusive.drop_cache()?;
            }
            None => {
                if let Some(newest) = newest {
                    return Err(Error::Exists(format!(
                        "{dataset} has recovery points (the newest is {newest}) and is not made anew"
                    )));
                }
                drop(exclusive);
                vms::destroy(&dataset).await?;
                points::create_volume(machine, disk, size.geometry).await?;
            }
        }
        drop(device::wait(&dataset, size.volume).await?);
        tracing::info!(machine = %machine, "rolled disk {disk} back");
        Ok(())
    }

    async fn snapshot(
        &self,
        machine: MachineId,
        point: RecoveryPointId,
        disks: Vec<DiskId>,
        record: &str,
    ) -> Result<Point> {
        let _changing = self.changing.lock().await;
        self.need_pool().await?;
        if let Some(existing) = points::find(machine, point).await? {
            return points::same_disks(existing, &disks);
        }
        let record = crate::record::encode(record)?;
        // A volume that is still published may change between the last flush and the snapshot.
        let mut held = Vec::new();
        for &disk in &disks {
            let dataset = layout::volume(machine, disk);
            let size = self.size_of(&dataset).await?;
            held.push(points::not_published(&dataset, size.volume).await?);
        }
        command::zfs(command::snapshot(machine, point, &disks, &record)).await?;
        drop(held);
        tracing::info!(machine = %machine, "took recovery point {point} of {} disks", disks.len());
        points::find(machine, point)
            .await?
            .ok_or_else(|| Error::Corrupt(format!("recovery point {point} is not there after it was taken")))
    }

    async fn points(&self, machine: Option<MachineId>) -> Result<Vec<Point>> {
        self.need_pool().await?;
        points::list(machine).await
    }

    async fn set_machine_record(&self, machine: MachineId, record: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.need_pool().await?;
        machines::set_record(machine, record).await
    }

    async fn machine_records(&self) -> Result<Vec<MachineRecord>> {
        self.need_pool().await?;
        machines::records().await
    }

    async fn open_volume(&self, machine: MachineId, disk: DiskId) -> Result<OwnedFd> {
        let dataset = layout::volume(machine, disk);
        device::open(&dataset, self.size_of(&dataset).await?.volume, Access::Read).await
    }

    async fn open_point(&self, machine: MachineId, disk: DiskId, point: RecoveryPointId) -> Result<OwnedFd> {
        let _changing = self.changing.lock().await;
        let volume = layout::volume(machine, disk);
        let size = self.size_of(&volume).await?;
        let snapshot = layout::snapshot(machine, disk, point);
        points::exists(&snapshot).await?;
        command::zfs(vec!["set".to_owned(), "snapdev=visible".to_owned(), volume]).await?;
        device::open(&snapshot, size.volume, Access::Read).await
    }

    async fn clone_point(
        &self,
        vm: VmId,
        machine: MachineId,
        point: RecoveryPointId,
    ) -> Result<Vec<DiskClone>> {
        let _changing = self.changing.lock().await;
        self.need_pool().await?;
        vms::clone_point(vm, machine, point).await
    }

    async fn open_clone(&self, vm: VmId, disk: DiskId) -> Result<OwnedFd> {
        let dataset = layout::clone(vm, disk);
        device::open(&dataset, self.size_of(&dataset).await?.volume, Access::Write).await
    }

    async fn destroy_clones(&self, vm: VmId) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.need_pool().await?;
        vms::destroy_clones(vm).await
    }

    async fn clones(&self) -> Result<Vec<VmId>> {
        self.need_pool().await?;
        vms::list().await
    }
}
