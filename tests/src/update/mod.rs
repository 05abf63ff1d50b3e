//! Updates of the appliance, on the booted image with its real RAUC.

mod bundles;
mod fallback;
mod flashed;
mod installation;
mod mirror;
mod torture;

pub use fallback::play as fallback;
pub use installation::play as installation;
pub use torture::torture;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::Deadline;
use rauc_bundle::DevelopmentKeys;

use crate::appliance::{Appliance, text};
use crate::first_boot;
use crate::narrate::Narrator;
use crate::world::{Images, World};
use bundles::Bundles;
pub(crate) use bundles::{NEXT, TAMPERED};
pub(crate) use mirror::Mirror;

/// An installation on an emulated box.
const INSTALL: Duration = Duration::from_secs(900);
const COMMAND: Duration = Duration::from_secs(120);
/// Where a bundle lies on the box.
const FILE: &str = "/state/update.raucb";

/// What is tried on what.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace with the recipes.
    pub workspace: PathBuf,
    /// Where images are built and kept.
    pub cache: PathBuf,
    /// Keys that the box trusts.
    pub keys: DevelopmentKeys,
    /// Where everything else goes.
    pub out: PathBuf,
}

/// A world with a mirror that has the bundles, and the images, of which the appliance's is flashed onto a disk.
pub(crate) fn prepare(options: &Options, narrator: &Narrator) -> anyhow::Result<(World, Images, Mirror)> {
    let world = World::new(&options.out.join("run"))?;
    let (mut images, mirror) = narrator.step("build the images and their bundles", || {
        let builder = os_image::Builder::open(&options.workspace, &options.cache)?
            .with_keyring(options.keys.authority.clone());
        let images = Images::build(&options.workspace, &builder)?;
        let bundles =
            Bundles::make(&options.workspace, &builder, &options.keys, &options.out.join("bundles"))?;
        anyhow::Ok((images, Mirror::of(&bundles.folder)?))
    })?;
    images.appliance = narrator.step("flash the image into a file as large as a disk", || {
        flashed::disk(&images.appliance, &world.run_dir.join("flashed.raw"))
    })?;
    Ok((world, images, mirror))
}

/// Plays `acts` on a flashed box that protects nothing yet; on failure its journal is kept.
fn on_a_box(
    options: &Options,
    narrator: &Narrator,
    acts: impl FnOnce(&mut Appliance, &Mirror) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (world, images, mirror) = prepare(options, narrator)?;
    let mut appliance = narrator.step("boot a box, and set it up by typing at its serial line", || {
        first_boot::boot_with_outside(&world, &images, narrator)
    })?;
    let attempt = acts(&mut appliance, &mirror);
    if attempt.is_err() {
        let _ = appliance.save_journal(&world.run_dir.join("appliance.journal"));
    }
    attempt.with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))
}

fn fetch(appliance: &Appliance, mirror: &Mirror, bundle: &str) -> anyhow::Result<()> {
    let command = format!("busybox wget -q -O {FILE} {}", mirror.url(bundle));
    appliance.shell.succeed(&command, Duration::from_secs(300))?;
    Ok(())
}

/// Waits until the box has judged itself, and compares what runs.
pub(crate) fn expect(appliance: &Appliance, slot: &str, version: &str) -> anyhow::Result<()> {
    let found = running(appliance)?;
    ensure!(
        found == (slot.to_owned(), version.to_owned()),
        "version {} runs in slot {}, not {version} in {slot}",
        found.1,
        found.0
    );
    Ok(())
}

/// Slot and version that run, once the box has judged itself; it must be good.
fn running(appliance: &Appliance) -> anyhow::Result<(String, String)> {
    let judged = "timeout 300 sh -c 'until systemctl is-active -q understudy-health; do sleep 1; done' || \
                  { systemctl status --no-pager --full understudy-health; systemctl list-jobs; false; }";
    appliance.shell.succeed(judged, Deadline::seconds(330))?;
    let release = appliance.shell.succeed(". /usr/lib/os-release; echo $IMAGE_VERSION", COMMAND)?;
    let slots = appliance.ask("slots")?;
    let all = slots["slots"].as_array().context("no list of slots")?;
    let running = all.iter().find(|one| one["state"] == "booted").context("no slot is booted")?;
    ensure!(text(running, "boot_status")? == "good", "slot {running} is not good");
    Ok((text(running, "slot")?.to_owned(), release.trim().to_owned()))
}
