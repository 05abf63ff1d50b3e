//! Stand-ins: VMs that run on clones of a recovery point.

use rusqlite::{OptionalExtension, Row, params};
use understudy_wire::{MachineId, RecoveryPointId, VmId};

use super::{Catalogue, Result, id, unsigned};

/// A stand-in.
#[derive(Debug, Clone)]
pub struct StandInRow {
    /// Id.
    pub vm: VmId,
    /// The machine it stands in for.
    pub machine: MachineId,
    /// Its host name.
    pub name: String,
    /// The recovery point it began with.
    pub point: RecoveryPointId,
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// `isolated`.
    pub network: String,
    /// `disaster`, `test` or `verify`.
    pub why: String,
    /// See [`understudy_bus::scheduler::StandIn::state`].
    pub state: String,
    /// What went wrong.
    pub message: String,
    /// JSON of the inspection.
    pub inspection: String,
    /// Seconds that cloning took.
    pub clone_seconds: f64,
    /// Seconds from the request until its processors ran.
    pub running_seconds: f64,
    /// Whether clones of it may exist and must be kept.
    pub clones: bool,
}

fn stand_in_row(row: &Row<'_>) -> rusqlite::Result<StandInRow> {
    Ok(StandInRow {
        vm: id(row, "vm")?,
        machine: id(row, "machine")?,
        name: row.get("name")?,
        point: id(row, "point")?,
        cpus: row.get("cpus")?,
        memory: unsigned(row, "memory")?,
        network: row.get("network")?,
        why: row.get("why")?,
        state: row.get("state")?,
        message: row.get("message")?,
        inspection: row.get("inspection")?,
        clone_seconds: row.get("clone_seconds")?,
        running_seconds: row.get("running_seconds")?,
        clones: row.get("clones")?,
    })
}

impl Catalogue {
    /// Stores a new stand-in.
    pub fn put_stand_in(&self, row: &StandInRow) -> Result<()> {
        self.lock_to_change()?.execute(
            "INSERT INTO stand_ins (vm, machine, name, point, cpus, memory, network, why, state, message, inspection,
                clone_seconds, running_seconds, clones)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                row.vm.to_string(),
                row.machine.to_string(),
                row.name,
                row.point.to_string(),
                row.cpus,
                row.memory.cast_signed(),
                row.network,
                row.why,
                row.state,
                row.message,
                row.inspection,
                row.clone_seconds,
                row.running_seconds,
                row.clones
            ],
        )?;
        Ok(())
    }

    /// Moves a stand-in to another state and stores what else changed in it; false if it is no longer in `row.state`.
    pub fn move_stand_in(&self, row: &StandInRow, to: &str) -> Result<bool> {
        Ok(self.lock().execute(
            "UPDATE stand_ins SET state = ?3, message = ?4, inspection = ?5, clone_seconds = ?6, running_seconds = ?7,
                clones = ?8 WHERE vm = ?1 AND state = ?2",
            params![
                row.vm.to_string(),
                row.state,
                to,
                row.message,
                row.inspection,
                row.clone_seconds,
                row.running_seconds,
                row.clones
            ],
        )? == 1)
    }

    /// A stand-in.
    pub fn stand_in(&self, vm: VmId) -> Result<Option<StandInRow>> {
        Ok(self
            .lock()
            .query_row("SELECT * FROM stand_ins WHERE vm = ?", [vm.to_string()], stand_in_row)
            .optional()?)
    }

    /// All stand-ins there ever were, oldest first.
    pub fn stand_ins(&self) -> Result<Vec<StandInRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT * FROM stand_ins ORDER BY number")?;
        let rows = statement.query_map([], stand_in_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
