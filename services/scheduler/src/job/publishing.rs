//! One target a disk, for this job and this agent alone. It waits for the agent's first call, because the firewall is opened to the
//! address that call came from.

use understudy_bus::error::{Error, Result};
use understudy_bus::iscsi::Request;

use super::runner::Context;
use super::state::Step;
use crate::scheduler::Event;

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, live, row } = context;
    let machine = scheduler
        .catalogue
        .machine(row.machine)?
        .ok_or_else(|| Error::NotFound(format!("machine {} is gone from the catalogue", row.machine)))?;
    if machine.address.is_empty() {
        return if live.woken_before(scheduler.options.agent_silence).await {
            Ok(None)
        } else if scheduler.seen(&machine) == 0 {
            Err(Error::Failed(format!(
                "no agent has spoken for {0} on this box yet. If the pool came from another box, its agents do not know this one: pair {0} with a code of `understudy pair --as {0}`",
                machine.name
            )))
        } else {
            Err(super::waiting::no_agent(scheduler, &machine.name))
        };
    }
    for disk in scheduler.catalogue.job_disks(row.job)? {
        let request = Request {
            job: row.job.to_string(),
            disk: disk.disk.to_string(),
            device: disk.device,
            initiator: row.initiator.clone(),
            address: machine.address.clone(),
        };
        let target = scheduler
            .engines
            .call(&format!("cannot publish disk {}", disk.disk), || scheduler.engines.iscsi.publish(&request))
            .await?;
        let target = serde_json::to_string(&target).map_err(|error| {
            Error::Failed(format!("cannot store the target of disk {}: {error}", disk.disk))
        })?;
        scheduler.catalogue.set_target(row.job, disk.disk, &target)?;
    }
    scheduler.catalogue.set_published_to(row.job, &machine.address)?;
    live.hear();
    if scheduler.catalogue.advance(row.job, Step::Publishing, Step::Waiting)? {
        tracing::info!("job {} is published to {} and waits for its agent", row.job, machine.address);
        scheduler.tell(Event::Job(row.job));
        scheduler.tell(Event::Agent(row.machine));
    }
    Ok(None)
}
