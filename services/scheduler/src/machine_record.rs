//! What is stored on the pool of a machine itself, so that the catalogue can be rebuilt from the pool alone.
//!
//! Column by column of the catalogue's table `machines`:
//!
//! | column | on the pool | after a rebuild | why |
//! |---|---|---|---|
//! | `machine` | yes | the same | volumes and recovery points are found by it |
//! | `key` | yes | the same | a hash of a public key, so no secret. On this box its agent goes on without pairing again. On another box it opens nothing: that box's authority has not signed the agent's certificate |
//! | `selector` | yes | the same | no secret; lets an agent ask for a lost answer once more |
//! | `name` | yes | the same | |
//! | `inventory` | yes, byte for byte | the same | its disks, and what a stand-in needs. Left out if the record would not fit on the pool: the agent tells it again |
//! | `timetable`, `time_zone` | yes | the same | |
//! | `due` | no | computed again | it follows from the timetable and the clock; one that was missed while the pool lay in a drawer is not made up for |
//! | `address` | no | empty until the agent calls | where it was seen last; on another network that may be another machine, which no target must be published to |
//! | `seen` | no | 0 until the agent calls | changes all the time |
//!
//! Recovery points have a record of their own, see [`crate::point_record`]: all columns of `points` and `point_disks` come back but
//! `points.number`, which counts them anew in the same order, and rows with `present = 0`: what the pool does not have cannot come
//! from it. `jobs`, `job_steps` and `job_disks` are history (and hold one-time secrets while a job runs), `stand_ins` too once a VM's
//! disks are gone: they begin anew. Nothing is rebuilt while one of them is more than history.

use serde::{Deserialize, Serialize};
use understudy_bus::error::{Error, Result};
use understudy_wire::MachineId;

use crate::catalogue::MachineRow;
use crate::point_record::PointRecord;
use crate::record;

/// The version this release writes; it reads this and older ones.
const VERSION: u32 = 1;

/// The record; what its texts mean stands with [`MachineRow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// 1.
    pub version: u32,
    /// The machine.
    pub machine: MachineId,
    /// Its host name.
    pub name: String,
    /// SHA-256 of its agent's public key, or [`no_key`].
    pub key: String,
    /// Selector of the pairing code it came with.
    pub selector: String,
    /// JSON of its latest inventory, as its agent sent it; empty before the first.
    pub inventory: String,
    /// Cron expression; empty for none.
    pub timetable: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// Stands for the key of a machine that no agent speaks for until one is paired as it.
pub fn no_key(machine: MachineId) -> String {
    format!("none:{machine}")
}

impl MachineRecord {
    /// The record of a row.
    pub fn of(row: &MachineRow) -> Self {
        Self {
            version: VERSION,
            machine: row.machine,
            name: row.name.clone(),
            key: row.key.clone(),
            selector: row.selector.clone(),
            inventory: row.inventory.clone(),
            timetable: row.timetable.clone(),
            time_zone: row.time_zone.clone(),
        }
    }

    /// What can be said of a machine that has no record: what its newest recovery point says.
    pub fn from_point(point: &PointRecord) -> Result<Self> {
        let inventory = serde_json::to_string(&point.inventory).map_err(|error| {
            Error::Failed(format!("cannot write the inventory of {}: {error}", point.name))
        })?;
        Ok(Self {
            version: VERSION,
            machine: point.machine,
            name: point.name.clone(),
            key: no_key(point.machine),
            selector: String::new(),
            inventory,
            timetable: String::new(),
            time_zone: String::new(),
        })
    }

    /// As it is stored.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::Failed(format!("cannot write the record of machine {}: {error}", self.machine))
        })
    }

    /// Reads the record that stands on a machine's dataset.
    pub fn parse(machine: &str, text: &str) -> Result<Self> {
        let record: Self = record::parse("the machine's record", text, VERSION)?;
        if record.machine.to_string() != machine {
            return Err(Error::Corrupt(format!(
                "the machine's record is that of machine {}",
                record.machine
            )));
        }
        if !is_key(&record.key) && record.key != no_key(record.machine) {
            return Err(Error::Corrupt(format!(
                "{:?} in the machine's record is no agent's key",
                record.key
            )));
        }
        Ok(record)
    }

    /// Whether a newer release wrote this record: then it is not for this one to write over.
    pub fn is_newer(text: &str) -> bool {
        record::is_newer(text, VERSION)
    }
}

/// Whether this is a SHA-256 in lower-case hexadecimal.
pub fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_record_reads_back_on_the_dataset_of_its_machine_only() {
        let record = samples::machine_record("mail");
        let (machine, text) = (record.machine.to_string(), record.to_json().unwrap());
        assert_eq!(MachineRecord::parse(&machine, &text).unwrap(), record);
        let other = MachineRecord::parse(&MachineId::new().to_string(), &text).unwrap_err();
        assert!(other.message().contains(&machine), "{}", other.message());
    }

    #[test]
    fn a_record_of_a_newer_release_is_refused_with_words_and_known_as_one() {
        let record = samples::machine_record("mail");
        let text = MachineRecord { version: 2, ..record.clone() }.to_json().unwrap();
        let error = MachineRecord::parse(&record.machine.to_string(), &text).unwrap_err();
        assert!(error.message().contains("version 2"), "{}", error.message());
        assert!(MachineRecord::is_newer(&text));
        assert!(!MachineRecord::is_newer(&record.to_json().unwrap()) && !MachineRecord::is_newer("e30="));
    }

    #[test]
    fn a_key_that_no_agent_can_have_is_refused() {
        let record = samples::machine_record("mail");
        for key in ["", "none:", &no_key(MachineId::new()), &"G".repeat(64)] {
            let text = MachineRecord { key: key.to_owned(), ..record.clone() }.to_json().unwrap();
            assert!(MachineRecord::parse(&record.machine.to_string(), &text).is_err(), "{key}");
        }
    }

    #[test]
    fn the_record_of_a_machine_with_64_disks_fits_on_the_pool() {
        // In base64, in sixteen properties of 8188 characters (zfs-manager's `record`).
        let room = 16 * 8188 / 4 * 3;
        let record = MachineRecord {
            inventory: serde_json::to_string(&samples::inventory("mail", 64)).unwrap(),
            ..samples::machine_record("mail")
        };
        let text = record.to_json().unwrap();
        assert!(text.len() > 8191, "{} bytes would fit into one property", text.len());
        assert!(text.len() <= room, "{} bytes of {room}", text.len());
    }
}
