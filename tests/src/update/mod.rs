//! Updates of the appliance, on the booted image with its real RAUC.

mod bundles;
mod flashed;
mod mirror;
mod torture;

pub use torture::torture;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::Deadline;
use rauc_bundle::DevelopmentKeys;

use crate::appliance::{Appliance, text};
use crate::narrate::Narrator;
use crate::story::{self, Cast, backups};
use crate::world::{Images, World};
use bundles::{Bundles, NEXT, REFUSED, UNHEALTHY};
use mirror::Mirror;

/// An installation on an emulated box.
const INSTALL: Duration = Duration::from_secs(900);
const COMMAND: Duration = Duration::from_secs(120);
/// An update of which so little changed is downloaded at most to this part of its bundle.
const DELTA_PERCENT: u64 = 15;
/// Power cuts at the end; `cargo xtask torture update` plays as many as are asked for.
const ROUNDS: u32 = 2;
const SEED: u64 = 1;
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

/// Plays all of it, on a box that protects a machine: what is refused; an update over the network, which works; the damage of its root,
/// which brings the version before back; and a version that does not become healthy.
pub fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    let (world, images, bundles) = prepare(options, narrator)?;
    let mirror = Mirror::of(&bundles.folder)?;
    let mut cast = story::raise_the_curtain(narrator, &world, &images, Appliance::boot_with_outside)?;
    let attempt = acts(&mut cast, &mirror);
    if attempt.is_err() {
        story::save_journals(&cast, narrator);
    }
    attempt.with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))
}

fn build_all(options: &Options) -> anyhow::Result<(Images, Bundles)> {
    let builder = os_image::Builder::open(&options.workspace, &options.cache)?
        .with_keyring(options.keys.authority.clone());
    let images = Images::build(&options.workspace, &builder)?;
    let folder = options.out.join("bundles");
    Ok((images, Bundles::make(&options.workspace, &builder, &options.keys, &folder)?))
}

fn prepare(options: &Options, narrator: &Narrator) -> anyhow::Result<(World, Images, Bundles)> {
    let world = World::new(&options.out.join("run"))?;
    let (mut images, bundles) = narrator.step("build the images and their bundles", || build_all(options))?;
    images.appliance = narrator.step("flash the image into a file as large as a disk", || {
        flashed::disk(&images.appliance, &world.run_dir.join("flashed.raw"))
    })?;
    Ok((world, images, bundles))
}

fn acts(cast: &mut Cast<'_>, mirror: &Mirror) -> anyhow::Result<()> {
    let narrator = cast.narrator;
    narrator.step("the flashed box is good, and its state has grown into the disk", || {
        let size = cast.appliance.shell.succeed("findmnt -bno SIZE /state", COMMAND)?;
        let size: u64 = size.trim().parse().with_context(|| format!("findmnt says {size:?}"))?;
        ensure!(size > flashed::SIZE / 2, "/state has {size} bytes of {} on the disk", flashed::SIZE);
        expect(&cast.appliance, "A", "0.1.0")
    })?;
    narrator.step("the old version takes the first backup", || {
        story::pair(cast)?;
        backups::now(cast, "first", "first")
    })?;
    narrator.step("what is not for this box is refused", || refused(&cast.appliance, mirror))?;
    narrator.step("an update is streamed, and only what changed travels", || {
        mirror.sent();
        let update = format!("understudy --json update {}", mirror.url(NEXT));
        let installed = cast.appliance.shell.succeed(&update, INSTALL)?;
        ensure!(installed.contains("0.2.0"), "the update says {installed}");
        let (sent, whole) = (mirror.sent(), mirror.size(NEXT)?);
        narrator.note(&format!("{} of {} KiB were downloaded", sent >> 10, whole >> 10));
        ensure!(
            (1..whole * DELTA_PERCENT / 100).contains(&sent),
            "{sent} bytes of {whole} were downloaded: not some, and less than {DELTA_PERCENT} %"
        );
        anyhow::Ok(())
    })?;
    narrator.step("the new version starts and is found good", || {
        cast.appliance.reboot()?;
        expect(&cast.appliance, "B", "0.2.0")
    })?;
    narrator.step("the new version takes a backup", || backups::now(cast, "second", "changed"))?;
    narrator.step("a flipped byte of its root is never served, and the old version comes back", || {
        damaged_root(&mut cast.appliance)
    })?;
    narrator.step("the old version goes on with what the new one wrote", || {
        backups::now(cast, "third", "changed")
    })?;
    narrator.step("compare every recovery point with its copy", || backups::prove(cast))?;
    narrator.step("a version that does not become healthy gives way by itself", || {
        let appliance = &mut cast.appliance;
        fetch(appliance, mirror, UNHEALTHY)?;
        appliance.shell.succeed(&format!("understudy --json update {FILE}"), INSTALL)?;
        appliance.reboot()?;
        // It says that it is ready too: it is its health that is not.
        appliance.restarted()?;
        expect(appliance, "A", "0.1.0")?;
        let said = appliance.refused("rollback")?;
        ensure!(said.contains("nothing to go back to"), "going back to it was refused with {said}");
        anyhow::Ok(())
    })?;
    narrator.step("a system that hangs is reset by the watchdog", || {
        // Without its first process, which freezes after a crash, nobody keeps the watchdog content.
        cast.appliance.vm.virtio_console().send_line("kill -SEGV 1")?;
        cast.appliance.restarted()?;
        expect(&cast.appliance, "A", "0.1.0")
    })?;
    torture::play(&mut cast.appliance, mirror, ROUNDS, SEED, narrator)?;
    narrator.step("its owner goes back to the version before, which starts and is found good", || {
        let (_, version) = running(&cast.appliance)?;
        let back = text(&cast.appliance.ask("rollback")?, "slot")?.to_owned();
        cast.appliance.reboot()?;
        expect(&cast.appliance, &back, if version == "0.1.0" { "0.2.0" } else { "0.1.0" })
    })
}

/// Flips one byte of the filesystem that slot B, which runs, has as its root. The kernel refuses to read the block; after a reboot the
/// loader tries the slot three times, and then starts the other one.
fn damaged_root(appliance: &mut Appliance) -> anyhow::Result<()> {
    // In the superblock of erofs, which lies at 1024: without it nothing is mounted.
    let read = "dd if=/dev/mapper/root bs=4096 count=1 iflag=direct status=none | sha256sum";
    let before = appliance.shell.succeed(&format!("set -o pipefail; {read}"), COMMAND)?;
    appliance.shell.succeed(
        "printf '\\377' | dd of=/run/boot-disk/root-b bs=1 seek=1030 conv=notrunc,fsync status=none",
        COMMAND,
    )?;
    let after = appliance.shell.run(&format!("set -o pipefail; {read}"), COMMAND)?;
    ensure!(
        after.status != 0 && !after.stdout.contains(before.split(' ').next().unwrap_or_default()),
        "the damaged block was read: {}",
        after.stdout
    );
    appliance.reboot()?;
    expect(appliance, "A", "0.1.0")
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

fn fetch(appliance: &Appliance, mirror: &Mirror, bundle: &str) -> anyhow::Result<()> {
    let command = format!("busybox wget -q -O {FILE} {}", mirror.url(bundle));
    appliance.shell.succeed(&command, Duration::from_secs(300))?;
    Ok(())
}

/// Waits until the box has judged itself, and compares what runs.
fn expect(appliance: &Appliance, slot: &str, version: &str) -> anyhow::Result<()> {
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
