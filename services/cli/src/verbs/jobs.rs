//! `understudy jobs`.

use clap::Args;
use serde_json::{Value, json};
use understudy_bus::scheduler::Job;

use crate::link::{Link, plain};
use crate::output::{Output, bytes, embedded, seconds, short, table, time};

/// Which jobs.
#[derive(Args)]
pub struct Jobs {
    /// Only of this machine
    machine: Option<String>,
}

impl Jobs {
    /// Lists them.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let machine = match &self.machine {
            Some(text) => link.machine(text).await?.machine,
            None => String::new(),
        };
        let jobs = link.scheduler.jobs(&machine).await.map_err(plain)?;
        let document: Vec<_> = jobs.iter().map(document).collect();
        output.show(json!({ "jobs": document }), || {
            let rows: Vec<_> = jobs
                .iter()
                .map(|job| {
                    vec![
                        short(&job.job),
                        short(&job.machine),
                        time(job.started),
                        job.cause.clone(),
                        job.step.clone(),
                        bytes(job.sent),
                        seconds(job.seconds),
                        if job.message.is_empty() { short(&job.point) } else { job.message.clone() },
                    ]
                })
                .collect();
            table(
                &["ID", "MACHINE", "STARTED", "CAUSE", "STEP", "SENT", "TOOK", "RECOVERY POINT / WHY NOT"],
                &rows,
                "No backup has run yet.",
            )
        })
    }
}

/// A job in a JSON document.
pub fn document(job: &Job) -> Value {
    json!({
        "job": job.job,
        "machine": job.machine,
        "cause": job.cause,
        "step": job.step,
        "message": job.message,
        "stage": job.stage,
        "sent": job.sent,
        "expected": job.expected,
        "started": job.started,
        "seconds": job.seconds,
        "point": job.point,
        "report": embedded(&job.report),
    })
}
