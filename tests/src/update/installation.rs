//! What an owner does: flashes a box, updates it, has the power fail at it, goes back.

use std::time::Instant;

use anyhow::{Context, ensure};

use super::bundles::{NEXT, REFUSED};
use super::mirror::Mirror;
use super::torture::{self, Pace};
use super::{COMMAND, FILE, INSTALL, Options, expect, fetch, flashed, on_a_box, running};
use crate::appliance::{Appliance, text};
use crate::narrate::Narrator;

/// An update of which so little changed is downloaded at most to this part of its bundle.
const DELTA_PERCENT: u64 = 15;
/// Power cuts; `cargo xtask torture update` plays as many as are asked for.
const ROUNDS: u32 = 2;
/// Draws one cut into an installation and one into a restart.
const SEED: u64 = 144;

/// Plays it: a flashed box; what it refuses; an update over the network; power cuts; the version before.
pub fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    on_a_box(options, narrator, |appliance, mirror| acts(appliance, mirror, narrator))
}

fn acts(appliance: &mut Appliance, mirror: &Mirror, narrator: &Narrator) -> anyhow::Result<()> {
    narrator.step("the flashed box is good, and its state has grown into the disk", || {
        let size = appliance.shell.succeed("findmnt -bno SIZE /state", COMMAND)?;
        let size: u64 = size.trim().parse().with_context(|| format!("findmnt says {size:?}"))?;
        ensure!(size > flashed::SIZE / 2, "/state has {size} bytes of {} on the disk", flashed::SIZE);
        expect(appliance, "A", "0.1.0")
    })?;
    narrator.step("a service that installs nothing may not ask RAUC", || not_for_everybody(appliance))?;
    narrator.step("what is not for this box is refused", || refused(appliance, mirror))?;
    let installation = narrator.step("an update is streamed, and only what changed travels", || {
        mirror.sent();
        let begin = Instant::now();
        let update = format!("understudy --json update {}", mirror.url(NEXT));
        let installed = appliance.shell.succeed(&update, INSTALL)?;
        let taken = begin.elapsed();
        ensure!(installed.contains("0.2.0"), "the update says {installed}");
        let (sent, whole) = (mirror.sent(), mirror.size(NEXT)?);
        narrator.note(&format!("{} of {} KiB were downloaded", sent >> 10, whole >> 10));
        ensure!(
            (1..whole * DELTA_PERCENT / 100).contains(&sent),
            "{sent} bytes of {whole} were downloaded: not some, and less than {DELTA_PERCENT} %"
        );
        anyhow::Ok(taken)
    })?;
    let restart = narrator.step("the new version starts and is found good", || {
        let begin = Instant::now();
        appliance.reboot()?;
        expect(appliance, "B", "0.2.0")?;
        anyhow::Ok(begin.elapsed())
    })?;
    torture::play(appliance, mirror, Pace { installation, restart }, ROUNDS, SEED, narrator)?;
    narrator.step("its owner goes back to the version before, which starts and is found good", || {
        let (_, version) = running(appliance)?;
        let back = text(&appliance.ask("rollback")?, "slot")?.to_owned();
        appliance.reboot()?;
        expect(appliance, &back, if version == "0.1.0" { "0.2.0" } else { "0.1.0" })
    })
}

fn not_for_everybody(appliance: &Appliance) -> anyhow::Result<()> {
    let ask = |user: &str| {
        let call = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer GetPrimary 2>&1";
        anyhow::Ok(appliance.shell.run(&format!("setpriv --reuid={user} --clear-groups {call}"), COMMAND)?)
    };
    let (scheduler, maintenance) = (ask("understudy-scheduler")?, ask("understudy-maintenance")?);
    ensure!(scheduler.stdout.contains("Access denied"), "the scheduler was answered: {}", scheduler.stdout);
    ensure!(maintenance.status == 0, "maintenance was not answered: {}", maintenance.stdout);
    Ok(())
}

/// None of the bundles changes anything.
fn refused(appliance: &Appliance, mirror: &Mirror) -> anyhow::Result<()> {
    let before = slots(appliance)?;
    for (bundle, why) in REFUSED {
        fetch(appliance, mirror, bundle)?;
        let said = appliance.refused(&format!("update {FILE}"))?;
        ensure!(said.contains(why), "{bundle} was refused without {why:?}: {said}");
        ensure!(slots(appliance)? == before, "{bundle} was refused and still changed something");
    }
    Ok(())
}

/// What RAUC and the loader say of the slots, and how many sectors were ever written to the other one since the start
/// (kernel: block/stat, field 7).
fn slots(appliance: &Appliance) -> anyhow::Result<String> {
    let command = "understudy --json slots; cat /efi/EFI/BOOT/grubenv; sync; for part in root-b boot-b; do \
                   awk '{print $7}' /sys/class/block/$(basename $(readlink /run/boot-disk/$part))/stat; done";
    Ok(appliance.shell.succeed(command, COMMAND)?)
}
