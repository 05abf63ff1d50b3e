//! What the story remembers of each backup, to compare recovery points with.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::proof::FirstMap;

/// The machine's disks and, for every backup, copies of them.
#[derive(Default)]
pub struct Ledger {
    /// In the order of the harness's disks.
    pub disks: Vec<DiskEntry>,
    /// In the order they were taken.
    pub backups: Vec<BackupEntry>,
}

/// One disk of the machine.
pub struct DiskEntry {
    /// The agent's id.
    pub id: String,
    /// True size in bytes.
    pub size: u64,
    /// The first backup's map; there after it.
    pub map: Option<FirstMap>,
}

/// One backup.
pub struct BackupEntry {
    /// Its recovery point.
    pub point: String,
    /// The harness's own copies at the frozen instant, in the order of the disks.
    pub copies: Vec<PathBuf>,
    /// What `state` in the machine's ledger said.
    pub state: String,
    /// Rows in the machine's database just before the backup.
    pub rows: u64,
    /// How many files the writer had been told to add until then.
    pub new_files: u64,
}

impl Ledger {
    /// Remembers a disk. The harness gave serial numbers that end with the disk's place.
    pub fn add_disk(&mut self, id: &str, serial: &str, size: u64) -> anyhow::Result<()> {
        let place = serial.rsplit_once('-').and_then(|(_, place)| place.parse::<usize>().ok());
        ensure!(
            place == Some(self.disks.len()),
            "disk {} of the inventory has serial number {serial:?}, which the harness did not give it",
            self.disks.len()
        );
        self.disks.push(DiskEntry { id: id.to_owned(), size, map: None });
        Ok(())
    }

    /// Size of all disks in bytes.
    pub fn disk_bytes(&self) -> u64 {
        self.disks.iter().map(|disk| disk.size).sum()
    }

    /// The copy of a disk at the first backup.
    pub fn first_copy(&self, disk: usize) -> anyhow::Result<&Path> {
        let first = self.backups.first().context("no backup was taken yet")?;
        Ok(&first.copies[disk])
    }
}
