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
    /// SHA-256 of the public key of the agent that made the point; empty in points of releases that did not store it.
    #[serde(default)]
    pub key: String,
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
            key: machine.key.clone(),
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
        crate::record::parse("the recovery point's record", text, VERSION)
    }

    /// Whether a point with this stored record was made by the agent that has this key: only then can that agent's marks be relative to
    /// it. In doubt it was not, which costs a comparison: a point of a release that did not store keys is in doubt.
    pub fn is_by(text: &str, key: &str) -> bool {
        Self::parse(text).is_ok_and(|record| record.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::point_record;

    #[test]
    fn a_record_reads_back_and_that_of_a_newer_release_is_refused_with_words() {
        let record = point_record(MachineId::new(), "mail", "k");
        let text = record.to_json().unwrap();
        assert_eq!(PointRecord::parse(&text).unwrap(), record);
        let error = PointRecord::parse(&text.replacen("\"version\":1", "\"version\":2", 1)).unwrap_err();
        assert!(error.message().contains("boot the newer release"), "{}", error.message());
        assert!(matches!(PointRecord::parse("e30="), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_point_is_an_agents_only_if_its_record_says_so() {
        let record = point_record(MachineId::new(), "mail", "k");
        let text = record.to_json().unwrap();
        assert!(PointRecord::is_by(&text, "k"));
        assert!(!PointRecord::is_by(&text, "other"));
        assert!(!PointRecord::is_by("", "k"));
        let old = text.replacen("\"key\":\"k\",", "", 1);
        assert!(PointRecord::parse(&old).is_ok(), "{old}");
        assert!(!PointRecord::is_by(&old, "k"));
    }
}
