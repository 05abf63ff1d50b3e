//! `understudy backup`.

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::json;
use understudy_bus::scheduler::Job;

use crate::link::{Link, plain};
use crate::output::{Output, bytes, seconds, short};
use crate::verbs::{jobs, vms::next};

/// What to do.
#[derive(Subcommand)]
pub enum Backup {
    /// Start a backup now
    Start {
        /// The machine
        machine: String,
        /// Show progress and return when it has ended; exit 1 if it failed
        #[arg(long)]
        wait: bool,
    },
    /// Cancel a running backup; what it copied so far is discarded
    Cancel {
        /// The machine
        machine: String,
    },
}

impl Backup {
    /// Does it.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Start { machine, wait } => start(link, output, machine, *wait).await,
            Self::Cancel { machine } => cancel(link, output, machine).await,
        }
    }
}

async fn start(link: &Link, output: &Output, machine: &str, wait: bool) -> anyhow::Result<()> {
    let machine = link.machine(machine).await?;
    // Listening begins before the start, so that no change is missed.
    let mut changes = link.scheduler.receive_job_changed().await?;
    let id = link.scheduler.start_backup(&machine.machine).await.map_err(plain)?;
    if !wait {
        return output.show(json!({ "job": id }), || {
            format!(
                "Backup {} of {} has begun; `understudy jobs {1}` shows how far it is.",
                short(&id),
                machine.name
            )
        });
    }
    let mut shown = String::new();
    let job = loop {
        let job = find(link, &machine.machine, &id).await?;
        output.progress(&mut shown, line(&job));
        if matches!(job.step.as_str(), "done" | "failed") {
            break job;
        }
        // Any change may be ours: a restarted scheduler is noticed because the next question fails.
        next(&mut changes).await.context("the bus has closed the connection")?;
    };
    output.progress_done(&shown);
    if job.step == "failed" {
        bail!("the backup of {} has failed: {}", machine.name, job.message);
    }
    output.show(json!({ "job": jobs::document(&job) }), || {
        format!(
            "{} is backed up: recovery point {}, {} sent in {}.",
            machine.name,
            job.point,
            bytes(job.sent),
            seconds(job.seconds)
        )
    })
}

async fn cancel(link: &Link, output: &Output, machine: &str) -> anyhow::Result<()> {
    let machine = link.machine(machine).await?;
    if machine.job.is_empty() {
        bail!("no backup of {} runs", machine.name);
    }
    link.scheduler.cancel_job(&machine.job).await.map_err(plain)?;
    output.show(json!({ "job": machine.job }), || {
        format!(
            "Backup {} of {} is cancelled; recovery points are untouched.",
            short(&machine.job),
            machine.name
        )
    })
}

async fn find(link: &Link, machine: &str, id: &str) -> anyhow::Result<Job> {
    let jobs = link.scheduler.jobs(machine).await.map_err(plain)?;
    jobs.into_iter()
        .find(|job| job.job == id)
        .with_context(|| format!("the scheduler no longer knows job {id}"))
}

fn line(job: &Job) -> String {
    let stage = if job.stage.is_empty() { String::new() } else { format!(" ({})", job.stage) };
    match job.expected {
        0 => format!("{}{stage}", job.step),
        expected => format!("{}{stage}: {} of {} sent", job.step, bytes(job.sent), bytes(expected)),
    }
}
