//! Gives a disk the same id again after a reboot, whatever the kernel calls it then.
//!
//! A disk is recognised by its serial number and size, or, where it has no serial number, by its partition table id or file
//! system UUID and size, and only if exactly one known and one present disk fit each other. While the machine runs, the
//! kernel's own number of the disk (`diskseq`, unique within one boot) tells even twins apart. In doubt a disk gets a new id: that costs a
//! full backup; another disk's id would file its contents under the wrong one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use understudy_wire::{Bytes, DiskId};

use crate::state::write_atomically;

/// Version of the file.
const VERSION: u32 = 1;
const FILE: &str = "disks.json";

/// What a disk may be recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// Serial number, empty where it has none.
    pub serial: String,
    /// Partition table id, or UUID of the file system; empty where there is neither.
    pub contents: String,
    /// Size.
    pub size: Bytes,
    /// The kernel's `diskseq`, since Linux 5.15.
    pub sequence: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    id: DiskId,
    #[serde(flatten)]
    traits: Traits,
    /// The boot that `sequence` belongs to.
    boot: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    disks: Vec<Known>,
}

/// All disks this machine ever had.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    known: Vec<Known>,
    stored: Vec<Known>,
}

impl Memory {
    /// Reads the memory in the state directory; an empty one if there is none yet.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(FILE);
        let known = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            Ok(text) => {
                let File { version, disks } = serde_json::from_slice(&text).with_context(|| {
                    format!(
                        "{} is damaged; restore it, or remove it: all disks get new ids then",
                        path.display()
                    )
                })?;
                if version != VERSION {
                    bail!("{} has version {version}, of a newer agent; install that one", path.display());
                }
                disks
            }
        };
        Ok(Self { path, stored: known.clone(), known })
    }

    /// Ids for the disks present, in their order.
    pub fn identify(&mut self, found: &[Traits], boot: &str) -> Vec<DiskId> {
        let ids = recognise(&self.known, found, boot);
        let ids: Vec<DiskId> = ids.into_iter().map(|id| id.unwrap_or_else(DiskId::new)).collect();
        for (id, traits) in ids.iter().zip(found) {
            let now = Known { id: *id, traits: traits.clone(), boot: boot.to_owned() };
            match self.known.iter_mut().find(|known| known.id == *id) {
                Some(known) => *known = now,
                None => self.known.push(now),
            }
        }
        ids
    }

    /// Stores what was learnt, before anybody hears of a new id.
    pub fn store(&mut self) -> anyhow::Result<()> {
        if self.known != self.stored {
            let file = File { version: VERSION, disks: self.known.clone() };
            write_atomically(&self.path, &serde_json::to_vec_pretty(&file)?)?;
            self.stored = self.known.clone();
        }
        Ok(())
    }
}

/// Whether a known disk and a present one may be the same.
type Rule<'a> = &'a dyn Fn(&Known, &Traits) -> bool;

/// The id of every disk that is certainly one of the known.
fn recognise(known: &[Known], found: &[Traits], boot: &str) -> Vec<Option<DiskId>> {
    let running = |old: &Known, new: &Traits| {
        old.boot == boot
            && new.sequence.is_some()
            && old.traits.sequence == new.sequence
            && old.traits.serial == new.serial
            && old.traits.size == new.size
    };
    let serial = |old: &Known, new: &Traits| {
        !new.serial.is_empty() && old.traits.serial == new.serial && old.traits.size == new.size
    };
    let twin = |old: &Known, new: &Traits| serial(old, new) && old.traits.contents == new.contents;
    let contents = |old: &Known, new: &Traits| {
        // Two different serial numbers are two disks, one of them copied from the other.
        (new.serial.is_empty() || old.traits.serial.is_empty())
            && !new.contents.is_empty()
            && old.traits.contents == new.contents
            && old.traits.size == new.size
    };
    let rules: [Rule<'_>; 4] = [&running, &serial, &twin, &contents];

    let mut ids: Vec<Option<DiskId>> = vec![None; found.len()];
    for fits in rules {
        let candidates: Vec<Vec<&Known>> = found
            .iter()
            .zip(&ids)
            .map(|(new, id)| {
                let free = |old: &&Known| !ids.contains(&Some(old.id));
                if id.is_some() {
                    Vec::new()
                } else {
                    known.iter().filter(free).filter(|old| fits(old, new)).collect()
                }
            })
            .collect();
        for (index, fitting) in candidates.iter().enumerate() {
            let [only] = fitting.as_slice() else { continue };
            let claims =
                candidates.iter().filter(|fitting| fitting.iter().any(|old| old.id == only.id)).count();
            if claims == 1 {
                ids[index] = Some(only.id);
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(serial: &str, contents: &str, size: u64) -> Traits {
        Traits { serial: serial.into(), contents: contents.into(), size: Bytes(size), sequence: None }
    }

    fn memory() -> (tempfile::TempDir, Memory) {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path()).unwrap();
        (dir, memory)
    }

    #[test]
    fn ids_survive_a_reboot_and_another_order() {
        let (dir, mut memory) = memory();
        let (a, b) = (traits("", "table-a", 10), traits("S2", "table-b", 10));
        let ids = memory.identify(&[a.clone(), b.clone()], "boot 1");
        memory.store().unwrap();
        let mut memory = Memory::open(dir.path()).unwrap();
        assert_eq!(memory.identify(&[b, a], "boot 2"), [ids[1], ids[0]]);
    }

    #[test]
    fn a_disk_with_a_serial_number_is_the_same_after_it_was_partitioned_anew() {
        let (_dir, mut memory) = memory();
        let ids = memory.identify(&[traits("S1", "old", 10), traits("S2", "x", 10)], "1");
        assert_eq!(memory.identify(&[traits("S1", "new", 10), traits("S2", "x", 10)], "2"), ids);
    }

    #[test]
    fn a_disk_of_another_size_is_another_disk() {
        let (_dir, mut memory) = memory();
        let ids = memory.identify(&[traits("S1", "t", 10)], "1");
        assert_ne!(memory.identify(&[traits("S1", "t", 20)], "2"), ids);
    }

    #[test]
    fn a_copy_with_another_serial_number_is_another_disk() {
        let (_dir, mut memory) = memory();
        let ids = memory.identify(&[traits("S1", "t", 10)], "1");
        let both = memory.identify(&[traits("S2", "t", 10), traits("S1", "t", 10)], "2");
        assert_eq!(both[1], ids[0]);
        assert_ne!(both[0], ids[0]);
    }

    #[test]
    fn a_disk_whose_serial_number_is_no_longer_shown_is_known_by_its_contents() {
        let (_dir, mut memory) = memory();
        let ids = memory.identify(&[traits("S1", "t", 10)], "1");
        assert_eq!(memory.identify(&[traits("", "t", 10)], "2"), ids);
    }

    #[test]
    fn twins_are_told_apart_while_the_machine_runs_and_get_new_ids_after_a_reboot() {
        let (_dir, mut memory) = memory();
        let numbered = |sequence| Traits { sequence: Some(sequence), ..traits("", "copied", 10) };
        let first = memory.identify(&[numbered(1), numbered(2)], "1");
        assert_ne!(first[0], first[1]);
        assert_eq!(memory.identify(&[numbered(2), numbered(1)], "1"), [first[1], first[0]]);
        let second = memory.identify(&[numbered(1), numbered(2)], "2");
        assert!(second.iter().all(|id| !first.contains(id)), "a guess could give one twin the other's id");
        assert_eq!(memory.identify(&[numbered(1), numbered(2)], "2"), second);
    }

    #[test]
    fn disks_that_share_a_serial_number_are_told_apart_by_their_contents() {
        let (_dir, mut memory) = memory();
        let ids = memory.identify(&[traits("S", "a", 10), traits("S", "b", 10)], "1");
        assert_eq!(memory.identify(&[traits("S", "b", 10), traits("S", "a", 10)], "2"), [ids[1], ids[0]]);
    }

    #[test]
    fn a_blank_disk_is_never_taken_for_another_after_a_reboot() {
        let (_dir, mut memory) = memory();
        let blank = Traits { sequence: Some(7), ..traits("", "", 10) };
        let ids = memory.identify(std::slice::from_ref(&blank), "1");
        assert_eq!(memory.identify(std::slice::from_ref(&blank), "1"), ids);
        assert_ne!(memory.identify(std::slice::from_ref(&blank), "2"), ids);
    }

    #[test]
    fn a_damaged_or_newer_memory_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["{", "{\"version\": 2, \"disks\": []}"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Memory::open(dir.path()).is_err());
        }
    }
}
