//! `understudy support`.

use clap::Subcommand;
use serde_json::json;
use understudy_bus::maintenance::MaintenanceProxy;

use crate::link::{Link, plain};
use crate::output::{Output, time};

/// Help from somebody who was not there.
#[derive(Subcommand)]
pub enum Support {
    /// Show whether shells for support may be opened at the box's terminals, or end that
    ///
    /// Support mode is switched on at the console of the box, by somebody in front of it, and ends by itself.
    Mode {
        /// End it, and its shells
        #[arg(long)]
        off: bool,
    },
}

impl Support {
    /// Does it.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let Self::Mode { off } = self;
        let maintenance = MaintenanceProxy::new(&link.bus).await?;
        if *off {
            maintenance.end_support_mode().await.map_err(plain)?;
        }
        let until = maintenance.support_mode().await.map_err(plain)?;
        output.show(json!({ "on": until != 0, "until": until }), || text(until))
    }
}

fn text(until: u64) -> String {
    match until {
        0 => "Support mode is off.".to_owned(),
        until => {
            format!("Support mode is on until {}. `understudy support mode --off` ends it.", time(until))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_is_on_says_how_it_is_ended() {
        assert_eq!(text(0), "Support mode is off.");
        assert!(text(1_767_323_045).contains("on until 2026-01-0") && text(1_767_323_045).contains("--off"));
    }
}
