//! Checks what the scheduler asks for and turns it into a machine.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use understudy_bus::error::{Error, Result};
use understudy_bus::vms::{Disk as AskedDisk, Spec};
use understudy_qemu_runner::{Accelerator, Access, Boot, Disk, MacAddress, Machine, length};
use understudy_wire::{DiskId, VmId};

/// QEMU's own processes and the guest's page tables.
const OVERHEAD: u64 = 192 * MIB;
const MIB: u64 = 1 << 20;
/// Smaller machines do not start a server's kernel.
const LEAST_MEMORY: u64 = 32 * MIB;
/// Disks and interfaces sit on the root bus, which has 32 slots, some of them taken.
const MOST_DEVICES: usize = 22;

/// What the box can give.
#[derive(Debug, Clone)]
pub struct Host {
    /// What runs guests.
    pub accelerator: Accelerator,
    /// Its memory, in bytes.
    pub memory: u64,
    /// UEFI firmware.
    pub uefi: Boot,
}

impl Host {
    /// This box.
    pub fn this(accelerator: Accelerator) -> std::io::Result<Self> {
        let text = std::fs::read_to_string("/proc/meminfo")?;
        let memory =
            memory_total(&text).ok_or_else(|| std::io::Error::other("no MemTotal in /proc/meminfo"))?;
        let uefi = Boot::Uefi {
            code: PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd"),
            variables: PathBuf::from("/usr/share/OVMF/OVMF_VARS_4M.fd"),
        };
        Ok(Self { accelerator, memory, uefi })
    }

    /// Checks a request; what it asks for as a machine, with the descriptors of its disks.
    pub fn machine(&self, spec: Spec) -> Result<(Machine, Vec<OwnedFd>)> {
        let id: VmId = spec.vm.parse().map_err(|error| invalid(format!("{error}")))?;
        let refuse = |what: String| invalid(format!("VM {id} cannot be made: {what}"));
        if !(1..=255).contains(&spec.cpus) {
            return Err(refuse(format!("{} processors; 1 to 255 are possible", spec.cpus)));
        }
        if spec.memory < LEAST_MEMORY || !spec.memory.is_multiple_of(MIB) {
            return Err(refuse(format!(
                "{} bytes of memory; whole MiB are possible, {} at least",
                spec.memory,
                LEAST_MEMORY / MIB
            )));
        }
        if spec.memory.saturating_add(OVERHEAD) > self.memory {
            return Err(Error::NoSpace(format!(
                "VM {id} asks for {} MiB of memory and the whole box has {} MiB; ask for less",
                spec.memory / MIB,
                self.memory / MIB
            )));
        }
        let boot = match spec.firmware.as_str() {
            "uefi" => self.uefi.clone(),
            "bios" => Boot::Bios,
            other => return Err(refuse(format!("the firmware {other:?}; `uefi` and `bios` are known"))),
        };
        if spec.network != "isolated" {
            return Err(refuse(format!("the network {:?}; only `isolated` is known", spec.network)));
        }
        if spec.disks.is_empty() || spec.disks.len() + spec.macs.len() > MOST_DEVICES {
            return Err(refuse(format!(
                "{} disks and {} interfaces; at least one disk is needed, and {MOST_DEVICES} devices are possible",
                spec.disks.len(),
                spec.macs.len()
            )));
        }
        let interfaces = spec
            .macs
            .iter()
            .map(|mac| mac.parse::<MacAddress>().map_err(&refuse))
            .collect::<Result<Vec<_>>>()?;
        let (disks, contents) =
            spec.disks.into_iter().map(disk).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let machine = Machine {
            id,
            accelerator: self.accelerator,
            cpus: spec.cpus,
            memory_mib: spec.memory / MIB,
            boot,
            disks,
            interfaces,
            screen: true,
            report_port: None,
        };
        Ok((machine, contents))
    }
}

fn disk(asked: AskedDisk) -> Result<(Disk, OwnedFd)> {
    let id: DiskId = asked.disk.parse().map_err(|error| invalid(format!("{error}")))?;
    let refuse = |what: String| invalid(format!("disk {id} cannot be attached: {what}"));
    if !matches!(asked.sector_size, 512 | 4096) {
        return Err(refuse(format!(
            "its sectors have {} bytes; 512 and 4096 are possible",
            asked.sector_size
        )));
    }
    if asked.size == 0 || !asked.size.is_multiple_of(u64::from(asked.sector_size)) {
        return Err(refuse(format!(
            "{} bytes are not whole sectors of {} bytes",
            asked.size, asked.sector_size
        )));
    }
    let contents = OwnedFd::from(asked.contents);
    let access = Access::of(&contents).map_err(|error| refuse(error.to_string()))?;
    if !access.writable {
        return Err(refuse("it is open for reading only, and a guest writes to its disks".to_owned()));
    }
    let there = length(&contents).map_err(|error| refuse(error.to_string()))?;
    if there < asked.size {
        return Err(refuse(format!("it shall have {} bytes and the clone has {there}", asked.size)));
    }
    let mut serial = asked.disk;
    serial.truncate(20);
    let disk = Disk { serial, size: asked.size, sector_size: asked.sector_size, read_only: false, access };
    Ok((disk, contents))
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn invalid(text: String) -> Error {
    Error::InvalidArgument(text)
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
