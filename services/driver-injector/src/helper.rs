//! Boots the helper VM with a machine's disks, read-only, and takes one answer from it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use understudy_bus::drivers::{Disk as AskedDisk, Report};
use understudy_bus::error::{Error, Result};
use understudy_qemu_runner::{Accelerator, Access, Boot, Disk, Machine, Place, Units, end, launch, length};
use understudy_wire::{DiskId, VmId};

use crate::report;

/// Debian's kernel with the modules for the usual file systems, unpacked, in a machine that does nothing else.
const MEMORY_MIB: u64 = 384;
/// On an emulated processor the helper needs half a minute; a disk with a hostile file system may keep it for ever.
const DEADLINE: Duration = Duration::from_secs(180);
/// The kernel's command line holds 2048 bytes; each disk takes 33 of them.
const MOST_DISKS: usize = 20;
const PORT: &str = "org.understudy.report";

/// What the helper is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What runs it.
    pub accelerator: Accelerator,
    /// Its kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
}

/// Starts helpers, one at a time.
pub struct Helper<U> {
    units: U,
    parts: Parts,
    runtime_directory: PathBuf,
    /// Helpers are small, and still should not add up beside the machines that are to be started.
    one: tokio::sync::Mutex<()>,
}

impl<U: Units> Helper<U> {
    /// Nothing runs yet.
    pub fn new(units: U, parts: Parts, runtime_directory: PathBuf) -> Self {
        Self { units, parts, runtime_directory, one: tokio::sync::Mutex::new(()) }
    }

    /// Ends helpers an earlier process left behind: nobody waits for their answer any more.
    pub async fn clean_up(&self) -> understudy_qemu_runner::Result<()> {
        let mut left = Place::all(&self.runtime_directory)?;
        left.extend(self.units.running().await?);
        for id in left {
            tracing::warn!(vm = %id, "ending a helper left behind by an earlier driver-injector");
            end(&self.units, &Place::new(&self.runtime_directory, id), id, None).await?;
        }
        Ok(())
    }

    /// What stands on the disks of a machine.
    pub async fn inspect(&self, vm: &str, firmware: &str, disks: Vec<AskedDisk>) -> Result<Report> {
        let id: VmId = vm.parse().map_err(|error| Error::InvalidArgument(format!("{error}")))?;
        let (machine, contents, ids) = self.machine(id, firmware, disks)?;
        let _alone = self.one.lock().await;
        tracing::info!(vm = %id, "looking at {} disks in a helper", ids.len());
        let begin = std::time::Instant::now();
        let place = Place::new(&self.runtime_directory, id);
        let failed = |error: understudy_qemu_runner::Error| {
            Error::Failed(format!("the helper that looks at the disks of VM {id}: {error}"))
        };
        let mut guest = launch(&self.units, &place, &machine, contents).await.map_err(failed)?;
        let answer = match guest.report.take() {
            Some(port) => timeout(DEADLINE, one_line(port)).await,
            None => return Err(Error::Failed("the helper has no report port".to_owned())),
        };
        let console = guest.console.last_lines(3);
        // Whatever it said: it is not needed any more, and its disks must be free.
        end(&self.units, &place, id, Some(&guest.monitor)).await.map_err(failed)?;
        let refuse = |what: String| {
            let text = format!(
                "the helper that looked at the disks of VM {id} {what}; its console ended with: {console}; try again, and \
                 if it stays so the disks may hold something that stops it"
            );
            tracing::error!(vm = %id, "{text}");
            Err(Error::Failed(text))
        };
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return refuse(format!("gave no answer ({error})")),
            Err(_) => return refuse(format!("gave no answer within {} s", DEADLINE.as_secs())),
        };
        match report::check(&answer, &ids) {
            Ok(report) => {
                tracing::info!(vm = %id, "found {} on {} disks in {:.1?}, {} problems", report.os, ids.len(),
                    begin.elapsed(), report.problems.len());
                Ok(report)
            }
            Err(error) => refuse(format!("was not believed: {error}")),
        }
    }

    fn machine(
        &self,
        id: VmId,
        firmware: &str,
        asked: Vec<AskedDisk>,
    ) -> Result<(Machine, Vec<OwnedFd>, Vec<String>)> {
        if !matches!(firmware, "uefi" | "bios") {
            return Err(Error::InvalidArgument(format!(
                "the firmware {firmware:?} is neither `uefi` nor `bios`"
            )));
        }
        if asked.is_empty() || asked.len() > MOST_DISKS {
            return Err(Error::InvalidArgument(format!(
                "{} disks cannot be looked at; 1 to {MOST_DISKS} are possible",
                asked.len()
            )));
        }
        let (mut disks, mut contents, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for asked in asked {
            let (disk, fd) = self::disk(&asked.disk, asked.size, asked.sector_size, asked.contents.into())?;
            disks.push(disk);
            contents.push(fd);
            ids.push(asked.disk);
        }
        // A helper that panics or ends is switched off, so that nobody waits for the deadline.
        let command_line = format!(
            "console=ttyS0 quiet panic=-1 net.ifnames=0 understudy.firmware={firmware} understudy.disks={}",
            ids.join(",")
        );
        let Parts { accelerator, kernel, initrd } = self.parts.clone();
        let machine = Machine {
            id,
            accelerator,
            cpus: 1,
            memory_mib: MEMORY_MIB,
            boot: Boot::Kernel { kernel, initrd, command_line },
            disks,
            interfaces: Vec::new(),
            screen: false,
            report_port: Some(PORT.to_owned()),
        };
        Ok((machine, contents, ids))
    }
}

fn disk(id: &str, size: u64, sector_size: u32, contents: OwnedFd) -> Result<(Disk, OwnedFd)> {
    let id: DiskId = id.parse().map_err(|error| Error::InvalidArgument(format!("{error}")))?;
    let refuse = |what: String| Error::InvalidArgument(format!("disk {id} cannot be looked at: {what}"));
    if !matches!(sector_size, 512 | 4096) || size == 0 || !size.is_multiple_of(u64::from(sector_size)) {
        return Err(refuse(format!("{size} bytes in sectors of {sector_size} are no size of a disk")));
    }
    let access = Access::of(&contents).map_err(|error| refuse(error.to_string()))?;
    let there = length(&contents).map_err(|error| refuse(error.to_string()))?;
    if there < size {
        return Err(refuse(format!("it shall have {size} bytes and the clone has {there}")));
    }
    let mut serial = id.to_string();
    serial.truncate(20);
    Ok((Disk { serial, size, sector_size, read_only: true, access }, contents))
}

/// The first line that comes, without its end, and not more than a report has.
async fn one_line(port: UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut bounded = BufReader::new(port.take(report::LONGEST as u64 + 2));
    bounded.read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() >= report::LONGEST => Err(std::io::Error::other("its line does not end")),
        _ => Err(std::io::Error::other("it ended without a whole line")),
    }
}

#[cfg(test)]
#[path = "helper_tests.rs"]
mod tests;
