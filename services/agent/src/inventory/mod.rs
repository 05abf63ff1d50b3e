//! What is needed to rebuild this machine on other hardware (M2): disks, partition tables, firmware, OS, network identity.
//!
//! Read from where the kernel tells it; superblocks and partition tables are named by `blkid` (util-linux), which knows them
//! all. Everything is read beneath a root directory, so that tests bring their own `/sys`.

mod block;
mod identity;
mod interfaces;
mod mounts;
mod probe;
mod system;

use std::path::{Path, PathBuf};

use anyhow::Context;
use understudy_wire::{Disk, Inventory, PROTOCOL};

pub use identity::Memory;
pub use probe::{Blkid, Probe, Superblock};
pub use system::host_name;

/// Where things are read from: `/`, or a tree of a test.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// Reads beneath `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The running system.
    pub fn system() -> Self {
        Self::new("/")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.join(below.trim_start_matches('/'))
    }

    /// A small text file, trimmed; `None` if it cannot be read. In `/sys` an attribute that does not apply is absent, or fails
    /// to be read.
    fn text(&self, below: &str) -> Option<String> {
        text(&self.path(below))
    }
}

fn text(path: &Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Collects everything. `memory` gives every disk the id it had before.
pub fn collect(root: &Root, probe: &dyn Probe, memory: &mut Memory) -> anyhow::Result<Inventory> {
    let mounts = mounts::read(root)?;
    let mut found = block::disks(root)?;
    for disk in &mut found {
        disk.examine(probe, &mounts)?;
    }
    let traits: Vec<_> = found.iter().map(block::Found::traits).collect();
    let ids = memory.identify(&traits, &system::boot_id(root)?);
    let disks = found.into_iter().zip(ids).map(|(found, id)| Disk { id, ..found.disk }).collect();
    Ok(Inventory {
        protocol: PROTOCOL,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Vec::new(),
        host_name: host_name()?,
        machine_id: root.text("etc/machine-id").context("cannot read /etc/machine-id")?,
        os: system::os_name(root),
        kernel: system::kernel()?,
        firmware: system::firmware(root),
        cpus: system::cpus(root)?,
        memory: system::memory(root)?,
        disks,
        interfaces: interfaces::read(root, &interfaces::addresses()?)?,
    })
}

/// Changes whenever the inventory may have: cheap enough to ask every few seconds.
pub fn fingerprint(root: &Root) -> anyhow::Result<String> {
    let parts = [
        root.text("proc/1/mountinfo").unwrap_or_default(),
        root.text("proc/partitions").unwrap_or_default(),
        format!("{:?}", interfaces::read(root, &interfaces::addresses()?)?),
        host_name()?,
        system::os_name(root),
    ];
    Ok(blake3::hash(parts.join("\0").as_bytes()).to_string())
}

#[cfg(test)]
mod tests;
