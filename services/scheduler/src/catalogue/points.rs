//! Recovery points.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use understudy_bus::zfs::Point;
use understudy_wire::{DiskId, JobId, MachineId, RecoveryPointId};

use super::{Catalogue, Result, id, jobs::record_step, unsigned};
use crate::job::state::Step;

/// A recovery point.
#[derive(Debug, Clone)]
pub struct PointRow {
    /// Id.
    pub point: RecoveryPointId,
    /// The machine.
    pub machine: MachineId,
    /// The job that made it.
    pub job: String,
    /// When.
    pub created: u64,
    /// JSON stored with it, see [`crate::point_record`].
    pub record: String,
    /// Its disks, in the order of the inventory of its time.
    pub disks: Vec<PointDiskRow>,
}

/// A disk of a recovery point.
#[derive(Debug, Clone)]
pub struct PointDiskRow {
    /// Disk id.
    pub disk: DiskId,
    /// GUID of its ZFS snapshot.
    pub guid: u64,
}

fn point_row(row: &Row<'_>) -> rusqlite::Result<PointRow> {
    Ok(PointRow {
        point: id(row, "point")?,
        machine: id(row, "machine")?,
        job: row.get("job")?,
        created: unsigned(row, "created")?,
        record: row.get("record")?,
        disks: Vec::new(),
    })
}

/// Adds a point; false if it was there already.
pub(super) fn insert(change: &Transaction<'_>, point: &Point, job: &str) -> rusqlite::Result<bool> {
    let added = change.execute(
        "INSERT OR IGNORE INTO points (point, machine, job, created, record) VALUES (?, ?, ?, ?, ?)",
        params![point.point, point.machine, job, point.created.cast_signed(), point.record],
    )?;
    if added == 0 {
        return Ok(false);
    }
    for (position, disk) in point.disks.iter().enumerate() {
        change.execute(
            "INSERT INTO point_disks (point, position, disk, guid, size, sector_size) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                point.point,
                position,
                disk.disk,
                disk.guid.cast_signed(),
                disk.size.cast_signed(),
                disk.sector_size
            ],
        )?;
    }
    Ok(true)
}

impl Catalogue {
    /// Adds the point a job has made and ends the job, both or neither.
    pub fn finish(&self, job: JobId, point: &Point, seconds: f64) -> Result<()> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        insert(&change, point, &job.to_string())?;
        change.execute(
            "UPDATE jobs SET step = 'done', seconds = ?2 WHERE job = ?1 AND step = 'snapshotting'",
            params![job.to_string(), seconds],
        )?;
        record_step(&change, job, Step::Done)?;
        change.commit()?;
        Ok(())
    }

    /// Stores which of the points the pool has.
    pub fn set_present(&self, point: RecoveryPointId, present: bool) -> Result<()> {
        self.lock().execute(
            "UPDATE points SET present = ?2 WHERE point = ?1",
            params![point.to_string(), present],
        )?;
        Ok(())
    }

    /// Points that the pool has, of a machine or of all, oldest first.
    pub fn points(&self, machine: Option<MachineId>) -> Result<Vec<PointRow>> {
        self.select_points(machine, "present = 1")
    }

    /// The same with those that the pool does not have.
    pub fn all_points(&self) -> Result<Vec<PointRow>> {
        self.select_points(None, "true")
    }

    fn select_points(&self, machine: Option<MachineId>, which: &str) -> Result<Vec<PointRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM points WHERE (?1 IS NULL OR machine = ?1) AND {which} ORDER BY number"
        ))?;
        let rows = statement.query_map([machine.map(|machine| machine.to_string())], point_row)?;
        let mut points = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut disks =
            connection.prepare("SELECT disk, guid FROM point_disks WHERE point = ? ORDER BY position")?;
        for point in &mut points {
            let rows = disks.query_map([point.point.to_string()], |row| {
                Ok(PointDiskRow { disk: id(row, "disk")?, guid: unsigned(row, "guid")? })
            })?;
            point.disks = rows.collect::<rusqlite::Result<_>>()?;
        }
        Ok(points)
    }

    /// The newest point that holds a disk, its snapshot's GUID, and the point's record: what the disk's volume is rolled back to.
    pub fn base(&self, machine: MachineId, disk: DiskId) -> Result<Option<(RecoveryPointId, u64, String)>> {
        Ok(self
            .lock()
            .query_row(
                "SELECT points.point AS point, guid, record FROM points JOIN point_disks USING (point)
                 WHERE machine = ? AND disk = ? AND present = 1 ORDER BY points.number DESC LIMIT 1",
                [machine.to_string(), disk.to_string()],
                |row| Ok((id(row, "point")?, unsigned(row, "guid")?, row.get("record")?)),
            )
            .optional()?)
    }
}
