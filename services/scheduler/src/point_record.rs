//! What is stored on the pool with a recovery point, so that the catalogue can be rebuilt from the pool alone.

use serde::{Deserialize, Serialize};
use understudy_bus::error::{Error, Result};
use understudy_wire::{DiskId, Inventory, JobId, Kind, MachineId, RecoveryPointId};

use crate::catalogue::{JobRow, MachineRow};

/// The version this release writes; it reads this and older ones.
const VERSION: u32 = 1;

/// The record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointRecord {
    /// 1.
    pub version: u32,
    /// The machine.
    pub machine: MachineId,
    /// Its host name then.
    pub name: String,
    /// The job that made the point.
    pub job: JobId,
    /// Why it ran.
    pub cause: String,
    /// The machine as it was then: what a stand-in needs.
    pub inventory: Inventory,
    /// What the job wrote.
    pub disks: Vec<Written>,
}

/// What a job wrote to one disk, verified by reading it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The disk.
    pub disk: DiskId,
    /// How its map was made.
    pub kind: Option<Kind>,
    /// The point it was written on top of; absent for the first.
    pub base: Option<RecoveryPointId>,
    /// Blocks of 64 KiB written, each counted once.
    pub blocks: u64,
    /// BLAKE3 over their records (index as 8 bytes little endian, BLAKE3 of the block) in the order of the blocks.
    pub digest: String,
}

impl PointRecord {
    /// The record of the point a job is about to make.
    pub fn new(job: &JobRow, machine: &MachineRow, disks: Vec<Written>) -> Result<Self> {
        let inventory = serde_json::from_str(&machine.inventory).map_err(|error| {
            Error::Failed(format!("the inventory of machine {} cannot be read: {error}", machine.name))
        })?;
        Ok(Self {
            version: VERSION,
            machine: machine.machine,
            name: machine.name.clone(),
            job: job.job,
            cause: job.cause.clone(),
            inventory,
            disks,
        })
    }

    /// As it is stored.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::Failed(format!("cannot write the recovery point's record: {error}")))
    }

    /// Reads a stored record.
    pub fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| {
            Error::Corrupt(format!("the recovery point's record cannot be read: {error}"))
        };
        let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version > VERSION {
            return Err(Error::Failed(format!(
                "the recovery point's record has version {version}, this release knows versions up to {VERSION}: boot the newer release again"
            )));
        }
        serde_json::from_str(text).map_err(unreadable)
    }
}
