//! Machines and their timetables.

use rusqlite::{OptionalExtension, Row, named_params, params};
use understudy_wire::MachineId;

use super::{Catalogue, CatalogueError, Result, id, unsigned};

/// A machine.
#[derive(Debug, Clone)]
pub struct MachineRow {
    /// Id.
    pub machine: MachineId,
    /// SHA-256 of its agent's public key.
    pub key: String,
    /// Selector of the pairing code it came with.
    pub selector: String,
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
        selector: row.get("selector")?,
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
        let connection = self.lock_to_change()?;
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

    /// Gives a machine to the agent with this key, and shuts the one out that it had before; false if there is no such machine.
    ///
    /// Not while it is backed up: the job's base was chosen for the old agent, whose marks the new one does not have.
    pub fn take_over(&self, machine: MachineId, selector: &str, key: &str) -> Result<bool> {
        let connection = self.lock_to_change()?;
        let first = |sql: &str, value: &str| {
            connection.query_row(sql, [value], |row| row.get::<_, String>(0)).optional()
        };
        let id = machine.to_string();
        if let Some(job) =
            first("SELECT job FROM jobs WHERE machine = ? AND step NOT IN ('done', 'failed')", &id)?
        {
            return Err(CatalogueError::Busy(format!(
                "job {job} is backing up machine {machine}; wait for its end or cancel it, then pair with a new code"
            )));
        }
        if let Some(other) =
            first("SELECT machine FROM machines WHERE key = ?", key)?.filter(|other| *other != id)
        {
            return Err(CatalogueError::Exists(format!(
                "this agent is machine {other} already and cannot be machine {machine} as well; pair it with a new key (`understudy-agent pair --again`)"
            )));
        }
        // Where the old agent was is not where the new one is.
        Ok(connection.execute(
            "UPDATE machines SET key = ?2, selector = ?3, address = '' WHERE machine = ?1",
            params![id, key, selector],
        )? == 1)
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
        self.lock_to_change()?.execute(
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
        self.lock_to_change()?.execute(
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
