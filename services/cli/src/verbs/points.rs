//! `understudy points`.

use clap::Args;
use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, short, table, time};

/// Whose recovery points.
#[derive(Args)]
pub struct Points {
    /// The machine
    machine: String,
}

impl Points {
    /// Lists them.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let machine = link.machine(&self.machine).await?;
        let points = link.scheduler.points(&machine.machine).await.map_err(plain)?;
        let document: Vec<_> = points
            .iter()
            .map(|point| {
                json!({
                    "point": point.point,
                    "machine": point.machine,
                    "job": point.job,
                    "created": point.created,
                    "disks": point.disks,
                })
            })
            .collect();
        output.show(json!({ "points": document }), || {
            let rows: Vec<_> = points
                .iter()
                .map(|point| {
                    vec![
                        point.point.clone(),
                        time(point.created),
                        point.disks.len().to_string(),
                        short(&point.job),
                    ]
                })
                .collect();
            table(
                &["RECOVERY POINT", "TAKEN", "DISKS", "JOB"],
                &rows,
                &format!(
                    "{} has no recovery point yet: `understudy backup start {0}` makes one.",
                    machine.name
                ),
            )
        })
    }
}
