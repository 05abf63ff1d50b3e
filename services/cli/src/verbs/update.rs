//! `understudy update`, `understudy rollback` and `understudy slots`.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use serde_json::json;
use understudy_bus::rauc::RaucProxy;
use understudy_bus::systemd::ManagerProxy;
use understudy_updates::{self as updates, Step, plain, text};
use zbus::zvariant::OwnedValue;

use crate::link::Link;
use crate::output::{Output, table};

/// What to install.
#[derive(clap::Args)]
pub struct Update {
    /// A bundle: a file on this box, or a URL to stream it from (only what changed is downloaded)
    bundle: String,
    /// Start the new version when it is installed
    #[arg(long)]
    reboot: bool,
}

impl Update {
    /// Installs into the slot that is not running.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let source = updates::source(&self.bundle)?;
        let mut shown = String::new();
        let installed = updates::run(&link.bus, &source, |step| show(output, &mut shown, step)).await?;
        let updates::Installed { version, slot } = installed;
        let document = json!({ "version_installed": version, "slot": slot, "rebooting": self.reboot });
        output.show(document, || {
            format!("Version {version} is installed in slot {slot}. {}", starts(self.reboot))
        })?;
        if self.reboot { reboot(link).await } else { Ok(()) }
    }
}

/// Shows how far an update is.
fn show(output: &Output, shown: &mut String, step: Step) {
    match step {
        Step::Waiting => {
            output.progress(shown, "waiting until the version that runs is found good".to_owned());
        }
        Step::Installing { percent, what } => output.progress(shown, format!("{percent:3} % {what}")),
        Step::Judged | Step::Ended => {
            output.progress_done(shown);
            shown.clear();
        }
        Step::Again(tries) => eprintln!(
            "The stream ended while it was mounted; it is begun again ({tries} of {})",
            updates::MOUNT_TRIES
        ),
        Step::Checking | Step::Offered(_) => {}
    }
}

/// Going back.
#[derive(clap::Args)]
pub struct Rollback {
    /// Start the version before at once
    #[arg(long)]
    reboot: bool,
}

impl Rollback {
    /// Lets the other slot start next, if it is good.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let rauc = RaucProxy::new(&link.bus).await?;
        let status = rauc.get_slot_status().await.map_err(plain)?;
        let other = status
            .iter()
            .map(|(_, slot)| slot)
            .find(|slot| !text(slot, "bootname").is_empty() && text(slot, "state") != "booted")
            .context("this box has one slot only")?;
        let name = text(other, "bootname");
        ensure!(
            text(other, "boot-status") == "good",
            "slot {name} holds no version that can be started, so there is nothing to go back to; \
             `understudy update` installs one"
        );
        rauc.mark("active", "other").await.map_err(plain)?;
        output.show(json!({ "slot": name, "rebooting": self.reboot }), || {
            format!("Slot {name} starts next. {}", starts(self.reboot))
        })?;
        if self.reboot { reboot(link).await } else { Ok(()) }
    }
}

fn starts(reboot: bool) -> &'static str {
    if reboot {
        "The box reboots now."
    } else {
        "It starts at the next reboot: `systemctl reboot`, when no backup and no virtual machine runs."
    }
}

async fn reboot(link: &Link) -> anyhow::Result<()> {
    ManagerProxy::new(&link.bus).await?.reboot().await.context("systemd does not reboot")
}

/// Lists both slots.
pub async fn slots(link: &Link, output: &Output) -> anyhow::Result<()> {
    let rauc = RaucProxy::new(&link.bus).await?;
    let primary = rauc.get_primary().await.map_err(plain)?;
    let status = rauc.get_slot_status().await.map_err(plain)?;
    let mut slots: Vec<_> = status.iter().filter(|(_, slot)| !text(slot, "bootname").is_empty()).collect();
    slots.sort_by_key(|(_, slot)| text(slot, "bootname"));
    let documents: Vec<_> = slots
        .iter()
        .map(|(name, slot)| {
            json!({
                "slot": text(slot, "bootname"),
                "state": text(slot, "state"),
                "boot_status": text(slot, "boot-status"),
                "version": text(slot, "bundle.version"),
                "next": *name == primary,
            })
        })
        .collect();
    output.show(json!({ "slots": documents }), || {
        let row = |(name, slot): &&(String, HashMap<String, OwnedValue>)| {
            let version = text(slot, "bundle.version");
            vec![
                text(slot, "bootname"),
                text(slot, "state"),
                text(slot, "boot-status"),
                if version.is_empty() { "as flashed, or empty".to_owned() } else { version },
                if *name == primary { "yes".to_owned() } else { String::new() },
            ]
        };
        let rows: Vec<_> = slots.iter().map(row).collect();
        table(&["SLOT", "STATE", "BOOT", "VERSION", "STARTS NEXT"], &rows, "No slots.")
    })
}
