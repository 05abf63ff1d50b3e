//! What a box does by itself: gives way to the version before when a new one is damaged, does not become healthy, or hangs. It protects
//! a machine meanwhile, and the version before goes on with what the new one wrote.

use anyhow::{Context, ensure};

use super::bundles::{NEXT, UNHEALTHY};
use super::mirror::Mirror;
use super::{COMMAND, FILE, INSTALL, Options, expect, fetch, prepare};
use crate::appliance::Appliance;
use crate::narrate::Narrator;
use crate::story::{self, Cast, backups};

/// Plays it.
pub fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    let (world, images, mirror) = prepare(options, narrator)?;
    let mut cast = story::raise_the_curtain(narrator, &world, &images, Appliance::boot_with_outside)?;
    let attempt = acts(&mut cast, &mirror);
    if attempt.is_err() {
        story::save_journals(&cast, narrator);
    }
    attempt.with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))
}

fn acts(cast: &mut Cast<'_>, mirror: &Mirror) -> anyhow::Result<()> {
    let narrator = cast.narrator;
    narrator.step("the old version takes the first backup", || {
        expect(&cast.appliance, "A", "0.1.0")?;
        story::pair(cast)?;
        backups::now(cast, "first", "first")
    })?;
    narrator.step("the new version is installed, starts and is found good", || {
        let update = format!("understudy --json update {}", mirror.url(NEXT));
        cast.appliance.shell.succeed(&update, INSTALL)?;
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
