//! Machines and their timetables.

use rusqlite::{OptionalExtension, Row, named_params, params};
use understudy_wire::MachineId;

use super::{Catalogue, Result, id, unsigned};

/// A machine.
#[derive(Debug, Clone)]
pub struct MachineRow {
    /// Id.
    pub machine: MachineId,
    /// SHA-256 of its agent's public key.
    pub key: String,
    /// Host name.
    pub name: String,
    /// JSON of its latest inventory; empty before the first.
    pub inventory: String,
    /// Where its agent last called from; empty if it never did.
    pub address: String,
    /// When its agent last called, as far as it was stored.
    pub seen: u64,
    /// Cron expression; empty for none.
    pub timetable: String,
    /// IANA time zone.
    pub time_zone: String,
    /// When it is due next; 0 if never.
    pub due: u64,
    /// The running job, as text; empty if none.
    pub job: String,
}

/// A machine that has a timetable.
#[derive(Debug, Clone)]
pub struct Timetabled {
    /// Id.
    pub machine: MachineId,
    /// Cron expression.
    pub timetable: String,
    /// IANA time zone.
    pub time_zone: String,
    /// When it is due next.
    pub due: u64,
}

const MACHINE: &str = "SELECT machines.*, coalesce((SELECT job FROM jobs
    WHERE jobs.machine = machines.machine AND step NOT IN ('done', 'failed')), '') AS job FROM machines";

fn machine_row(row: &Row<'_>) -> rusqlite::Result<MachineRow> {
    Ok(MachineRow {
        machine: id(row, "machine")?,
        key: row.get("key")?,
        name: row.get("name")?,
        inventory: row.get("inventory")?,
        address: row.get("address")?,
        seen: unsigned(row, "seen")?,
        timetable: row.get("timetable")?,
        time_zone: row.get("time_zone")?,
        due: unsigned(row, "due")?,
        job: row.get("job")?,
    })
}

impl Catalogue {
    /// Makes a machine, or gives the one whose agent has this key a new selector: the same agent paired again is the same machine.
    pub fn register(&self, selector: &str, name: &str, key: &str) -> Result<MachineId> {
        let connection = self.lock();
        connection.execute(
            "INSERT INTO machines (machine, key, selector, name) VALUES (:machine, :key, :selector, :name)
             ON CONFLICT (key) DO UPDATE SET selector = :selector",
            named_params! {
                ":machine": MachineId::new().to_string(), ":key": key, ":selector": selector, ":name": name
            },
        )?;
        Ok(connection
            .query_row("SELECT machine FROM machines WHERE key = ?", [key], |row| id(row, "machine"))?)
    }

    /// The machine that was made with this selector and key.
    pub fn registered(&self, selector: &str, key: &str) -> Result<Option<MachineId>> {
        Ok(self
            .lock()
            .query_row(
                "SELECT machine FROM machines WHERE selector = ? AND key = ?",
                [selector, key],
                |row| id(row, "machine"),
            )
            .optional()?)
    }

    /// Puts a machine back that only the pool still knows. No agent has its key, so none can speak for it until it pairs.
    pub fn adopt_machine(&self, machine: MachineId, name: &str, inventory: &str) -> Result<()> {
        self.lock().execute(
            "INSERT OR IGNORE INTO machines (machine, key, selector, name, inventory) VALUES (?1, 'none:' || ?1, '', ?2, ?3)",
            params![machine.to_string(), name, inventory],
        )?;
        Ok(())
    }

    /// A machine.
    pub fn machine(&self, machine: MachineId) -> Result<Option<MachineRow>> {
        Ok(self
            .lock()
            .query_row(&format!("{MACHINE} WHERE machine = ?"), [machine.to_string()], machine_row)
            .optional()?)
    }

    /// All machines, by name.
    pub fn machines(&self) -> Result<Vec<MachineRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare(&format!("{MACHINE} ORDER BY name, machine"))?;
        let rows = statement.query_map([], machine_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Stores an inventory, and the host name in it.
    pub fn set_inventory(&self, machine: MachineId, name: &str, inventory: &str) -> Result<()> {
        self.lock().execute(
            "UPDATE machines SET inventory = ?3, name = ?2 WHERE machine = ?1",
            params![machine.to_string(), name, inventory],
        )?;
        Ok(())
    }

    /// Stores where an agent calls from.
    pub fn set_address(&self, machine: MachineId, address: &str) -> Result<()> {
        self.lock().execute(
            "UPDATE machines SET address = ?2 WHERE machine = ?1",
            params![machine.to_string(), address],
        )?;
        Ok(())
    }

    /// Stores when an agent called.
    pub fn set_seen(&self, machine: MachineId, seen: u64) -> Result<()> {
        self.lock().execute(
            "UPDATE machines SET seen = ?2 WHERE machine = ?1",
            params![machine.to_string(), seen.cast_signed()],
        )?;
        Ok(())
    }

    /// Sets or, with empty texts and 0, removes a timetable.
    pub fn set_timetable(
        &self,
        machine: MachineId,
        timetable: &str,
        time_zone: &str,
        due: u64,
    ) -> Result<()> {
        self.lock().execute(
            "UPDATE machines SET timetable = ?2, time_zone = ?3, due = ?4 WHERE machine = ?1",
            params![machine.to_string(), timetable, time_zone, due.cast_signed()],
        )?;
        Ok(())
    }

    /// Sets when a timetable is due next, if it is still the one this was computed from.
    pub fn set_due(&self, machine: &Timetabled, due: u64) -> Result<()> {
        self.lock().execute(
            "UPDATE machines SET due = ?4 WHERE machine = ?1 AND timetable = ?2 AND time_zone = ?3",
            params![machine.machine.to_string(), machine.timetable, machine.time_zone, due.cast_signed()],
        )?;
        Ok(())
    }

    /// All machines that have a timetable.
    pub fn timetables(&self) -> Result<Vec<Timetabled>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare("SELECT machine, timetable, time_zone, due FROM machines WHERE timetable <> ''")?;
        let rows = statement.query_map([], |row| {
            Ok(Timetabled {
                machine: id(row, "machine")?,
                timetable: row.get("timetable")?,
                time_zone: row.get("time_zone")?,
                due: unsigned(row, "due")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
