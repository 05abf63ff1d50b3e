//! The instant: every file system of the disks frozen at once, for a moment, and thawed whatever happens.

mod ioctl;
pub mod mounts;
pub mod watchdog;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};

use mounts::Mount;

/// A file system of the disks, its mount point held open.
struct Filesystem {
    mount: Mount,
    root: File,
}

/// The file systems of some disks, ready to be frozen.
pub struct Freezer {
    filesystems: Vec<Filesystem>,
    watchdog: watchdog::Client,
}

/// They are frozen. Thaws when dropped.
pub struct Frozen<'a> {
    freezer: &'a mut Freezer,
    /// Which of `filesystems` are frozen, in the order of freezing; filled without allocating.
    frozen: Vec<usize>,
    since: Instant,
}

impl Freezer {
    /// Finds and opens the file systems of `disks` (kernel names) and hands them to the watchdog, so that it can thaw
    /// them whatever becomes of this process. None is frozen yet.
    pub fn prepare(disks: &[String], socket: &Path) -> anyhow::Result<Self> {
        let all = Mount::all()?;
        let mut filesystems = Vec::new();
        for mount in mounts::to_freeze(&all, disks, mounts::disks_under) {
            filesystems.push(open(mount, &all)?);
        }
        let watchdog = watchdog::Client::connect(socket, filesystems.iter().map(|one| one.root.as_fd()))?;
        Ok(Self { filesystems, watchdog })
    }

    /// Writes out what is dirty, so that the freeze has little to write.
    pub fn sync(&self) -> anyhow::Result<()> {
        for one in &self.filesystems {
            nix::unistd::syncfs(&one.root)
                .with_context(|| format!("cannot sync {}", one.mount.point.display()))?;
        }
        Ok(())
    }

    /// Freezes all that can freeze and syncs the rest (vfat); a watchdog thaws after `deadline` if nobody else does. From
    /// here to the thaw the caller logs nothing and allocates nothing: memory may have to be written out to a frozen
    /// file system, and the journal lies on one.
    pub fn freeze(&mut self, deadline: Duration) -> anyhow::Result<Frozen<'_>> {
        mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).context(
            "cannot keep the agent in memory while file systems are frozen; it needs CAP_IPC_LOCK",
        )?;
        if let Err(error) = self.watchdog.arm(deadline) {
            let _ = munlockall();
            return Err(error);
        }
        let mut frozen = Frozen {
            frozen: Vec::with_capacity(self.filesystems.len()),
            freezer: self,
            since: Instant::now(),
        };
        let mut failed = None;
        for (index, one) in frozen.freezer.filesystems.iter().enumerate() {
            match ioctl::freeze(one.root.as_fd()) {
                Ok(()) => frozen.frozen.push(index),
                Err(Errno::EOPNOTSUPP) => {
                    if let Err(error) = nix::unistd::syncfs(&one.root) {
                        failed = Some((index, error));
                        break;
                    }
                }
                Err(error) => {
                    failed = Some((index, error));
                    break;
                }
            }
        }
        let Some((index, error)) = failed else { return Ok(frozen) };
        let point = frozen.freezer.filesystems[index].mount.point.clone();
        let thawed = frozen.thaw().map(drop);
        let error = anyhow::Error::new(error).context(match error {
            Errno::EBUSY => {
                format!("{} is frozen already, by someone else (fsfreeze -u thaws it)", point.display())
            }
            _ => format!("cannot freeze {}", point.display()),
        });
        Err(match thawed {
            Ok(()) => error,
            Err(second) => error.context(format!("and then: {second:#}")),
        })
    }
}

impl Frozen<'_> {
    /// Whether anything is frozen, or the disks have only file systems that cannot freeze, or none.
    pub fn any(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// Thaws, last frozen first, and returns how long they were frozen. An error if the watchdog had to thaw before:
    /// then nothing read meanwhile is of one instant.
    pub fn thaw(mut self) -> anyhow::Result<Duration> {
        let early = self.thaw_all();
        let held = self.since.elapsed();
        self.freezer.watchdog.disarm()?;
        if let Some(index) = early {
            let point = self.freezer.filesystems[index].mount.point.display().to_string();
            bail!(
                "{point} was thawed by someone else before the agent was done with it, after at most {held:.1?}"
            );
        }
        Ok(held)
    }

    /// The first file system that was not frozen any more.
    fn thaw_all(&mut self) -> Option<usize> {
        let mut early = None;
        while let Some(index) = self.frozen.pop() {
            if ioctl::thaw(self.freezer.filesystems[index].root.as_fd()).is_err() {
                early = Some(index);
            }
        }
        // Nothing can be done about a failure, and it does no harm.
        let _ = munlockall();
        early
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.thaw_all();
    }
}

/// Opens the root of a mounted file system; through another mount of it where this one is hidden under something else.
fn open(mount: Mount, all: &[Mount]) -> anyhow::Result<Filesystem> {
    let reason = match mount.open() {
        Ok(root) => return Ok(Filesystem { mount, root }),
        Err(reason) => reason,
    };
    for other in all.iter().filter(|other| other.dev == mount.dev) {
        if let Ok(root) = other.open() {
            return Ok(Filesystem { mount: other.clone(), root });
        }
    }
    bail!("cannot reach the file system mounted at {}: {reason}", mount.point.display());
}
