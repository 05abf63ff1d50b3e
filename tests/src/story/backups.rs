//! The three backups, each with the harness's own copy of the machine at the same instant, and the comparison.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Cast;
use super::ledger::BackupEntry;
use crate::appliance::text;
use crate::machine::{Cue, LEDGER};
use crate::proof::{self, Disk};
use crate::report::{Backup, RecoveryPoint};

/// How long a backup may take on an emulated machine.
const BACKUP: Duration = Duration::from_secs(900);
/// Of what changed in 64 KiB blocks, at most this much may travel in a changed backup, each block counted once.
const CHANGED_AT_MOST: f64 = 1.15;

/// A timetable entry some seconds ahead starts the first backup: nobody calls it.
pub fn by_timetable(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    cast.machine.work("first")?;
    let clock =
        cast.appliance.shell.succeed("date -u -d '+15 seconds' '+%S %M %H'", Duration::from_secs(30))?;
    let id = cast.id.clone();
    cast.appliance.shell.succeed(
        &format!("understudy timetable set {id} '{} * * *' --zone UTC", clock.trim()),
        Duration::from_secs(30),
    )?;
    let job = take(cast, "first", "first")?;
    ensure!(
        job["cause"] == "timetable",
        "the first backup was caused by {}, not by the timetable",
        job["cause"]
    );
    cast.appliance.shell.succeed(&format!("understudy timetable clear {id}"), Duration::from_secs(30))?;
    Ok(())
}

/// The machine goes on working; the next backup moves only the blocks that changed.
pub fn changed(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    now(cast, "second", "changed")?;
    let backup = cast.report.backups.last().context("the second backup is not in the report")?;
    ensure!(
        backup.distinct_sent_bytes as f64 <= CHANGED_AT_MOST * backup.changed_bytes as f64,
        "{} bytes travelled for {} bytes in changed blocks: more than {CHANGED_AT_MOST} times as much",
        backup.distinct_sent_bytes,
        backup.changed_bytes
    );
    Ok(())
}

/// A reboot ends the tracker's epoch: everything is compared.
pub fn after_reboot(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    cast.machine.reboot()?;
    now(cast, "third", "compared")
}

/// Works on the machine, and backs it up at once.
pub fn now(cast: &mut Cast<'_>, state: &str, kind: &str) -> anyhow::Result<()> {
    cast.machine.work(state)?;
    start(cast)?;
    take(cast, state, kind)?;
    Ok(())
}

/// Asks for a backup now.
pub fn start(cast: &Cast<'_>) -> anyhow::Result<String> {
    let answer = cast.appliance.ask(&format!("backup start {}", cast.id))?;
    Ok(text(&answer, "job")?.to_owned())
}

/// Sees a backup through: catches its instant, waits for its end, checks how its map was made, writes it into the report.
pub fn take(cast: &mut Cast<'_>, state: &str, kind: &str) -> anyhow::Result<Value> {
    let count = |command: String| -> anyhow::Result<u64> {
        let printed = cast.machine.shell.succeed(&command, Duration::from_secs(60))?;
        printed.trim().parse().with_context(|| format!("`{command}` printed {printed:?}"))
    };
    let rows = count(format!("sqlite3 {LEDGER}/ledger.db 'select count(*) from entries'"))?;
    let new_files = count(format!("ls {LEDGER} | grep -c '^new-'"))?;
    let instant = cast.machine.catch_instant(Cue { limit: BACKUP, glance: &|| glance(cast) })?;
    let job = ended(cast, &instant.job)?;
    ensure!(job["step"] == "done", "the backup failed: {}", job["message"]);
    cast.machine.is_writable()?;
    let copies = instant.unpack(&cast.world.run_dir.join("copies"))?;
    let point = text(&job, "point")?.to_owned();
    let mut backup = Backup {
        kind: kind.to_owned(),
        disk_bytes: cast.ledger.disk_bytes(),
        seconds: job["seconds"].as_f64().unwrap_or_default(),
        frozen_seconds: job["report"]["frozen_seconds"].as_f64().unwrap_or_default(),
        ..Backup::default()
    };
    for (index, disk) in cast.ledger.disks.iter().enumerate() {
        let said = &job["report"]["disks"][&disk.id];
        ensure!(
            said["kind"] == kind,
            "disk {} was backed up as {}, not as {kind}: {said}",
            disk.id,
            said["kind"]
        );
        let number = |key: &str| said[key].as_u64().with_context(|| format!("no number {key} in {said}"));
        backup.mapped_bytes += number("mapped")?;
        backup.sent_bytes += number("sent")?;
        backup.distinct_sent_bytes += number("distinct_sent")?;
        backup.changed_bytes += match cast.ledger.backups.last() {
            Some(before) => proof::changed_bytes(&before.copies[index], &copies[index], disk.size)?,
            None => proof::not_zero_bytes(&copies[index], disk.size)?,
        };
    }
    cast.narrator.note(&format!(
        "{kind}: frozen {:.3} s, {} MiB sent in {:.0} s",
        backup.frozen_seconds,
        backup.sent_bytes >> 20,
        backup.seconds
    ));
    if kind == "first" {
        for disk in &mut cast.ledger.disks {
            disk.map = Some(cast.machine.first_map(&disk.id, disk.size)?);
        }
    }
    cast.report.backups.push(backup);
    cast.ledger.backups.push(BackupEntry { point, copies, state: state.to_owned(), rows, new_files });
    Ok(job)
}

/// Shows how far the newest job is; an error if it has ended, for then there is no instant to wait for.
pub fn glance(cast: &Cast<'_>) -> anyhow::Result<()> {
    let jobs = cast.appliance.ask(&format!("jobs {}", cast.id))?;
    let job = &jobs["jobs"][0];
    let number = |key: &str| job[key].as_u64().unwrap_or_default() >> 20;
    let step = job["step"].as_str().unwrap_or("not begun");
    cast.narrator.doing(&format!("backup: {step}, {} of {} MiB", number("sent"), number("expected")));
    // Before the timetable is due, the newest job may be an older one.
    let older = cast.ledger.backups.iter().any(|backup| job["point"] == backup.point.as_str());
    ensure!(step != "failed", "the backup failed: {}", job["message"]);
    ensure!(step != "done" || older, "the backup ended without a frozen instant: {job:#}");
    Ok(())
}

/// Waits until a job has ended and gives it.
pub fn ended(cast: &Cast<'_>, job: &str) -> anyhow::Result<Value> {
    let arguments = format!("jobs {}", cast.id);
    cast.appliance.wait_for("end of the job", &arguments, BACKUP, |document| {
        let jobs = document["jobs"].as_array().context("no list of jobs")?;
        let found = jobs.iter().find(|row| row["job"] == job).with_context(|| format!("no job {job}"))?;
        Ok((found["step"] == "done" || found["step"] == "failed").then(|| found.clone()))
    })
}

/// Compares every recovery point with the copy taken at its instant: zero differences.
pub fn prove(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for backup in &cast.ledger.backups {
        let mut row = RecoveryPoint { id: backup.point.clone(), ..RecoveryPoint::default() };
        for (index, disk) in cast.ledger.disks.iter().enumerate() {
            cast.narrator.doing(&format!("comparing disk {index} of point {}", backup.point));
            let point = cast.appliance.copy_out(&cast.id, &disk.id, &backup.point)?;
            let found = proof::compare(Disk {
                point: &point,
                frozen: &backup.copies[index],
                first: cast.ledger.first_copy(index)?,
                size: disk.size,
                map: disk.map.as_ref().context("the first map was not read")?,
            })?;
            row.blocks_compared += found.compared;
            row.blocks_differing += found.differing;
            ensure!(
                found.differing == 0,
                "recovery point {} differs from the machine in {} of {} blocks of disk {index}, the first being {:?}",
                backup.point,
                found.differing,
                found.compared,
                found.examples
            );
        }
        cast.narrator.note(&format!("{}: {} blocks, all equal", row.id, row.blocks_compared));
        points.push(row);
    }
    cast.report.recovery_points = points;
    Ok(())
}
