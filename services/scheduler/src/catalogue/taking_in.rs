//! Machines and points that the pool has and the catalogue does not know.

use rusqlite::{Transaction, params};

use super::{Catalogue, CatalogueError, Result, points};
use crate::machine_record::{MachineRecord, no_key};
use crate::pool_contents::Contents;

/// How many rows came from the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenIn {
    /// Machines.
    pub machines: usize,
    /// Recovery points.
    pub points: usize,
}

fn insert(change: &Transaction<'_>, record: &MachineRecord) -> rusqlite::Result<usize> {
    // A key that another machine has by now is not given away twice: this one then waits for an agent to be paired as it.
    change.execute(
        "INSERT INTO machines (machine, key, selector, name, inventory, timetable, time_zone)
         VALUES (?1, CASE WHEN EXISTS (SELECT 1 FROM machines WHERE key = ?2) THEN ?3 ELSE ?2 END, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (machine) DO NOTHING",
        params![
            record.machine.to_string(),
            record.key,
            no_key(record.machine),
            record.selector,
            record.name,
            record.inventory,
            record.timetable,
            record.time_zone
        ],
    )
}

impl Catalogue {
    /// Takes in what it does not know yet, all or nothing. What it knows stays as it is.
    pub fn take_in(&self, contents: &Contents) -> Result<TakenIn> {
        let mut connection = self.lock_to_change()?;
        let change = connection.transaction()?;
        let mut taken = TakenIn { machines: 0, points: 0 };
        for record in &contents.machines {
            taken.machines += insert(&change, record)?;
        }
        for (point, job) in &contents.points {
            taken.points += usize::from(points::insert(&change, point, &job.to_string())?);
        }
        change.commit()?;
        Ok(taken)
    }

    /// Whether no machine is in it.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.lock().query_row("SELECT NOT EXISTS (SELECT 1 FROM machines)", [], |row| row.get(0))?)
    }

    /// Makes sure that it is sound, and holds as much as was taken in.
    pub(super) fn check(&self, contents: &Contents, taken: TakenIn) -> Result<()> {
        let expected = TakenIn { machines: contents.machines.len(), points: contents.points.len() };
        if taken != expected {
            return Err(CatalogueError::Damaged(format!(
                "of {} machines and {} recovery points on the pool, {} and {} came into the new catalogue: the pool names one twice",
                expected.machines, expected.points, taken.machines, taken.points
            )));
        }
        let connection = self.lock();
        let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(CatalogueError::Damaged(sound));
        }
        if connection.prepare("PRAGMA foreign_key_check")?.exists([])? {
            return Err(CatalogueError::Damaged("a recovery point in it has no machine".to_owned()));
        }
        Ok(())
    }
}
