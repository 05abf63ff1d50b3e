//! The order lies ready, then the agent copies. Its calls move the job on; here only its silence is noticed.

use understudy_bus::error::{Error, Result};

use super::runner::Context;
use super::state::Step;
use crate::scheduler::Scheduler;

pub(super) async fn run(context: &Context<'_>) -> Result<Option<Step>> {
    let Context { scheduler, live, row } = context;
    if live.woken_before(scheduler.options.agent_silence).await {
        return Ok(None);
    }
    let name = scheduler.catalogue.machine(row.machine)?.map(|machine| machine.name).unwrap_or_default();
    Err(match row.step {
        Step::Waiting => no_agent(scheduler, &name),
        _ => Error::Failed(format!(
            "the agent on {name} has shown no progress for {} s and is given up: is the machine on, and does its network reach this box? The next backup makes up for this one",
            scheduler.options.agent_silence.as_secs()
        )),
    })
}

pub(super) fn no_agent(scheduler: &Scheduler, name: &str) -> Error {
    Error::Failed(format!(
        "the agent on {name} did not begin within {} s: is the machine on, does understudy-agent run on it, and does its network reach this box?",
        scheduler.options.agent_silence.as_secs()
    ))
}
