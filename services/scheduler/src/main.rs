//! `understudy-scheduler`: starts the scheduler on the system bus.
//!
//! `STATE_DIRECTORY` (systemd sets it) holds the catalogue and the files of running jobs. `UNDERSTUDY_AGENT_SILENCE` is how many
//! seconds an agent may be silent in mid-job, `UNDERSTUDY_SERVICE_PATIENCE` how many another service may be away.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use understudy_bus::scheduler::NAME;
use understudy_scheduler::{Options, Scheduler};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY")
        .map(PathBuf::from)
        .context("STATE_DIRECTORY is not set: the scheduler is started by its unit, which sets it")?;
    let connection = understudy_service::connect().await?;
    let options = Options {
        state,
        agent_silence: seconds("UNDERSTUDY_AGENT_SILENCE", 120)?,
        service_patience: seconds("UNDERSTUDY_SERVICE_PATIENCE", 60)?,
    };
    let _scheduler = Scheduler::start(connection.clone(), options).await?;
    understudy_service::announce(&connection, NAME).await?;
    understudy_service::stopped().await
}

fn seconds(variable: &str, default: u64) -> anyhow::Result<Duration> {
    match std::env::var(variable) {
        Ok(text) => {
            let seconds =
                text.parse().with_context(|| format!("{variable}={text:?} is not a number of seconds"))?;
            Ok(Duration::from_secs(seconds))
        }
        Err(_) => Ok(Duration::from_secs(default)),
    }
}
