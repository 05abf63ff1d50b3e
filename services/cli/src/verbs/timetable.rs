//! `understudy timetable`.

use clap::Subcommand;
use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, time};

/// What to do with a timetable.
#[derive(Subcommand)]
pub enum Timetable {
    /// Back a machine up by itself at the times given
    #[command(after_help = "TIMES has six fields: second minute hour day-of-month month day-of-week.\n\
  \"0 30 2 * * *\"         half past two every night\n\
  \"0 0 */4 * * MON-FRI\"  every four hours on working days\n\
  \"*/30 * * * * *\"       every thirty seconds")]
    Set {
        /// The machine
        machine: String,
        /// Six fields, in quotes
        times: String,
        /// Time zone they are meant in, for example Europe/Berlin
        #[arg(long, default_value = "UTC")]
        zone: String,
    },
    /// Show a machine's timetable
    Show {
        /// The machine
        machine: String,
    },
    /// Remove a machine's timetable
    Clear {
        /// The machine
        machine: String,
    },
}

impl Timetable {
    /// Does it, and shows the timetable as it then is.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let (Self::Set { machine, .. } | Self::Show { machine } | Self::Clear { machine }) = self;
        let id = link.machine(machine).await?.machine;
        match self {
            Self::Set { times, zone, .. } => {
                link.scheduler.set_timetable(&id, times, zone).await.map_err(plain)?
            }
            Self::Clear { .. } => link.scheduler.set_timetable(&id, "", "").await.map_err(plain)?,
            Self::Show { .. } => {}
        }
        let now = link.machine(&id).await?;
        let document = json!({
            "machine": now.machine, "timetable": now.timetable, "time_zone": now.time_zone, "due": now.due
        });
        output.show(document, || match now.timetable.as_str() {
            "" => format!("{} has no timetable: it is backed up only when asked for.", now.name),
            times => format!(
                "{} is backed up at \"{times}\" ({}), next: {}",
                now.name,
                now.time_zone,
                time(now.due)
            ),
        })
    }
}
