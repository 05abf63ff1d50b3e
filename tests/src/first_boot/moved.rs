//! What an owner lives through at the console: a box is set up at its serial line and takes its first backup; it is destroyed; another
//! box is set up at its screen and keyboard, takes over the disks, and what was backed up starts there.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use qemu_harness::{Bytes, Disk, Key, Layout, Mac, UserNic, Vm};
use serde_json::Value;

use super::bundle;
use super::person::Person;
use super::prepare;
use super::set_up::{self, Given, Lan, PASSWORD, Step, Wishes};
use super::stick::Stick;
use crate::appliance::{Appliance, DATA_DISK, words};
use crate::narrate::Narrator;
use crate::story::{self, Cast, backups, failover};
use crate::world::{Images, World};

const COMMAND: Duration = Duration::from_secs(120);
const STICK: Bytes = Bytes::mib(128);
/// A recovery key that is none of this story's.
const ANOTHER_KEY: &str = "000011 000022 000033 000044 000055 000066 000077 000088";

/// Plays it; consoles, logs and pictures go to `out`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let (world, images) = prepare(workspace, builder, out, narrator)?;
    let mut given = None;
    let mut cast = story::raise_the_curtain(narrator, &world, &images, |world, images| {
        let (appliance, from_the_box) = at_the_serial_line(world, images, narrator)?;
        given = Some(from_the_box);
        Ok(appliance)
    })?;
    let given = given.context("nobody has set the box up")?;
    let attempt = acts(&mut cast, &given);
    if attempt.is_err() {
        story::save_journals(&cast, narrator);
    }
    attempt.with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))
}

/// The first so many bytes of a disk, which hold what tells its contents.
fn head(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(4 << 20).read_to_end(&mut head));
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(head)
}

fn at_the_serial_line(
    world: &World,
    images: &Images,
    narrator: &Narrator,
) -> anyhow::Result<(Appliance, Given)> {
    // A disk with a file system on it that somebody may still want.
    let keepsake = Stick::make(&world.run_dir, "KEEPSAKE", DATA_DISK, &[])?;
    let before = head(keepsake.file())?;
    let begin = Instant::now();
    let data = [Disk::blank(DATA_DISK).named("data-a").serial("data-a"), keepsake.disk("data-b")];
    let vm = Appliance::unconfigured("appliance", images, data)
        .nic(&world.network, world.appliance_mac)
        .launch(&world.run_dir)?;
    let wishes = Wishes { erase: &["data-b"], ..Wishes::default() };
    let given = set_up::at_the_serial_line(&vm, &wishes, narrator, || {
        ensure!(head(keepsake.file())? == before, "a disk was written to before anybody agreed");
        Ok(())
    })?;
    Ok((Appliance::set_up(vm, begin.elapsed().as_secs_f64())?, given))
}

fn acts(cast: &mut Cast<'_>, given: &Given) -> anyhow::Result<()> {
    let narrator = cast.narrator;
    let begin = Instant::now();
    narrator.step("pair the machine with the code that the console showed", || {
        story::pair_with(cast, &given.pairing_code)
    })?;
    narrator.step("first backup", || backups::now(cast, "first", "first"))?;
    narrator.note(&format!("{:.0} s from the overview to the first backup", begin.elapsed().as_secs_f64()));
    narrator.step("second backup", || backups::now(cast, "second", "changed"))?;
    let before = narrator.step("what the box knows", || knows(&cast.appliance, &cast.id))?;
    narrator.step("the catalogue is made anew from the pool alone, the same row by row", || {
        let rebuilt = cast.appliance.ask("catalog rebuild")?;
        ensure!(
            rebuilt["machines"] == 1
                && rebuilt["points"] == 2
                && rebuilt["unreadable"] == serde_json::json!([]),
            "one machine with two points is {rebuilt:#}"
        );
        same(&before, &knows(&cast.appliance, &cast.id)?)
    })?;
    narrator.step("the box is destroyed; one that is told to make a pool of its disk refuses", || {
        cast.appliance.vm.power_cut()?;
        not_taken(cast)
    })?;
    let successor = narrator.step(
        "another takes its disks over, at screen and keyboard, and writes a support bundle without a secret",
        || at_the_screen(cast.world, cast.images, &cast.appliance.vm, given),
    )?;
    cast.appliance = successor;
    narrator.step("it knows the same, row by row", || same(&before, &knows(&cast.appliance, &cast.id)?))?;
    narrator.step("compare every recovery point with its copy", || backups::prove(cast))?;
    narrator.step("the machine dies; its stand-in boots on the other box", || failover::latest(cast))
}

/// A box whose configuration disk names a disk with a pool on it says so, and leaves the disk as it is, to the last byte.
fn not_taken(cast: &Cast<'_>) -> anyhow::Result<()> {
    let disk = cast.appliance.vm.disk_file("data-a")?;
    let before = digest(&disk)?;
    let said = Appliance::newcomer(cast.world, cast.images, &disk)?;
    ensure!(said.contains("Understudy set-up"), "a box took a disk with a pool on it: {said}");
    ensure!(
        said.contains("data-a") && said.contains("ZFS pool"),
        "the refusal does not say what is where: {said}"
    );
    cast.narrator.note(&said);
    ensure!(digest(&disk)? == before, "the refused disk was written to");
    Ok(())
}

/// Of what is in a file that is mostly holes.
fn digest(file: &Path) -> anyhow::Result<String> {
    let command = "set -o pipefail; tar --create --sparse --hole-detection=raw --mtime=@0 --file=- --absolute-names \"$1\" | sha256sum";
    let output = Command::new("bash").args(["-c", command, "bash"]).arg(file).output();
    let output = output.context("cannot start bash")?;
    ensure!(
        output.status.success(),
        "cannot read {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn same(before: &Value, after: &Value) -> anyhow::Result<()> {
    ensure!(after == before, "before: {before:#}\nafter: {after:#}");
    Ok(())
}

/// Machines and recovery points, without what time changes.
fn knows(appliance: &Appliance, id: &str) -> anyhow::Result<Value> {
    let mut machines = appliance.ask("machines")?;
    for machine in machines["machines"].as_array_mut().into_iter().flatten() {
        if let Some(machine) = machine.as_object_mut() {
            machine.remove("seen");
        }
    }
    Ok(serde_json::json!({ "machines": machines, "points": appliance.ask(&format!("points {id}"))? }))
}

/// Another box with the disks of one that is no more, set up with every kind of wrong answer.
fn at_the_screen(world: &World, images: &Images, gone: &Vm, given: &Given) -> anyhow::Result<Appliance> {
    let begin = Instant::now();
    let stick = Stick::make(&world.run_dir, "TOOLS", STICK, &[])?;
    let disk = |name: &str| anyhow::Ok(Disk::file(gone.disk_file(name)?).named(name).serial(name));
    let vm = Appliance::unconfigured("successor", images, [disk("data-a")?, disk("data-b")?])
        .disk(stick.disk("stick"))
        .user_nic(UserNic::new(Mac::numbered(0x40)).outbound())
        .launch(&world.run_dir)?;
    let person =
        Person::at_the_screen(&vm, Layout::DE_NO_DEAD_KEYS)?.with_album(world.run_dir.join("pictures"))?;
    let wishes =
        Wishes { host_name: "understudy-2", lan: Lan::Dhcp, password: PASSWORD, disks: &[], erase: &[] };
    for step in set_up::before_storage() {
        match step {
            Step::Keyboard => {
                german_keyboard(&person)?;
                continue;
            }
            Step::HostName => {
                person.page(step.shows())?;
                person.fills("Host name:", "my box!\n")?;
                person.sees("is no host name")?;
            }
            Step::Network => wrong_networks(&person)?,
            Step::Password => wrong_passwords(&person)?,
            _ => {}
        }
        step.go_on(&person, &wishes, &mut Vec::new())?;
    }
    take_over(&person, given)?;
    let pairing_code = set_up::agree(&person, &wishes)?;
    person.sees(crate::machine::NAME)?;
    person.picture("overview")?;
    let ready_seconds = begin.elapsed().as_secs_f64();
    bundle::play(&person, &vm, &Given { key: given.key.clone(), pairing_code }, &stick)?;
    drop(person);
    Appliance::set_up(vm, ready_seconds)
}

/// What is printed on the keys is German.
fn german_keyboard(person: &Person<'_>) -> anyhow::Result<()> {
    person.page(Step::Keyboard.shows())?;
    person.types("german")?;
    person.chooses("de ")?;
    person.picture("keyboard")?;
    person.types("\n")?;
    // The layout is loaded meanwhile.
    person.seat.wait_stable(Duration::from_secs(2), COMMAND)?;
    person.types("zy-/")?;
    person.sees("[zy-/_")?;
    person.types("\n")
}

fn wrong_networks(person: &Person<'_>) -> anyhow::Result<()> {
    person.page(Step::Network.shows())?;
    person.types("\t")?;
    person.seat.press(Key::Down)?;
    person.sees("> (*) The box has a fixed address")?;
    person.types("\t192.0.2.300/24\t")?;
    person.button("Try it")?;
    person.sees(" ! ")?;
    person.fills("Address/prefix:", "192.0.2.9/24")?;
    person.fills("Router:", "192.0.2.1")?;
    person.button("Try it")?;
    person.page("The network does not work")?;
    person.picture("network-trial-failed")?;
    person.button("Change the settings")?;
    person.page(Step::Network.shows())?;
    person.goes_to("(*) The box has a fixed address")?;
    person.seat.press(Key::Up)?;
    person.sees("> (*) The network gives the box its address")?;
    person.goes_to("(*) eth0")
}

fn wrong_passwords(person: &Person<'_>) -> anyhow::Result<()> {
    person.page(Step::Password.shows())?;
    person.types("12345678\n12345679\n")?;
    person.sees("The two are not the same")?;
    person.fills("Password:", "password1")?;
    person.fills("Once more:", "password1\n")?;
    person.sees("This password is weak")?;
    for field in ["Password:", "Once more:"] {
        person.fills(field, "")?;
    }
    person.goes_to("Password:")
}

/// The pool that is on the disks, with its key, after other keys.
fn take_over(person: &Person<'_>, given: &Given) -> anyhow::Result<()> {
    set_up::existing_pool(person, |person| {
        person.button("Go on")?;
        person.sees("Say with the space bar or x that backstage is off")?;
        person.picture("import")?;
        person.goes_to("[ ] That computer is off")?;
        person.types("x")
    })?;
    person.fills("Recovery key:", "123456 123456\n")?;
    person.sees("A recovery key has 48 digits")?;
    person.fills("Recovery key:", &format!("{ANOTHER_KEY}\n"))?;
    person.page("Summary (7 of 7)")?;
    person.button("Set the box up")?;
    let said = words(&person.page("The box could not be set up")?);
    ensure!(said.contains("key"), "what failed is not said: {said}");
    person.picture("failed")?;
    person.goes_to("(*)")?;
    person.chooses("Go back and change: Storage")?;
    person.button("Go on")?;
    set_up::existing_pool(person, |_| Ok(()))?;
    person.fills("Recovery key:", &format!("{}\n", given.key.join(" ")))?;
    person.page("Summary (7 of 7)")?;
    Ok(())
}
