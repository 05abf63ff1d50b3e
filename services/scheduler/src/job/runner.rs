//! Takes a job from step to step. What it does next is decided by the job's row alone, so that it makes no difference whether the
//! step before was taken a moment ago or before a crash.

use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::{Error, Result};

use super::state::{Resumption, Step};
use super::{Live, preparing, publishing, snapshotting, verifying, waiting, withdrawing};
use crate::catalogue::JobRow;
use crate::scheduler::{Event, Scheduler};

/// What every step gets.
pub(super) struct Context<'a> {
    pub scheduler: &'a Arc<Scheduler>,
    pub live: &'a Arc<Live>,
    pub row: &'a JobRow,
}

/// Runs a job to its end.
pub async fn run(scheduler: Arc<Scheduler>, live: Arc<Live>, mut resumed: bool) {
    loop {
        match turn(&scheduler, &live, resumed).await {
            Ok(true) => break,
            Ok(false) => resumed = false,
            Err(error) => {
                // Only the catalogue itself fails a turn; without it nothing can be recorded, so nothing may be done.
                tracing::error!("job {} cannot go on: {}; trying again", live.job, error.message());
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
    scheduler.live().remove(&live.job);
    let folder = scheduler.job_folder(live.job);
    if let Err(error) = std::fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("cannot remove {}: {error}", folder.display());
    }
    scheduler.tell(Event::Job(live.job));
    scheduler.tell(Event::Agent(live.machine));
}

/// One step; true when the job has ended.
async fn turn(scheduler: &Arc<Scheduler>, live: &Arc<Live>, resumed: bool) -> Result<bool> {
    let job = live.job;
    let Some(row) = scheduler.catalogue.job(job)? else { return Ok(true) };
    let context = Context { scheduler, live, row: &row };
    if row.step.ended() {
        return Ok(true);
    }
    if !row.message.is_empty() {
        live.close_bases();
        // While it was being prepared, nothing was published: no need to wait for iscsi-manager to say so.
        if row.step != Step::Preparing {
            withdrawing::until_gone(&context).await;
        }
        scheduler.catalogue.forget_targets(job)?;
        scheduler.catalogue.end_failed(job, &row.message, live.seconds())?;
        tracing::info!("job {job} has failed; nothing of it is left");
        return Ok(true);
    }
    if resumed && let Some(decision) = after_restart(&context).await {
        return decision.map(|()| false);
    }
    let taken = match row.step {
        Step::Preparing => preparing::run(&context).await,
        Step::Publishing => publishing::run(&context).await,
        Step::Waiting | Step::Copying => waiting::run(&context).await,
        Step::Withdrawing => withdrawing::run(&context).await,
        Step::Verifying => verifying::run(&context).await,
        Step::Snapshotting => snapshotting::run(&context).await,
        Step::Done | Step::Failed => return Ok(true),
    };
    match taken {
        // Somebody else has moved it, or decided that it fails: the next turn sees.
        Ok(None) => {}
        Ok(Some(next)) => {
            if scheduler.catalogue.advance(job, row.step, next)? {
                tracing::info!("job {job} goes from {} to {next}", row.step);
                scheduler.tell(Event::Job(job));
            }
        }
        Err(error) if row.step == Step::Snapshotting => {
            // The snapshot may exist by now: nobody can say it does not until it was asked for again.
            let why = error.message();
            tracing::error!("job {job} cannot take its recovery point: {why}; trying again");
            live.set_stage(why);
            scheduler.tell(Event::Job(job));
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Err(error) => {
            scheduler.doom(job, &error.message(), "")?;
        }
    }
    Ok(false)
}

/// Compares a job of an earlier run with what is really published. `None`: it goes on where it is.
async fn after_restart(context: &Context<'_>) -> Option<Result<()>> {
    let Context { scheduler, row, .. } = context;
    let published = match scheduler
        .engines
        .call("cannot ask iscsi-manager what is published", || scheduler.engines.iscsi.published())
        .await
    {
        Ok(jobs) => jobs.contains(&row.job.to_string()),
        Err(error) => return Some(scheduler.doom(row.job, &error.message(), "").map(|_| ())),
    };
    match row.step.after_restart(published) {
        Resumption::Again(step) if step == row.step => None,
        Resumption::Again(step) => {
            Some(scheduler.catalogue.advance(row.job, row.step, step).map(|_| ()).map_err(Error::from))
        }
        Resumption::Ended => None,
        Resumption::Undo => {
            let message = format!(
                "the box was restarted while the agent copied (step {}), and its iSCSI targets are gone; the next backup compares what may have changed",
                row.step
            );
            Some(scheduler.doom(row.job, &message, "").map(|_| ()))
        }
    }
}
