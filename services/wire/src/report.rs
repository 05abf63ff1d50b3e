//! What an agent tells the box: about its machine, and about a job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BLOCK, Bytes, DiskId, JobId, RecoveryPointId};

/// All that is needed to rebuild the machine on other hardware.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// [`crate::PROTOCOL`] of the agent.
    pub protocol: u32,
    /// Version of the agent's package.
    pub agent_version: String,
    /// What the agent can do beyond protocol 1; empty today.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The host name, not qualified.
    pub host_name: String,
    /// `/etc/machine-id` (machine-id(5)).
    pub machine_id: String,
    /// `PRETTY_NAME` of os-release(5).
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// How the machine boots.
    pub firmware: Firmware,
    /// Online processors.
    pub cpus: u32,
    /// Memory.
    pub memory: Bytes,
    /// Whole disks with data, not partitions, no loop devices, no removable media.
    pub disks: Vec<Disk>,
    /// Network interfaces backed by hardware.
    pub interfaces: Vec<Interface>,
}

/// How a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// A whole disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// The agent's id for it.
    pub id: DiskId,
    /// Kernel name today, for example `vda`.
    pub name: String,
    /// Serial number, empty where the disk has none.
    #[serde(default)]
    pub serial: String,
    /// Size.
    pub size: Bytes,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// `gpt`, `dos`, or empty without a partition table.
    #[serde(default)]
    pub table: String,
    /// The table's id: the GPT disk GUID, or the MBR signature.
    #[serde(default)]
    pub table_id: String,
    /// Partitions in disk order.
    #[serde(default)]
    pub partitions: Vec<Partition>,
    /// File system directly on the disk, for a disk without a partition table.
    #[serde(default)]
    pub filesystem: String,
    /// Where that file system is mounted.
    #[serde(default)]
    pub mounted_at: Vec<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Number in the table.
    pub number: u32,
    /// First byte on the disk.
    pub start: Bytes,
    /// Size.
    pub size: Bytes,
    /// File system type as `blkid` names it; empty where unknown.
    #[serde(default)]
    pub filesystem: String,
    /// Mount points.
    #[serde(default)]
    pub mounted_at: Vec<String>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Kernel name.
    pub name: String,
    /// Hardware address, `52:54:00:12:34:56`.
    pub mac: String,
    /// Addresses with prefix length, `192.0.2.7/24`.
    pub addresses: Vec<String>,
}

/// How a disk's map was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The volume was empty: used blocks.
    First,
    /// The tracker's epoch fits the base: changed blocks.
    Changed,
    /// It does not: every block compared by hash.
    Compared,
}

/// Sent every few seconds while a job runs; a job that has shown no progress for two minutes is given up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// One word for the stage: `mapping`, `copying`, `freezing`, `finishing`.
    pub stage: String,
    /// Bytes sent so far, over all disks.
    pub sent: Bytes,
    /// Bytes that will have been sent at the end, as far as is known now.
    pub expected: Bytes,
}

/// The box's answer to [`Progress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// False when the job has ended on the box's side (cancelled, timed out): the agent stops, thawed, marks kept.
    pub wanted: bool,
}

/// What the agent says when it has finished or failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Absent on success; otherwise what, why, what next, for a person.
    pub error: Option<String>,
    /// How long the file systems were frozen, in seconds; 0 where none was.
    #[serde(default)]
    pub frozen_seconds: f64,
    /// One per disk of the order; may be empty on failure.
    #[serde(default)]
    pub disks: BTreeMap<DiskId, DiskReport>,
}

/// What a job did to one disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskReport {
    /// How the map was made.
    pub kind: Kind,
    /// Why a comparison was needed, for a person; empty otherwise.
    #[serde(default)]
    pub reason: String,
    /// Size of the map: blocks that had to be looked at.
    pub mapped: Bytes,
    /// Bytes written to the target, repeats counted each time.
    pub sent: Bytes,
    /// Bytes written to the target, each block counted once.
    pub distinct_sent: Bytes,
}

/// The state of a job as its agent needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// Not ended; ask again.
    Running,
    /// The recovery point exists. Only now may the marks of this job be forgotten.
    Done {
        /// The new recovery point.
        point: RecoveryPointId,
        /// Its snapshots: the base that the next marks are relative to.
        disks: Vec<PointDisk>,
    },
    /// There is no recovery point from this job, and the volume no longer counts as holding anything but its base.
    Failed {
        /// What, why, what next.
        message: String,
    },
}

/// One disk of a finished recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointDisk {
    /// The disk.
    pub disk: DiskId,
    /// GUID of its ZFS snapshot.
    pub snapshot_guid: u64,
}

/// Body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What, to what, why, what next.
    pub error: String,
    /// The job the refusal is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// The hash of one block as the agent sent it; 40 bytes on the wire: index (u64, little endian), BLAKE3-256. A later
/// record of the same block replaces the earlier one. The box reads every recorded block back and compares before it
/// snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHash {
    /// Block number on the disk, in units of [`BLOCK`].
    pub index: u64,
    /// BLAKE3 of the block's bytes.
    pub hash: [u8; 32],
}

impl BlockHash {
    /// Bytes of one record.
    pub const LEN: usize = 40;

    /// The record on the wire.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut record = [0; Self::LEN];
        record[..8].copy_from_slice(&self.index.to_le_bytes());
        record[8..].copy_from_slice(&self.hash);
        record
    }

    /// All records of a body; `None` if its length is not a whole number of records or a block lies beyond `size`.
    pub fn parse_all(body: &[u8], size: Bytes) -> Option<Vec<Self>> {
        if !body.len().is_multiple_of(Self::LEN) {
            return None;
        }
        body.chunks_exact(Self::LEN)
            .map(|record| {
                let (index, hash) = record.split_at(8);
                let index = u64::from_le_bytes(index.try_into().ok()?);
                (index < size.blocks()).then_some(Self { index, hash: hash.try_into().ok()? })
            })
            .collect()
    }
}

/// Requests for base hashes ask for at most this many blocks: 512 KiB of answer, 1 GiB of disk.
pub const MAX_HASHES: u64 = (1 << 30) / BLOCK;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_records_read_back_and_reject_what_does_not_fit_the_disk() {
        let records = [BlockHash { index: 0, hash: [7; 32] }, BlockHash { index: 3, hash: [9; 32] }];
        let body: Vec<u8> = records.iter().flat_map(|record| record.to_bytes()).collect();
        assert_eq!(BlockHash::parse_all(&body, Bytes(3 * BLOCK + 1)).unwrap(), records);
        assert_eq!(BlockHash::parse_all(&body, Bytes(3 * BLOCK)), None);
        assert_eq!(BlockHash::parse_all(&body[1..], Bytes(4 * BLOCK)), None);
    }

    #[test]
    fn an_outcome_names_its_state() {
        let text = serde_json::to_string(&Outcome::Failed { message: "disk full".into() }).unwrap();
        assert_eq!(text, r#"{"state":"failed","message":"disk full"}"#);
    }
}
