//! Jobs, their steps and their disks.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use understudy_wire::{DiskId, JobId, MachineId, RecoveryPointId};

use super::{Catalogue, CatalogueError, Result, id, is_taken, unsigned};
use crate::clock;
use crate::job::state::Step;

/// A job.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Id.
    pub job: JobId,
    /// The machine it backs up.
    pub machine: MachineId,
    /// `timetable` or `request`.
    pub cause: String,
    /// Where it is.
    pub step: Step,
    /// Why it fails, once it does.
    pub message: String,
    /// The initiator that may log in.
    pub initiator: String,
    /// The address its targets are published to.
    pub address: String,
    /// The agent's last word for its stage.
    pub stage: String,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes expected to be sent.
    pub expected: u64,
    /// When it began.
    pub started: u64,
    /// Seconds it took; 0 before its end.
    pub seconds: f64,
    /// The recovery point it makes.
    pub point: RecoveryPointId,
    /// JSON of the agent's report; empty before.
    pub report: String,
}

/// A disk of a job.
#[derive(Debug, Clone)]
pub struct JobDisk {
    /// Disk id.
    pub disk: DiskId,
    /// True size in bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Block device of its volume; empty until it is prepared.
    pub device: String,
    /// The point that holds its base; `None` for a volume that begins empty.
    pub base: Option<(RecoveryPointId, u64)>,
    /// JSON of its published target; empty while there is none.
    pub target: String,
}

/// A job about to be made.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// The machine.
    pub machine: MachineId,
    /// `timetable` or `request`.
    pub cause: &'a str,
    /// The initiator that may log in.
    pub initiator: &'a str,
    /// Its disks: id, size, sector size.
    pub disks: &'a [(DiskId, u64, u32)],
}

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let step: String = row.get("step")?;
    Ok(JobRow {
        job: id(row, "job")?,
        machine: id(row, "machine")?,
        cause: row.get("cause")?,
        step: step.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
        })?,
        message: row.get("message")?,
        initiator: row.get("initiator")?,
        address: row.get("address")?,
        stage: row.get("stage")?,
        sent: unsigned(row, "sent")?,
        expected: unsigned(row, "expected")?,
        started: unsigned(row, "started")?,
        seconds: row.get("seconds")?,
        point: id(row, "point")?,
        report: row.get("report")?,
    })
}

/// Records that a job enters a step.
pub(super) fn record_step(change: &Transaction<'_>, job: JobId, step: Step) -> rusqlite::Result<()> {
    change.execute(
        "INSERT INTO job_steps (job, step, entered) VALUES (?, ?, ?)",
        params![job.to_string(), step.name(), clock::utc().cast_signed()],
    )?;
    Ok(())
}

impl Catalogue {
    /// Makes a job and locks its machine; `Err` with the job that holds the lock.
    pub fn add_job(&self, new: &NewJob<'_>) -> Result<std::result::Result<JobId, JobId>> {
        let mut connection = self.lock_to_change()?;
        let change = connection.transaction()?;
        let job = JobId::new();
        let added = change.execute(
            "INSERT INTO jobs (job, machine, cause, step, initiator, started, point) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                job.to_string(),
                new.machine.to_string(),
                new.cause,
                Step::Preparing.name(),
                new.initiator,
                clock::utc().cast_signed(),
                RecoveryPointId::new().to_string()
            ],
        );
        match added {
            Err(error) if is_taken(&error) => {
                let holder = change.query_row(
                    "SELECT job FROM jobs WHERE machine = ? AND step NOT IN ('done', 'failed')",
                    [new.machine.to_string()],
                    |row| id(row, "job"),
                )?;
                return Ok(Err(holder));
            }
            other => other?,
        };
        for (position, (disk, size, sector_size)) in new.disks.iter().enumerate() {
            change.execute(
                "INSERT INTO job_disks (job, position, disk, size, sector_size) VALUES (?, ?, ?, ?, ?)",
                params![job.to_string(), position, disk.to_string(), size.cast_signed(), sector_size],
            )?;
        }
        record_step(&change, job, Step::Preparing)?;
        change.commit()?;
        Ok(Ok(job))
    }

    /// A job.
    pub fn job(&self, job: JobId) -> Result<Option<JobRow>> {
        Ok(self
            .lock()
            .query_row("SELECT * FROM jobs WHERE job = ?", [job.to_string()], job_row)
            .optional()?)
    }

    /// Jobs of a machine, or of all, newest first.
    pub fn jobs(&self, machine: Option<MachineId>) -> Result<Vec<JobRow>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare("SELECT * FROM jobs WHERE ?1 IS NULL OR machine = ?1 ORDER BY number DESC LIMIT 1000")?;
        let rows = statement.query_map([machine.map(|machine| machine.to_string())], job_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Jobs that have not ended.
    pub fn open_jobs(&self) -> Result<Vec<JobRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT * FROM jobs WHERE step NOT IN ('done', 'failed')")?;
        let rows = statement.query_map([], job_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The job that holds a machine's lock.
    pub fn open_job(&self, machine: MachineId) -> Result<Option<JobRow>> {
        Ok(self
            .lock()
            .query_row(
                "SELECT * FROM jobs WHERE machine = ? AND step NOT IN ('done', 'failed')",
                [machine.to_string()],
                job_row,
            )
            .optional()?)
    }

    /// A job's disks, in the order of the inventory it began with.
    pub fn job_disks(&self, job: JobId) -> Result<Vec<JobDisk>> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT * FROM job_disks WHERE job = ? ORDER BY position")?;
        let rows = statement.query_map([job.to_string()], |row| {
            let base_point: String = row.get("base_point")?;
            Ok(JobDisk {
                disk: id(row, "disk")?,
                size: unsigned(row, "size")?,
                sector_size: row.get("sector_size")?,
                device: row.get("device")?,
                base: match base_point.as_str() {
                    "" => None,
                    _ => Some((id(row, "base_point")?, unsigned(row, "base_guid")?)),
                },
                target: row.get("target")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Stores a disk's volume and base.
    pub fn set_prepared(
        &self,
        job: JobId,
        disk: DiskId,
        device: &str,
        base: Option<(RecoveryPointId, u64)>,
    ) -> Result<()> {
        let (point, guid) =
            base.map(|(point, guid)| (point.to_string(), guid.cast_signed())).unwrap_or_default();
        self.lock().execute(
            "UPDATE job_disks SET device = ?3, base_point = ?4, base_guid = ?5 WHERE job = ?1 AND disk = ?2",
            params![job.to_string(), disk.to_string(), device, point, guid],
        )?;
        Ok(())
    }

    /// Stores a disk's published target.
    pub fn set_target(&self, job: JobId, disk: DiskId, target: &str) -> Result<()> {
        self.lock().execute(
            "UPDATE job_disks SET target = ?3 WHERE job = ?1 AND disk = ?2",
            params![job.to_string(), disk.to_string(), target],
        )?;
        Ok(())
    }

    /// Stores the address that targets are published to.
    pub fn set_published_to(&self, job: JobId, address: &str) -> Result<()> {
        self.lock()
            .execute("UPDATE jobs SET address = ?2 WHERE job = ?1", params![job.to_string(), address])?;
        Ok(())
    }

    /// Forgets the secrets of targets that are withdrawn.
    pub fn forget_targets(&self, job: JobId) -> Result<()> {
        self.lock().execute("UPDATE job_disks SET target = '' WHERE job = ?", [job.to_string()])?;
        Ok(())
    }

    /// Stores how far the copy has come.
    pub fn set_progress(&self, job: JobId, stage: &str, sent: u64, expected: u64) -> Result<()> {
        self.lock().execute(
            "UPDATE jobs SET stage = ?2, sent = ?3, expected = ?4 WHERE job = ?1",
            params![job.to_string(), stage, sent.cast_signed(), expected.cast_signed()],
        )?;
        Ok(())
    }

    /// Takes a job from one step to the next; false if it is no longer in `from`, or is to fail.
    pub fn advance(&self, job: JobId, from: Step, to: Step) -> Result<bool> {
        self.advance_with(job, from, to, "")
    }

    /// The same, storing the agent's report with it.
    pub fn advance_with(&self, job: JobId, from: Step, to: Step, report: &str) -> Result<bool> {
        if !from.leads_to(to) {
            return Err(CatalogueError::Impossible(format!("job {job} cannot go from {from} to {to}")));
        }
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let moved = change.execute(
            "UPDATE jobs SET step = ?3, report = CASE ?4 WHEN '' THEN report ELSE ?4 END
             WHERE job = ?1 AND step = ?2 AND message = ''",
            params![job.to_string(), from.name(), to.name(), report],
        )? == 1;
        if moved {
            record_step(&change, job, to)?;
        }
        change.commit()?;
        Ok(moved)
    }

    /// Decides that a job fails, and why; false if it has ended, fails already, or may no longer fail: once the snapshot is asked for
    /// it may exist, and from then on a job only goes forward.
    pub fn doom(&self, job: JobId, message: &str, report: &str) -> Result<bool> {
        Ok(self.lock().execute(
            "UPDATE jobs SET message = ?2, report = CASE ?3 WHEN '' THEN report ELSE ?3 END
             WHERE job = ?1 AND message = '' AND step NOT IN ('done', 'failed', 'snapshotting')",
            params![job.to_string(), message, report],
        )? == 1)
    }

    /// Ends a failed job whose LUNs are gone, and releases the lock.
    pub fn end_failed(&self, job: JobId, message: &str, seconds: f64) -> Result<()> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        change.execute(
            "UPDATE jobs SET step = 'failed', message = ?2, seconds = ?3 WHERE job = ?1",
            params![job.to_string(), message, seconds],
        )?;
        record_step(&change, job, Step::Failed)?;
        change.commit()?;
        Ok(())
    }
}
