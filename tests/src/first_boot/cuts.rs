//! The power fails in every step of set-up. Before anybody has agreed to the summary, set-up begins anew and nothing was written to a
//! disk; afterwards the box goes on by itself, or begins anew and lets itself be set up. Never is there half a pool.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::{Deadline, Seat, Vm};

use super::person::Person;
use super::prepare;
use super::set_up::{self, DISKS, STEPS, Step, Wishes};
use crate::appliance::{Appliance, DATA_DISK, words};
use crate::narrate::Narrator;
use crate::proof::not_zero_bytes;
use crate::world::{Images, World};

/// Seconds after somebody agreed: the answers are handed over, kept, name and network applied, the pool made, services started. And of which
/// disks the pool is made.
const AFTER: [(f64, &[&str]); 5] = [(0.2, &DISKS), (1.0, &FOUR), (3.0, &DISKS), (6.0, &FOUR), (12.0, &DISKS)];
/// Serial numbers of disks that make a raidz2.
const FOUR: [&str; 4] = ["data-a", "data-b", "data-c", "data-d"];
const COMMAND: Duration = Duration::from_secs(120);

/// Plays it; consoles and logs go to `out`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let (world, images) = prepare(workspace, builder, out, narrator)?;
    let wishes = Wishes::default();
    let mut vm =
        narrator.step("boot a box that nobody has set up", || boot(&world, &images, "pages", &DISKS))?;
    for step in STEPS.into_iter().filter(|step| *step != Step::Erase) {
        narrator.step(&format!("the power fails at the page that shows {:?}", step.shows()), || {
            at_page(&mut vm, step, &wishes)
        })?;
    }
    drop(vm);
    for (number, (after, disks)) in AFTER.into_iter().enumerate() {
        let wishes = Wishes { disks, ..Wishes::default() };
        let what = format!("the power fails {after} s after a pool of {} disks is agreed to", disks.len());
        let came = narrator
            .step(&what, || {
                let vm = boot(&world, &images, &format!("applying-{number}"), disks)?;
                after_summary(vm, after, &wishes)
            })
            .with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))?;
        narrator.note(came);
    }
    Ok(())
}

fn boot(world: &World, images: &Images, name: &str, disks: &[&str]) -> anyhow::Result<Vm> {
    let vm = Appliance::unconfigured(name, images, set_up::blank(disks))
        .cpus(2)
        .nic(&world.network, world.appliance_mac);
    let vm = vm.launch(&world.run_dir)?;
    Person::at(Seat::at_terminal(&vm)).sees_first()?;
    Ok(vm)
}

/// Sets up as far as this page, and switches off and on again.
fn at_page(vm: &mut Vm, last: Step, wishes: &Wishes<'_>) -> anyhow::Result<()> {
    let person = Person::at(Seat::at_terminal(vm));
    let mut key = Vec::new();
    for step in STEPS.into_iter().take_while(|step| *step != last) {
        step.go_on(&person, wishes, &mut key)?;
    }
    person.page(last.shows())?;
    drop(person);
    vm.power_cut()?;
    for disk in DISKS {
        let written = not_zero_bytes(&vm.disk_file(disk)?, DATA_DISK.get())?;
        ensure!(written == 0, "{written} bytes were written to {disk} before anybody agreed");
    }
    vm.relaunch()?;
    Person::at(Seat::at_terminal(vm)).sees_first()?;
    Ok(())
}

/// Sets up, and switches off and on again so many seconds after that began to be carried out. Says what came up.
fn after_summary(mut vm: Vm, after: f64, wishes: &Wishes<'_>) -> anyhow::Result<&'static str> {
    let person = Person::at(Seat::at_terminal(&vm));
    set_up::to_the_summary(&person, wishes)?;
    person.button("Set the box up")?;
    // A moment, not something that can be waited for.
    std::thread::sleep(Duration::from_secs_f64(after));
    drop(person);
    vm.power_cut()?;
    vm.relaunch()?;
    let seat = Seat::at_terminal(&vm);
    let screen =
        seat.wait_until("set-up, or the overview of a box that serves", Deadline::seconds(600), |screen| {
            let said = words(screen);
            said.contains("Understudy set-up") || said.contains("Web page https://")
        })?;
    let came = if words(&screen).contains("Understudy set-up") {
        let person = Person::at(seat);
        set_up::to_the_summary(&person, wishes)?;
        set_up::agree(&person, wishes)?;
        "set-up began anew, and the same disks were taken"
    } else {
        "the box went on by itself"
    };
    let appliance = Appliance::set_up(vm, 0.0)?;
    let pool = appliance.shell.succeed(
        "zpool list -H -o name,health; zpool status; zfs get -H -o value encryption understudy/understudy",
        COMMAND,
    )?;
    let layout = if wishes.disks.len() == DISKS.len() { "mirror-0" } else { "raidz2-0" };
    for part in ["understudy\tONLINE", layout, "aes-256-gcm"] {
        ensure!(pool.contains(part), "{part:?} is missing; the pool is {pool}");
    }
    let name = appliance.shell.succeed("hostname", COMMAND)?;
    ensure!(name.trim() == wishes.host_name, "the box is called {name}");
    Ok(came)
}
