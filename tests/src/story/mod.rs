//! The main story, played for real and checked: build, boot, pair, three backups with independent proof, disaster,
//! stand-in, and an older point beside it.

pub(crate) mod backups;
pub(crate) mod failover;
mod ledger;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::appliance::{Appliance, text};
use crate::machine::{self, Machine};
use crate::narrate::Narrator;
use crate::report::{Image, Report};
use crate::world::{Images, World};
use ledger::Ledger;

/// How the story is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace with the recipes.
    pub workspace: PathBuf,
    /// Where images are built and kept.
    pub cache: PathBuf,
    /// Certificates that updates of the appliance must be signed by.
    pub keyring: PathBuf,
    /// Where the report and everything else goes.
    pub out: PathBuf,
    /// Also play what goes wrong: killed services, a cut cable.
    pub faults: bool,
}

/// The people of a running story.
pub(crate) struct Cast<'a> {
    pub narrator: &'a Narrator,
    pub world: &'a World,
    pub images: &'a Images,
    pub appliance: Appliance,
    pub machine: Machine,
    /// The machine's id on the box.
    pub id: String,
    pub report: Report,
    pub ledger: Ledger,
}

/// What is left of a story that has ended: dropping it ends the VMs.
pub struct Stage {
    /// The appliance, still running.
    pub appliance: Appliance,
    /// What was measured.
    pub report: Report,
    /// Consoles and logs.
    pub run_dir: PathBuf,
}

/// Plays the story to its end. On failure the logs stay where the error says, and the report of what was reached is written.
pub fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<Stage> {
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make {}", options.out.display()))?;
    let report_file = options.out.join("report.json");
    let world = World::new(&options.out.join("run"))?;
    let images = narrator.step("build the images", || {
        let builder = os_image::Builder::open(&options.workspace, &options.cache)?;
        Images::build(&options.workspace, &builder.with_keyring(options.keyring.clone()))
    })?;
    let mut cast = raise_the_curtain(narrator, &world, &images, Appliance::boot)?;
    let played = acts(&mut cast, options);
    cast.report.ended = match &played {
        Ok(()) => "complete".to_owned(),
        Err(_) => narrator.current_step(),
    };
    cast.report.write(&report_file)?;
    narrator.note(&format!("the report is in {}", report_file.display()));
    if let Err(error) = played {
        save_journals(&cast, narrator);
        return Err(error.context(format!(
            "the story stopped at «{}»; consoles, journals and QMP logs of both machines are in {}",
            cast.report.ended,
            world.run_dir.display()
        )));
    }
    Ok(Stage { appliance: cast.appliance, report: cast.report, run_dir: world.run_dir.clone() })
}

/// Boots the appliance, as one of its `boot` functions does, and the machine at the same time.
pub fn boot_both(
    narrator: &Narrator,
    world: &World,
    images: &Images,
    boot: impl FnOnce(&World, &Images) -> anyhow::Result<Appliance>,
) -> anyhow::Result<(Appliance, Machine)> {
    narrator.step("boot the appliance and the machine it will protect", || {
        std::thread::scope(|scope| {
            let machine = scope.spawn(|| Machine::boot(world, images));
            let appliance = boot(world, images);
            let machine = machine.join().map_err(|_| anyhow::anyhow!("booting the machine panicked"))?;
            Ok((appliance?, machine?))
        })
    })
}

pub(crate) fn raise_the_curtain<'a>(
    narrator: &'a Narrator,
    world: &'a World,
    images: &'a Images,
    boot: impl FnOnce(&World, &Images) -> anyhow::Result<Appliance>,
) -> anyhow::Result<Cast<'a>> {
    let (appliance, machine) = boot_both(narrator, world, images, boot)?;
    let report = Report {
        version: 1,
        image: Image { build_seconds: images.build_seconds, compressed_bytes: images.compressed_bytes },
        boot_ready_seconds: appliance.ready_seconds,
        services_memory_bytes: appliance.services_memory()?,
        ..Report::default()
    };
    Ok(Cast {
        narrator,
        world,
        images,
        appliance,
        machine,
        id: String::new(),
        report,
        ledger: Ledger::default(),
    })
}

fn acts(cast: &mut Cast<'_>, options: &Options) -> anyhow::Result<()> {
    let narrator = cast.narrator;
    narrator.step("pair the machine's agent with the box", || pair(cast))?;
    narrator.step("first backup, started by the timetable", || backups::by_timetable(cast))?;
    narrator.step("second backup: only what changed", || backups::changed(cast))?;
    if options.faults {
        crate::faults::play(cast)?;
    }
    narrator.step("reboot the machine, third backup: everything compared", || backups::after_reboot(cast))?;
    narrator.step("the machine dies; its stand-in boots from the latest point", || failover::latest(cast))?;
    narrator.step("the first point boots beside it", || failover::first_beside(cast))?;
    // Last, so that it also shows what stand-ins that write to their clones do to the points: nothing.
    narrator.step("compare every recovery point with its copy", || backups::prove(cast))
}

/// A code from the box, typed on the machine; then the box knows the machine's disks, firmware, system and network.
pub(crate) fn pair(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let answer = cast.appliance.ask("pair")?;
    let code = text(&answer, "code")?.to_owned();
    pair_with(cast, &code)
}

/// The same with a code that the box has given already.
pub(crate) fn pair_with(cast: &mut Cast<'_>, code: &str) -> anyhow::Result<()> {
    let pair = |code: &str| format!("understudy-agent pair {} {code}", crate::appliance::ADDRESS);
    let wrong = cast.machine.shell.run(&pair("0000-0000-0000"), Duration::from_secs(60))?;
    ensure!(wrong.status != 0, "a wrong pairing code was accepted: {}", wrong.stdout);
    cast.machine.shell.succeed(&pair(code), Duration::from_secs(60))?;
    let again = cast.machine.shell.run(&format!("{} --again", pair(code)), Duration::from_secs(60))?;
    ensure!(again.status != 0, "a used pairing code was accepted a second time: {}", again.stdout);
    let found = cast.appliance.wait_for(
        "inventory of the machine",
        "machines",
        Duration::from_secs(120),
        |document| {
            let machine = &document["machines"][0];
            Ok((!machine["inventory"].is_null()).then(|| machine.clone()))
        },
    )?;
    let inventory = &found["inventory"];
    ensure!(inventory["firmware"] == "uefi", "firmware is {}", inventory["firmware"]);
    ensure!(inventory["host_name"] == machine::NAME, "host name is {}", inventory["host_name"]);
    ensure!(inventory["os"].as_str().is_some_and(|os| os.contains("Debian")), "OS is {}", inventory["os"]);
    let disks = inventory["disks"].as_array().map_or(0, Vec::len);
    ensure!(disks == 2, "the machine has 2 disks, the inventory {disks}: {inventory:#}");
    let address = format!("{}/24", machine::ADDRESS);
    ensure!(
        inventory["interfaces"].to_string().contains(&address),
        "{address} is missing in {}",
        inventory["interfaces"]
    );
    cast.id = text(&found, "machine")?.to_owned();
    let size = |disk: &serde_json::Value| disk["size"].as_u64().context("a disk without a size");
    for disk in inventory["disks"].as_array().into_iter().flatten() {
        cast.ledger.add_disk(text(disk, "id")?, text(disk, "serial")?, size(disk)?)?;
    }
    Ok(())
}

pub(crate) fn save_journals(cast: &Cast<'_>, narrator: &Narrator) {
    let save = |name: &str, saved: anyhow::Result<()>| {
        if let Err(error) = saved {
            narrator.note(&format!("cannot keep the journal of the {name}: {error:#}"));
        }
    };
    let file = |name: &str| -> PathBuf { Path::new(&cast.world.run_dir).join(format!("{name}.journal")) };
    save("appliance", cast.appliance.save_journal(&file("appliance")));
    save("machine", cast.machine.save_journal(&file("machine")));
}
