//! The LUNs are withdrawn before anything is read back: from here on nobody else can write to the volume. Also the undo of a job
//! that fails. There is no giving up: while a LUN may be published, the machine stays locked and the failure stays in sight.

use std::time::Duration;

use understudy_bus::error::Result;

use super::runner::Context;
use super::state::Step;
use crate::scheduler::Event;

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    context.live.close_bases();
    until_gone(context).await;
    context.scheduler.catalogue.forget_targets(context.row.job)?;
    Ok(Some(Step::Verifying))
}

/// Returns when nothing of the job is published any more.
pub(super) async fn until_gone(context: &Context<'_>) {
    let Context { scheduler, live, row } = context;
    let job = row.job.to_string();
    let mut pause = Duration::from_millis(100);
    while let Err(error) = scheduler.engines.iscsi.withdraw(&job).await {
        let why = format!("its iSCSI targets cannot be withdrawn yet: {}; trying again", error.message());
        tracing::error!("job {job}: {why}");
        live.set_stage(why);
        scheduler.tell(Event::Job(row.job));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
