//! Knows which blocks of the machine's disks were written since their last backup, without a kernel module.
//!
//! BPF programs on the block layer's tracepoints mark blocks in maps. Programs and maps are pinned, so that they outlive
//! this process; they do not outlive a reboot. Two maps a disk: `live`, which the programs write, and `job`, into which
//! a running backup moves marks as it takes them. **The changes since the base are always `job` and `live` together**;
//! `job` is emptied only when the box has named the snapshot that holds what it marks. Whatever casts doubt on the
//! marks (another boot, another disk, a skipped program, a command that names no sectors) ends the epoch, and the
//! next backup compares.

mod hardware;
mod info;
mod marks;
mod memory;
mod programs;
mod state;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};
use understudy_wire::{Disk, DiskId, JobId, PointDisk, TrackerId};

pub use hardware::Hardware;
pub use state::OpenJob;

use crate::block::BlockSet;
use programs::Programs;
use state::{Epoch, State};

/// Where programs and maps are pinned.
pub const PINS: &str = "/sys/fs/bpf/understudy";

/// The tracker of this machine's disks. Only one exists at a time; a lock in the state folder sees to that.
#[derive(Debug)]
pub struct Tracker {
    pins: PathBuf,
    folder: PathBuf,
    boot: u128,
    state: State,
    disks: BTreeMap<DiskId, Programs>,
    _lock: Flock<File>,
}

impl Tracker {
    /// Finds the tracking that an earlier process left at work, and begins tracking all other `disks` now. A disk that
    /// cannot be tracked is logged; its backup says why.
    pub fn open(state_dir: &Path, disks: &[Disk]) -> anyhow::Result<Self> {
        Self::open_at(Path::new(PINS), state_dir, disks)
    }

    /// The same with pins elsewhere on a BPF file system, for tests.
    pub fn open_at(pins: &Path, state_dir: &Path, disks: &[Disk]) -> anyhow::Result<Self> {
        fs::create_dir_all(state_dir).with_context(|| format!("cannot create {}", state_dir.display()))?;
        let lock = state_dir.join("tracker.lock");
        let file = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            bail!(
                "another agent holds {}; stop it first (systemctl status understudy-agent)",
                lock.display()
            );
        };
        mount_bpf()?;
        fs::create_dir_all(pins).with_context(|| format!("cannot create {}", pins.display()))?;
        let mut tracker = Self {
            pins: pins.to_owned(),
            folder: state_dir.to_owned(),
            boot: boot_id()?,
            state: State::read(state_dir)?,
            disks: BTreeMap::new(),
            _lock: lock,
        };
        tracker.drop_strangers()?;
        for disk in disks {
            if let Err(reason) = tracker.find(disk) {
                tracing::info!("{}: {reason}; tracking starts now", disk.name);
                if let Err(error) = tracker.arm(disk) {
                    tracing::warn!("{} cannot be tracked: {error:#}", disk.name);
                }
            }
        }
        Ok(tracker)
    }

    /// Whether the marks of `disk` tell every change since snapshot `base`; if not, why, in words for a person.
    pub fn fits(&self, disk: &Disk, base: u64) -> Result<(), String> {
        let Some((epoch, programs)) = self.state.disks.get(&disk.id).zip(self.disks.get(&disk.id)) else {
            return Err("the disk was not tracked".into());
        };
        let hardware = Hardware::read(&disk.name).map_err(|error| format!("{error:#}"))?;
        if hardware != epoch.hardware || !programs.info.is_of(epoch.tracker, self.boot, &hardware) {
            return Err("the disk was changed or exchanged since tracking began".into());
        }
        sound(programs)?;
        match epoch.base {
            None => {
                return Err("tracking began after the last backup (a restart, or an earlier doubt)".into());
            }
            Some(known) if known != base => {
                return Err("the marks are relative to another recovery point than the box's latest".into());
            }
            Some(_) => {}
        }
        if programs.info.base() != epoch.base {
            return Err("the tracker's two records of its base disagree".into());
        }
        Ok(())
    }

    /// Ends the epoch of `disk` and begins a new one without a base: from now on every write is marked.
    pub fn arm(&mut self, disk: &Disk) -> anyhow::Result<()> {
        let hardware = Hardware::read(&disk.name)?;
        self.disarm(disk.id)?;
        let tracker = TrackerId::new();
        // The state first: pins without it are strangers and are removed.
        self.state.disks.insert(disk.id, Epoch { tracker, boot: self.boot, hardware, base: None });
        self.state.write(&self.folder)?;
        let programs =
            Programs::load(&self.pin(disk.id), &hardware, |info| info.write(tracker, self.boot, &hardware))
                .with_context(|| format!("cannot track the writes to {}", disk.name))?;
        self.disks.insert(disk.id, programs);
        Ok(())
    }

    /// Whether the marks made since the epoch began can be trusted; if not, why.
    pub fn sound(&self, disk: DiskId) -> Result<(), String> {
        sound(self.disks.get(&disk).ok_or("the disk is not tracked")?)
    }

    /// All blocks written since the base.
    pub fn marked(&self, disk: DiskId) -> anyhow::Result<BlockSet> {
        let (programs, blocks) = self.tracked(disk)?;
        Ok(marks::union(programs.live.words(), programs.job.words(), blocks))
    }

    /// The blocks of [`Self::marked`] that were taken: after the instant, those written up to it and none written since.
    pub fn taken(&self, disk: DiskId) -> anyhow::Result<BlockSet> {
        let (programs, blocks) = self.tracked(disk)?;
        Ok(marks::all(programs.job.words(), blocks))
    }

    /// Takes the live marks into the job's and adds them to `taken`. Read the blocks after this, not before. Allocates
    /// nothing, because it is called while file systems are frozen.
    pub fn take(&self, disk: DiskId, taken: &mut BlockSet) -> anyhow::Result<()> {
        let (programs, _) = self.tracked(disk)?;
        marks::take(programs.live.words(), programs.job.words(), taken);
        Ok(())
    }

    /// Requests that changed this disk since the epoch began.
    pub fn requests(&self, disk: DiskId) -> anyhow::Result<u64> {
        Ok(self.tracked(disk)?.0.info.requests())
    }

    /// The job that an earlier process, or this one, left without knowing its outcome.
    pub fn open_job(&self) -> Option<OpenJob> {
        self.state.job
    }

    /// Records that a job begins.
    pub fn begin(&mut self, job: JobId) -> anyhow::Result<()> {
        self.state.job = Some(OpenJob { job, fixed: false });
        self.state.write(&self.folder)
    }

    /// Records that the job's instant has passed: marks in the live map are younger than its copy.
    pub fn fixed(&mut self) -> anyhow::Result<()> {
        if let Some(job) = &mut self.state.job {
            job.fixed = true;
        }
        self.state.write(&self.folder)
    }

    /// The box has named the snapshots: the job's marks are forgotten, and the live ones are relative to these.
    pub fn done(&mut self, disks: &[PointDisk]) -> anyhow::Result<()> {
        let fixed = self.state.job.is_some_and(|job| job.fixed);
        for point in disks {
            let Some((epoch, programs)) =
                self.state.disks.get_mut(&point.disk).zip(self.disks.get(&point.disk))
            else {
                continue;
            };
            // A snapshot of a job whose instant this tracker has not recorded: nobody knows which marks it covers.
            epoch.base = fixed.then_some(point.snapshot_guid);
            programs.info.set_base(epoch.base);
        }
        self.state.job = None;
        // The new base before the marks go: in between there are too many of them, which harms nothing.
        self.state.write(&self.folder)?;
        if fixed {
            for point in disks {
                if let Some(programs) = self.disks.get(&point.disk) {
                    marks::clear(programs.job.words());
                }
            }
        }
        Ok(())
    }

    /// The job has no recovery point: its marks stay, and count for the next job together with the live ones.
    pub fn failed(&mut self) -> anyhow::Result<()> {
        self.state.job = None;
        self.state.write(&self.folder)
    }

    /// Ends tracking and removes all that was pinned, as the package does when it is removed.
    pub fn remove(mut self) -> anyhow::Result<()> {
        let disks: Vec<_> = self.state.disks.keys().copied().collect();
        disks.into_iter().try_for_each(|disk| self.disarm(disk))?;
        self.state = State::default();
        self.state.write(&self.folder)?;
        fs::remove_dir(&self.pins).with_context(|| format!("cannot remove {}", self.pins.display()))
    }

    fn tracked(&self, disk: DiskId) -> anyhow::Result<(&Programs, u64)> {
        let (programs, epoch) = self
            .disks
            .get(&disk)
            .zip(self.state.disks.get(&disk))
            .with_context(|| format!("disk {disk} is not tracked"))?;
        Ok((programs, epoch.hardware.size.blocks()))
    }

    fn pin(&self, disk: DiskId) -> PathBuf {
        self.pins.join(disk.to_string())
    }

    fn find(&mut self, disk: &Disk) -> Result<(), String> {
        let epoch = self.state.disks.get(&disk.id).ok_or("it was not tracked before")?;
        if epoch.boot != self.boot {
            return Err("the machine was restarted".into());
        }
        let hardware = Hardware::read(&disk.name).map_err(|error| format!("{error:#}"))?;
        if hardware != epoch.hardware {
            return Err("the disk was changed or exchanged".into());
        }
        let programs = Programs::find(&self.pin(disk.id), &hardware)
            .map_err(|error| format!("the earlier tracker is gone ({error:#})"))?;
        if !programs.info.is_of(epoch.tracker, self.boot, &hardware) {
            return Err("the tracker at work is not the one on record".into());
        }
        self.disks.insert(disk.id, programs);
        Ok(())
    }

    /// Detaches and unpins. Removing the links ends the programs; the maps go when nobody maps them any more.
    fn disarm(&mut self, disk: DiskId) -> anyhow::Result<()> {
        self.disks.remove(&disk);
        self.state.disks.remove(&disk);
        remove_pins(&self.pin(disk))
    }

    /// Removes pins that the state does not know: they would go on costing time with every request.
    fn drop_strangers(&mut self) -> anyhow::Result<()> {
        for entry in
            fs::read_dir(&self.pins).with_context(|| format!("cannot list {}", self.pins.display()))?
        {
            let entry = entry?;
            let known = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !known.is_some_and(|disk: DiskId| self.state.disks.contains_key(&disk)) {
                remove_pins(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn sound(programs: &Programs) -> Result<(), String> {
    let misses = programs.misses().map_err(|error| format!("{error:#}"))?;
    if misses > 0 {
        return Err(format!("the kernel skipped the tracker {misses} times"));
    }
    match (programs.info.passthrough(), programs.info.unknown()) {
        (0, 0) => Ok(()),
        (0, unknown) => Err(format!("{unknown} requests could not be turned into marks")),
        (passthrough, _) => Err(format!("{passthrough} commands wrote to the disk past the block layer")),
    }
}

fn remove_pins(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let remove = || -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            fs::remove_file(entry?.path())?;
        }
        fs::remove_dir(folder)
    };
    remove().with_context(|| format!("cannot remove the pins in {}", folder.display()))
}

fn boot_id() -> anyhow::Result<u128> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    u128::from_str_radix(&text.trim().replace('-', ""), 16).with_context(|| format!("{text:?} is no boot id"))
}

/// systemd mounts the BPF file system; without systemd we do.
fn mount_bpf() -> anyhow::Result<()> {
    const BPF_FS: &str = "/sys/fs/bpf";
    const BPF_MAGIC: i64 = 0xcafe_4a11;
    let kind = nix::sys::statfs::statfs(BPF_FS)
        .with_context(|| format!("cannot look at {BPF_FS}"))?
        .filesystem_type();
    if kind.0 == BPF_MAGIC {
        return Ok(());
    }
    let none: Option<&str> = None;
    nix::mount::mount(Some("bpf"), BPF_FS, Some("bpf"), nix::mount::MsFlags::empty(), none)
        .with_context(|| format!("cannot mount the BPF file system on {BPF_FS}"))
}
