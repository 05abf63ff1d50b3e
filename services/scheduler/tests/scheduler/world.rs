//! The services around the scheduler, simulated: volumes are files, targets are rows. They keep the rules of the real ones and
//! note every breach, so that a test also fails when the scheduler does things in the wrong order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use understudy_bus::drivers::{self, Report};
use understudy_bus::error::{Error, Result};
use understudy_bus::iscsi::{Request, Target};
use understudy_bus::vms::{Spec, Vm};
use understudy_bus::zfs::{DiskClone, MachineRecord, Point, PointDisk, Volume};
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedFd;
use zbus::{Connection, interface};

use crate::stage::within;

/// What there is.
#[derive(Default)]
pub struct State {
    pub volumes: BTreeMap<(String, String), SimVolume>,
    pub points: Vec<(Point, BTreeMap<String, Vec<u8>>)>,
    /// Machines' records.
    pub records: BTreeMap<String, String>,
    pub published: BTreeMap<String, Vec<Request>>,
    pub clones: BTreeMap<String, (String, String)>,
    pub vms: BTreeMap<String, Vm>,
    pub specs: Vec<SeenSpec>,
    /// Rules that were broken.
    pub breaches: Vec<String>,
    /// How many calls of withdraw are to fail.
    pub withdrawals_to_fail: u32,
    /// The machine whose recovery points have a damaged property.
    pub damaged_points_of: String,
    /// How many calls that store a machine's record are to fail.
    pub records_to_fail: u32,
    /// Why VMs do not start.
    pub start_error: Option<String>,
    /// What the inspection says; an error if none.
    pub inspection: Option<Report>,
    /// Snapshots are taken but not answered.
    pub swallow_snapshot_answers: bool,
    next: u64,
}

pub struct SimVolume {
    pub file: File,
    pub size: u64,
    sector_size: u32,
}

/// A started VM, without its descriptors.
pub struct SeenSpec {
    pub cpus: u32,
    pub memory: u64,
    pub firmware: String,
    pub macs: Vec<String>,
    pub disks: Vec<String>,
}

/// Shared by the services and the test.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    bus: Connection,
    /// Counts snapshots taken, for tests that wait for one.
    pub snapshots: Arc<watch::Sender<u32>>,
    /// Counts calls that store a machine's record, failed ones too.
    pub record_calls: Arc<watch::Sender<u32>>,
}

pub const NAMES: [&str; 4] =
    ["org.understudy.Zfs1", "org.understudy.Iscsi1", "org.understudy.Vms1", "org.understudy.Drivers1"];

impl World {
    pub async fn serve(bus: Connection) -> Self {
        let world = Self {
            state: Arc::default(),
            bus: bus.clone(),
            snapshots: Arc::new(watch::Sender::new(0)),
            record_calls: Arc::new(watch::Sender::new(0)),
        };
        let server = bus.object_server();
        server.at("/org/understudy/Zfs1", Zfs(world.clone())).await.unwrap();
        server.at("/org/understudy/Iscsi1", Iscsi(world.clone())).await.unwrap();
        server.at("/org/understudy/Vms1", Vms(world.clone())).await.unwrap();
        server.at("/org/understudy/Drivers1", Drivers(world.clone())).await.unwrap();
        for name in NAMES {
            bus.request_name(name).await.unwrap();
        }
        world
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A service goes away.
    pub async fn leave(&self, name: &str) {
        self.bus.release_name(name).await.unwrap();
    }

    /// A service is back.
    pub async fn come_back(&self, name: &str) {
        self.bus.request_name(name).await.unwrap();
    }

    /// Writes as an initiator does; a breach if nothing is published.
    pub fn write(&self, machine: &str, disk: &str, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        if !state.published.values().flatten().any(|request| request.disk == disk) {
            state.breaches.push(format!("disk {disk} was written without a target"));
        }
        let volume = &state.volumes[&(machine.to_owned(), disk.to_owned())];
        volume.file.write_all_at(bytes, offset).unwrap();
    }

    /// Flips a bit behind everybody's back.
    pub fn damage(&self, machine: &str, disk: &str, offset: u64) {
        let state = self.state();
        let volume = &state.volumes[&(machine.to_owned(), disk.to_owned())];
        let mut byte = [0];
        volume.file.read_exact_at(&mut byte, offset).unwrap();
        volume.file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    }

    /// A VM's guest switches itself off.
    pub async fn guest_ends(&self, vm: &str) {
        let vm = {
            let mut state = self.state();
            let vm = state.vms.get_mut(vm).unwrap();
            vm.state = "stopped".into();
            vm.clone()
        };
        let emitter = SignalEmitter::new(&self.bus, "/org/understudy/Vms1").unwrap();
        Vms::state_changed(&emitter, vm).await.unwrap();
    }

    /// Returns when the records on the pool are as `are` wants them.
    pub async fn records(&self, what: &str, are: impl Fn(&BTreeMap<String, String>) -> bool) {
        let mut calls = self.record_calls.subscribe();
        within(what, async {
            while !are(&self.state().records) {
                calls.changed().await.unwrap();
            }
        })
        .await;
    }

    /// Nothing is left published or cloned, and no rule was broken.
    pub fn assert_clean(&self) {
        let state = self.state();
        assert_eq!(state.breaches, Vec::<String>::new());
        assert!(state.published.is_empty(), "published: {:?}", state.published.keys());
    }
}

/// Opened anew, as zfs-manager does: whoever gets it may change the flags of the opening.
fn pretend(file: &File) -> OwnedFd {
    let opened = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    std::os::fd::OwnedFd::from(opened).into()
}

fn contents(volume: &SimVolume) -> Vec<u8> {
    let mut bytes = vec![0; volume.size as usize];
    volume.file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

struct Zfs(World);

#[interface(name = "org.understudy.Zfs1.Manager")]
impl Zfs {
    async fn create_volume(&self, machine: &str, disk: &str, size: u64, sector_size: u32) -> Result<Volume> {
        let mut state = self.0.state();
        let key = (machine.to_owned(), disk.to_owned());
        if !state.volumes.contains_key(&key) {
            let file = tempfile::tempfile().unwrap();
            // Rounded up, as a zvol is.
            file.set_len(size.next_multiple_of(64 * 1024)).unwrap();
            state.volumes.insert(key.clone(), SimVolume { file, size, sector_size });
        }
        if state.volumes[&key].size != size {
            return Err(Error::Exists(format!("disk {disk} has another size")));
        }
        let device = format!("/dev/zvol/pool/understudy/machines/{machine}/{disk}");
        Ok(Volume { machine: machine.into(), disk: disk.into(), device, size, sector_size })
    }

    async fn rollback(&self, machine: &str, disk: &str, point: &str) -> Result<()> {
        let mut state = self.0.state();
        if state.published.values().flatten().any(|request| request.disk == disk) {
            state.breaches.push(format!("disk {disk} was rolled back while published"));
        }
        let newest = state.points.iter().rev().find(|(_, disks)| disks.contains_key(disk));
        let held = newest.map(|(point, disks)| (point.point.clone(), disks[disk].clone()));
        let (newest, bytes) = held.unwrap_or_default();
        if newest != point {
            return Err(Error::InvalidArgument(format!("the newest point is {newest:?}, not {point:?}")));
        }
        let volume = &state.volumes[&(machine.to_owned(), disk.to_owned())];
        let length = volume.size.next_multiple_of(64 * 1024);
        volume.file.set_len(0).unwrap();
        volume.file.set_len(length).unwrap();
        volume.file.write_all_at(&bytes, 0).unwrap();
        Ok(())
    }

    async fn snapshot(&self, machine: &str, point: &str, disks: Vec<String>, record: &str) -> Result<Point> {
        let (taken, swallowed) = {
            let mut state = self.0.state();
            let existing = state.points.iter().find(|(known, _)| known.point == point);
            let taken = match existing {
                Some((known, _)) => known.clone(),
                None => {
                    let mut copies = BTreeMap::new();
                    let mut rows = Vec::new();
                    for disk in &disks {
                        if state.published.values().flatten().any(|request| &request.disk == disk) {
                            let breach = format!("disk {disk} was snapshotted while published");
                            state.breaches.push(breach);
                        }
                        state.next += 1;
                        let guid = u64::MAX - state.next;
                        let volume = &state.volumes[&(machine.to_owned(), disk.clone())];
                        copies.insert(disk.clone(), contents(volume));
                        let (size, sector_size) = (volume.size, volume.sector_size);
                        rows.push(PointDisk { disk: disk.clone(), guid, size, sector_size, used: 0 });
                    }
                    let taken = Point {
                        machine: machine.into(),
                        point: point.into(),
                        created: 1_800_000_000,
                        record: record.into(),
                        disks: rows,
                    };
                    state.points.push((taken.clone(), copies));
                    taken
                }
            };
            (taken, state.swallow_snapshot_answers)
        };
        self.0.snapshots.send_modify(|count| *count += 1);
        if swallowed {
            std::future::pending::<()>().await;
        }
        Ok(taken)
    }

    async fn volumes(&self) -> Result<Vec<Volume>> {
        let state = self.0.state();
        let volumes = state.volumes.iter().map(|((machine, disk), volume)| Volume {
            machine: machine.clone(),
            disk: disk.clone(),
            device: String::new(),
            size: volume.size,
            sector_size: volume.sector_size,
        });
        Ok(volumes.collect())
    }

    async fn points(&self, machine: &str) -> Result<Vec<Point>> {
        let state = self.0.state();
        let damaged = &state.damaged_points_of;
        if !damaged.is_empty() && (machine.is_empty() || machine == damaged) {
            return Err(Error::Corrupt(format!("a recovery point of {damaged} has no readable size")));
        }
        let points = state.points.iter().map(|(point, _)| point.clone());
        Ok(points.filter(|point| machine.is_empty() || point.machine == machine).collect())
    }

    async fn set_machine_record(&self, machine: &str, record: &str) -> Result<()> {
        let stored = {
            let mut state = self.0.state();
            if state.records_to_fail > 0 {
                state.records_to_fail -= 1;
                Err(Error::Failed("the pool is suspended".into()))
            } else if record.len() > 98_256 {
                Err(Error::InvalidArgument(format!("a record of {} bytes does not fit", record.len())))
            } else {
                state.records.insert(machine.into(), record.into());
                Ok(())
            }
        };
        self.0.record_calls.send_modify(|count| *count += 1);
        stored
    }

    async fn machine_records(&self) -> Result<Vec<MachineRecord>> {
        let state = self.0.state();
        let records = state.records.iter();
        Ok(records
            .map(|(machine, record)| MachineRecord { machine: machine.clone(), record: record.clone() })
            .collect())
    }

    async fn open_volume(&self, machine: &str, disk: &str) -> Result<OwnedFd> {
        Ok(pretend(&self.0.state().volumes[&(machine.to_owned(), disk.to_owned())].file))
    }

    async fn open_point(&self, _machine: &str, disk: &str, point: &str) -> Result<OwnedFd> {
        let state = self.0.state();
        let found = state.points.iter().find(|(known, _)| known.point == point);
        let (_, disks) = found.ok_or_else(|| Error::NotFound(format!("no point {point}")))?;
        Ok(pretend(&file_with(&disks[disk])))
    }

    async fn clone_point(&self, vm: &str, machine: &str, point: &str) -> Result<Vec<DiskClone>> {
        let mut state = self.0.state();
        let found = state.points.iter().find(|(known, _)| known.point == point && known.machine == machine);
        let (found, _) = found.ok_or_else(|| Error::NotFound(format!("no point {point}")))?;
        // As `zfs list` would give them: by name, not in boot order.
        let mut disks: Vec<_> = found
            .disks
            .iter()
            .map(|disk| DiskClone { disk: disk.disk.clone(), size: disk.size, sector_size: disk.sector_size })
            .collect();
        disks.sort_by(|one, other| one.disk.cmp(&other.disk));
        state.clones.insert(vm.into(), (machine.into(), point.into()));
        Ok(disks)
    }

    async fn open_clone(&self, vm: &str, disk: &str) -> Result<OwnedFd> {
        let state = self.0.state();
        let (_, point) = state.clones.get(vm).ok_or_else(|| Error::NotFound(format!("no clones of {vm}")))?;
        let (_, disks) = state.points.iter().find(|(known, _)| &known.point == point).unwrap();
        Ok(pretend(&file_with(&disks[disk])))
    }

    async fn destroy_clones(&self, vm: &str) -> Result<()> {
        let mut state = self.0.state();
        if state.vms.get(vm).is_some_and(|vm| vm.state == "running") {
            state.breaches.push(format!("clones of {vm} were destroyed under it"));
        }
        state.clones.remove(vm);
        Ok(())
    }

    async fn clones(&self) -> Result<Vec<String>> {
        Ok(self.0.state().clones.keys().cloned().collect())
    }
}

struct Iscsi(World);

#[interface(name = "org.understudy.Iscsi1.Manager")]
impl Iscsi {
    async fn publish(&self, request: Request) -> Result<Target> {
        let mut state = self.0.state();
        state.next += 1;
        let secret = format!("secret-{}", state.next);
        let iqn = format!("iqn.2026-01.org.understudy:{}.{}", request.job, request.disk);
        let targets = state.published.entry(request.job.clone()).or_default();
        targets.retain(|known| known.disk != request.disk);
        targets.push(request);
        Ok(Target { iqn, port: 3260, lun: 0, user: "agent".into(), secret })
    }

    async fn withdraw(&self, job: &str) -> Result<()> {
        let mut state = self.0.state();
        if state.withdrawals_to_fail > 0 {
            state.withdrawals_to_fail -= 1;
            return Err(Error::Failed("the target hangs on a lost session".into()));
        }
        state.published.remove(job);
        Ok(())
    }

    async fn published(&self) -> Result<Vec<String>> {
        Ok(self.0.state().published.keys().cloned().collect())
    }
}

struct Vms(World);

#[interface(name = "org.understudy.Vms1.Manager")]
impl Vms {
    async fn start(&self, spec: Spec) -> Result<Vm> {
        let mut state = self.0.state();
        if let Some(error) = &state.start_error {
            return Err(Error::Failed(error.clone()));
        }
        state.specs.push(SeenSpec {
            cpus: spec.cpus,
            memory: spec.memory,
            firmware: spec.firmware,
            macs: spec.macs,
            disks: spec.disks.into_iter().map(|disk| disk.disk).collect(),
        });
        let vm = Vm {
            vm: spec.vm.clone(),
            name: spec.name,
            state: "running".into(),
            message: String::new(),
            started_after: 1,
        };
        state.vms.insert(spec.vm, vm.clone());
        Ok(vm)
    }

    async fn stop(&self, vm: &str) -> Result<()> {
        self.0.state().vms.remove(vm);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Vm>> {
        Ok(self.0.state().vms.values().cloned().collect())
    }

    async fn console(&self, vm: &str) -> Result<OwnedFd> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        (&ours).write_all(format!("console of {vm}").as_bytes()).unwrap();
        Ok(std::os::fd::OwnedFd::from(theirs).into())
    }

    async fn screenshot(&self, _vm: &str) -> Result<OwnedFd> {
        Ok(pretend(&file_with(b"\x89PNG")))
    }

    #[zbus(signal)]
    async fn state_changed(emitter: &SignalEmitter<'_>, vm: Vm) -> zbus::Result<()>;
}

struct Drivers(World);

#[interface(name = "org.understudy.Drivers1.Manager")]
impl Drivers {
    async fn inspect(&self, _vm: &str, _firmware: &str, _disks: Vec<drivers::Disk>) -> Result<String> {
        match &self.0.state().inspection {
            Some(report) => Ok(serde_json::to_string(report).unwrap()),
            None => Err(Error::Failed("the helper VM did not come up".into())),
        }
    }
}
