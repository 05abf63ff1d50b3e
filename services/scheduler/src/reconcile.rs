//! After a start of the service: compares the catalogue with what the pool and the kernel really have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::Result;
use understudy_bus::zfs::Point;
use understudy_wire::JobId;

use crate::engines::is_away;
use crate::point_record::PointRecord;
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

    let on_pool = engines.zfs.points("").await?;
    let known: HashMap<String, bool> =
        scheduler.catalogue.all_points()?.iter().map(|row| (row.point.to_string(), true)).collect();
    for point in on_pool.iter().filter(|point| !known.contains_key(&point.point)) {
        if let Err(error) = adopt(scheduler, point) {
            tracing::error!(
                machine = point.machine,
                "recovery point {} is on the pool but cannot be taken into the catalogue: {}",
                point.point,
                error.message()
            );
        }
    }
    let on_pool: HashSet<&str> = on_pool.iter().map(|point| point.point.as_str()).collect();
    for row in scheduler.catalogue.all_points()? {
        let present = on_pool.contains(row.point.to_string().as_str());
        if !present {
            tracing::error!(machine = %row.machine, "recovery point {} is in the catalogue but not on the pool", row.point);
        }
        scheduler.catalogue.set_present(row.point, present)?;
    }
    Ok(())
}

/// Takes a point into the catalogue, and its machine where that is unknown too.
fn adopt(scheduler: &Scheduler, point: &Point) -> Result<()> {
    let record = PointRecord::parse(&point.record)?;
    let inventory = serde_json::to_string(&record.inventory).unwrap_or_default();
    scheduler.catalogue.adopt_machine(record.machine, &record.name, &inventory)?;
    scheduler.catalogue.adopt_point(point, &record.job.to_string())?;
    tracing::warn!(machine = %record.machine, job = %record.job, "recovery point {} was found on the pool", point.point);
    Ok(())
}
