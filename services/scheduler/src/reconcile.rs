//! After a start of the service: compares the catalogue with what the pool and the kernel really have.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::Result;
use understudy_wire::JobId;

use crate::engines::is_away;
use crate::pool_contents::{self, Contents};
use crate::record_keeper;
use crate::scheduler::Scheduler;

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Compares until it succeeds: storage first, because backups wait for it, then stand-ins.
pub async fn run(scheduler: Arc<Scheduler>) {
    let mut pause = Duration::from_millis(100);
    while let Err(error) = storage(&scheduler).await {
        let why = error.message();
        // On a box that is not set up, or still starting, this is as it should be.
        tracing::debug!("the catalogue cannot be compared with the pool yet: {why}");
        scheduler.reconciled.send_replace(Some(why));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    scheduler.reconciled.send_replace(None);
    tracing::info!("the catalogue matches the pool");
    pause = Duration::from_millis(100);
    while let Err(error) = crate::stand_in::reconcile::run(&scheduler).await {
        if !is_away(&error) {
            tracing::warn!("stand-ins cannot be compared yet: {}; trying again", error.message());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn storage(scheduler: &Arc<Scheduler>) -> Result<()> {
    let engines = &scheduler.engines;
    for job in engines.iscsi.published().await? {
        let open = match job.parse::<JobId>() {
            Ok(id) => scheduler.catalogue.job(id)?.is_some_and(|row| !row.step.ended()),
            Err(_) => false,
        };
        if !open {
            tracing::warn!(
                job,
                "targets of job {job} are published, but the job is not running: withdrawing them"
            );
            engines.iscsi.withdraw(&job).await?;
        }
    }

    let raw = pool_contents::read(engines).await?;
    let contents = Contents::gather(&raw);
    for unreadable in &contents.unreadable {
        tracing::error!(
            "{} is on the pool but cannot be taken into the catalogue: {}",
            unreadable.what,
            unreadable.why
        );
    }
    let was_empty = scheduler.catalogue.is_empty()?;
    if knows_less_than(scheduler, &contents)? {
        // Before the catalogue is filled: after a power cut in between, it still knows less and this is done again.
        let clones = engines.zfs.clones().await?;
        let known = scheduler.catalogue.stand_ins()?;
        let known: HashSet<String> = known.into_iter().map(|row| row.vm.to_string()).collect();
        scheduler.kept.add(clones.into_iter().filter(|vm| !known.contains(vm)))?;
    }
    let taken = scheduler.catalogue.take_in(&contents)?;
    if was_empty && taken.machines > 0 {
        tracing::warn!(
            "the catalogue was empty and has been made from the pool: {} machines, {} recovery points. If the pool comes from another box, its agents do not know this one: pair each again with a code of `understudy pair --as MACHINE`",
            taken.machines,
            taken.points
        );
    } else if taken.machines + taken.points > 0 {
        tracing::warn!(
            "{} machines and {} recovery points were found on the pool and taken into the catalogue",
            taken.machines,
            taken.points
        );
    }
    let on_pool: HashSet<&str> = raw.points.iter().map(|point| point.point.as_str()).collect();
    for row in scheduler.catalogue.all_points()? {
        if raw.unlisted.contains_key(&row.machine.to_string()) {
            continue;
        }
        let present = on_pool.contains(row.point.to_string().as_str());
        if !present {
            tracing::error!(machine = %row.machine, "recovery point {} is in the catalogue but not on the pool", row.point);
        }
        scheduler.catalogue.set_present(row.point, present)?;
    }
    *scheduler.records_on_pool.lock().await = record_keeper::found(&raw.records);
    if taken.machines + taken.points > 0 {
        scheduler.machines_changed();
        scheduler.timetables_changed.notify_one();
    }
    Ok(())
}

/// Whether the pool has machines that the catalogue does not know: it is another box's, or the catalogue was lost.
fn knows_less_than(scheduler: &Scheduler, contents: &Contents) -> Result<bool> {
    let known: HashSet<_> = scheduler.catalogue.machines()?.into_iter().map(|row| row.machine).collect();
    Ok(contents.machines.iter().any(|record| !known.contains(&record.machine)))
}
