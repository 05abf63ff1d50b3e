//! Device nodes of volumes and snapshots, and who has them open.
//!
//! Every descriptor handed out carries a shared `flock` on its open file description. The kernel keeps it until the last
//! copy of the descriptor is closed, in whatever process that is, and across our own restarts: so whether somebody
//! still reads a volume is a question to the kernel and not to our memory. LIO instead claims a device exclusively
//! (`O_EXCL`), and so the kernel refuses us the same while a volume is published.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use understudy_bus::error::{Error, Result};
use understudy_service::Program;

use super::ioctl;
use crate::layout;

/// How long udev has to make a node. Generous: under emulation, with a disk scan going on, it takes seconds.
const NODE_DEADLINE: Duration = Duration::from_secs(60);
/// After which time udev is asked once more: an event may have come while the rule could not yet name the volume.
const RETRIGGER_AFTER: Duration = Duration::from_secs(5);
/// udev itself takes a shared lock for some milliseconds while it looks at a device.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// What a descriptor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Waits until the node of `dataset` exists and is really its: right name behind it, right size.
pub async fn wait(dataset: &str, volume_size: u64) -> Result<File> {
    let path = layout::device(dataset);
    let begin = Instant::now();
    let mut triggered = false;
    loop {
        let problem = match check(&path, dataset, volume_size) {
            Ok(file) => return Ok(file),
            Err(problem) => problem,
        };
        if begin.elapsed() > NODE_DEADLINE {
            return Err(Error::Failed(format!(
                "{path} did not appear within {} s: {problem}. Is udev running, with the rules of zfsutils?",
                NODE_DEADLINE.as_secs()
            )));
        }
        if !triggered && begin.elapsed() > RETRIGGER_AFTER {
            triggered = true;
            tracing::info!("{path} is not there yet ({problem}); asking udev again");
            let trigger = Program::new("udevadm").args([
                "trigger",
                "--action=change",
                "--subsystem-match=block",
                "--sysname-match=zd*",
            ]);
            if let Err(error) = trigger.run().await {
                tracing::warn!("{error}");
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn check(path: &str, dataset: &str, volume_size: u64) -> std::result::Result<File, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let found = ioctl::dataset(&file).map_err(|error| format!("it cannot name its dataset: {error}"))?;
    if found != dataset {
        return Err(format!("it leads to {found}"));
    }
    let size = ioctl::size(&file).map_err(|error| format!("it cannot tell its size: {error}"))?;
    if size != volume_size {
        return Err(format!("it has {size} bytes, the volume has {volume_size}"));
    }
    Ok(file)
}

/// Opens a volume, snapshot or clone for somebody else.
pub async fn open(dataset: &str, volume_size: u64, access: Access) -> Result<OwnedFd> {
    let checked = wait(dataset, volume_size).await?;
    let file = match access {
        Access::Read => checked,
        // Through the checked descriptor, so that it is the same device.
        Access::Write => {
            use std::os::fd::AsRawFd;
            let path = format!("/proc/self/fd/{}", checked.as_raw_fd());
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(|error| Error::Failed(format!("cannot open {dataset} for writing: {error}")))?
        }
    };
    file.try_lock_shared().map_err(|error| match error {
        TryLockError::WouldBlock => Error::Busy(format!("{dataset} is being rolled back; try again")),
        TryLockError::Error(error) => Error::Failed(format!("cannot lock {dataset}: {error}")),
    })?;
    ioctl::drop_cache(&file)
        .map_err(|error| Error::Failed(format!("cannot drop cached blocks of {dataset}: {error}")))?;
    Ok(file.into())
}

/// A volume that nobody else has open through us or through LIO, and that nobody can get while this lives.
pub struct Exclusive(File);

impl Exclusive {
    /// Takes the volume; `Busy` while it is published or being read.
    pub async fn take(dataset: &str, volume_size: u64) -> Result<Self> {
        drop(wait(dataset, volume_size).await?);
        let begin = Instant::now();
        loop {
            let why = match Self::attempt(dataset)? {
                Ok(taken) => return Ok(taken),
                Err(why) => why,
            };
            if begin.elapsed() > LOCK_DEADLINE {
                return Err(Error::Busy(format!("{dataset} is {why}; try again when that has ended")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn attempt(dataset: &str) -> Result<std::result::Result<Self, &'static str>> {
        let file = match Self::claim(dataset) {
            Ok(file) => file,
            Err(Error::Busy(_)) => return Ok(Err("published to an initiator")),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Ok(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Err("being read")),
            Err(TryLockError::Error(error)) => {
                Err(Error::Failed(format!("cannot take hold of {dataset}: {error}")))
            }
        }
    }

    /// Claims the volume against LIO alone; `Busy` while it is published.
    pub fn claim(dataset: &str) -> Result<File> {
        let opened =
            OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(layout::device(dataset));
        opened.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::EBUSY as i32 => {
                Error::Busy(format!("{dataset} is published to an initiator; withdraw it first"))
            }
            _ => Error::Failed(format!("cannot take hold of {dataset}: {error}")),
        })
    }

    /// Drops what was cached of the contents, after they changed beneath the device.
    pub fn drop_cache(&self) -> Result<()> {
        ioctl::drop_cache(&self.0)
            .map_err(|error| Error::Failed(format!("cannot drop cached blocks: {error}")))
    }
}

/// Whether somebody still reads what has this node. A node that is not there is read by nobody.
pub fn is_read(dataset: &str) -> bool {
    let Ok(file) = File::open(layout::device(dataset)) else { return false };
    // Any doubt counts as read: a device taken from a reader gives it errors.
    file.try_lock().is_err()
}
