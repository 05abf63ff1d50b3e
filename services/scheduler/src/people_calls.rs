//! What people ask, through the cli and later the wizard and the gateway.

use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::{Job, Machine, Point};
use understudy_wire::{JobId, MachineId};

use crate::catalogue::JobRow;
use crate::clock;
use crate::scheduler::{Scheduler, parse_id};
use crate::timetable::Timetable;

impl Scheduler {
    /// All machines.
    pub(crate) fn list_machines(&self) -> Result<Vec<Machine>> {
        let rows = self.catalogue.machines()?;
        Ok(rows
            .into_iter()
            .map(|row| Machine {
                seen: self.seen(&row),
                machine: row.machine.to_string(),
                name: row.name,
                inventory: row.inventory,
                timetable: row.timetable,
                time_zone: row.time_zone,
                due: row.due,
                job: row.job,
            })
            .collect())
    }

    /// Sets or removes a timetable.
    pub(crate) fn set_timetable(&self, machine: &str, timetable: &str, time_zone: &str) -> Result<()> {
        let row = self.resolve(machine)?;
        if timetable.trim().is_empty() {
            self.catalogue.set_timetable(row.machine, "", "", 0)?;
            tracing::info!(machine = %row.machine, "{} has no timetable any more", row.name);
        } else {
            let zone = if time_zone.is_empty() { "UTC" } else { time_zone };
            let next = Timetable::parse(timetable, zone)
                .and_then(|checked| checked.next(clock::utc()))
                .map_err(|error| Error::InvalidArgument(error.to_string()))?;
            self.catalogue.set_timetable(row.machine, timetable, zone, next)?;
            tracing::info!(machine = %row.machine, "{} is backed up at {timetable} ({zone})", row.name);
        }
        self.timetables_changed.notify_one();
        self.machines_changed();
        Ok(())
    }

    /// Starts a backup.
    pub(crate) fn start_backup(self: &Arc<Self>, machine: &str) -> Result<String> {
        let row = self.resolve(machine)?;
        Ok(self.start_job(row.machine, "request")?.to_string())
    }

    /// Ends a running job.
    pub(crate) fn cancel_job(&self, job: &str) -> Result<()> {
        let id: JobId = parse_id(job)?;
        let row = self.catalogue.job(id)?.ok_or_else(|| Error::NotFound(format!("there is no job {job}")))?;
        if row.step.ended() || !row.message.is_empty() {
            return Ok(());
        }
        if !self.doom(id, "cancelled on the box; the next backup makes up for this one", "")? {
            return Err(Error::Busy(format!(
                "job {job} cannot be cancelled any more: its recovery point is being taken"
            )));
        }
        Ok(())
    }

    /// Jobs, newest first.
    pub(crate) fn list_jobs(&self, machine: &str) -> Result<Vec<Job>> {
        let rows = self.catalogue.jobs(self.filter(machine)?)?;
        Ok(rows.into_iter().map(|row| self.describe_job(row)).collect())
    }

    fn describe_job(&self, row: JobRow) -> Job {
        let live = self.live().get(&row.job).cloned();
        let done = row.step == crate::job::state::Step::Done;
        let mut job = Job {
            job: row.job.to_string(),
            machine: row.machine.to_string(),
            cause: row.cause,
            step: row.step.to_string(),
            message: row.message,
            stage: row.stage,
            sent: row.sent,
            expected: row.expected,
            started: row.started,
            seconds: row.seconds,
            point: if done { row.point.to_string() } else { String::new() },
            report: row.report,
        };
        if let Some(live) = live.filter(|_| !row.step.ended()) {
            let (stage, figures) = live.progress();
            job.seconds = live.seconds();
            if !stage.is_empty() {
                job.stage = stage;
            }
            if let Some((sent, expected)) = figures {
                (job.sent, job.expected) = (sent, expected);
            }
        }
        job
    }

    /// Recovery points, oldest first.
    pub(crate) fn list_points(&self, machine: &str) -> Result<Vec<Point>> {
        let rows = self.catalogue.points(self.filter(machine)?)?;
        Ok(rows
            .into_iter()
            .map(|row| Point {
                point: row.point.to_string(),
                machine: row.machine.to_string(),
                job: row.job,
                created: row.created,
                disks: row.disks.iter().map(|disk| disk.disk.to_string()).collect(),
            })
            .collect())
    }

    fn filter(&self, machine: &str) -> Result<Option<MachineId>> {
        if machine.is_empty() { Ok(None) } else { Ok(Some(self.resolve(machine)?.machine)) }
    }
}
