//! The console of a box that is set up: no login, a shell in support mode only, updates from a stick and from an address, another password,
//! factory reset, power off. It begins with a configuration disk that cannot be used.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use qemu_harness::{Bytes, Deadline, Disk, Mac, Seat, UserNic};

use super::person::Person;
use super::set_up::{self, DISKS, Given, Lan, Wishes};
use super::stick::Stick;
use crate::appliance::{ADDRESS, Appliance, OUTSIDE, OVERVIEW, port, words};
use crate::narrate::Narrator;
use crate::update::{self, Mirror, NEXT, Options, TAMPERED};
use crate::world::{Images, World};

const COMMAND: Duration = Duration::from_secs(120);
/// Copying a bundle from a stick, checking and installing it, on an emulated box.
const INSTALLED: Duration = Duration::from_secs(1200);
/// What a box keeps of itself, each with its digest.
const KEPT: &str = "cd /var/lib/understudy && sha256sum settings/settings.toml gateway/authority.pem zfs-manager/recovery-key";
/// Calls what is meant for the console's menu.
const CALL: &str = "busctl call org.understudy.Maintenance1 /org/understudy/Maintenance1 \
    org.understudy.Maintenance1.Manager";
/// Room for two bundles.
const STICK: Bytes = Bytes::gib(1);
/// In its third line a name that no box can have.
const WRONG_ANSWERS: &str = "version = 1\n\nhost_name = \"my box!\"\n\n\
    [network]\naddress = \"dhcp\"\n\n[pool]\nimport = \"only\"\n";
/// Tag of a virtual network (IEEE 802.1Q).
const VLAN: &str = "7";
/// Of a third network card, which plays a neighbour in a virtual network.
const NEIGHBOUR: Mac = Mac::numbered(0x31);
const WHERE_FROM: &str = "Where does the new version come from?";
const FAILED: &str = "The update failed. The version that runs is untouched.";
const ANOTHER_PASSWORD: &str = "velvet anchor drifting lemon";

/// Plays it; consoles and logs go to `run` in the folder of `options`.
pub fn play(options: &Options, narrator: &Narrator) -> anyhow::Result<()> {
    let (world, images, mirror) = update::prepare(options, narrator)?;
    let bundles = options.out.join("bundles");
    let stick =
        Stick::make(&world.run_dir, "UPDATES", STICK, &[&bundles.join(TAMPERED), &bundles.join(NEXT)])?;
    let (mut appliance, given) = narrator.step(
        "a configuration disk with a mistake is refused; the box is set up by typing, without network",
        || boot(&world, &images, &stick, narrator),
    )?;
    let attempt = acts(&mut appliance, &given, &mirror, narrator);
    if attempt.is_err() {
        let _ = appliance.save_journal(&world.run_dir.join("appliance.journal"));
    }
    attempt.with_context(|| format!("consoles and logs are in {}", world.run_dir.display()))
}

fn boot(
    world: &World,
    images: &Images,
    stick: &Stick,
    narrator: &Narrator,
) -> anyhow::Result<(Appliance, Given)> {
    let begin = Instant::now();
    let vm = Appliance::unconfigured("appliance", images, set_up::blank(&DISKS))
        .cpus(2)
        .disk(stick.disk("stick"))
        .disk(Disk::files("UNDERSTUDY", [("understudy.toml", WRONG_ANSWERS)]).named("answers"))
        .nic(&world.network, world.appliance_mac)
        .nic(&world.network, NEIGHBOUR)
        .user_nic(UserNic::new(OUTSIDE).outbound())
        .launch(&world.run_dir)?;
    for mac in [world.appliance_mac, NEIGHBOUR, OUTSIDE] {
        vm.unplug_cable(mac)?;
    }
    let person = Person::at(Seat::at_terminal(&vm));
    person.sees_first()?;
    let said = words(&person.page("Nothing of that file was used")?);
    for part in ["understudy.toml, line 3: ", "\"my box!\" is no host name"] {
        ensure!(said.contains(part), "set-up does not say {part:?}: {said}");
    }
    drop(person);
    let wishes = Wishes { lan: Lan::None, ..Wishes::default() };
    let given = set_up::at_the_serial_line(&vm, &wishes, narrator, || Ok(()))?;
    vm.plug_cable(world.appliance_mac)?;
    Ok((Appliance::set_up(vm, begin.elapsed().as_secs_f64())?, given))
}

fn acts(
    appliance: &mut Appliance,
    given: &Given,
    mirror: &Mirror,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    narrator.step("it gets its network in the menu", || network(appliance))?;
    narrator.step("the menu moves it into a virtual network and back", || in_a_vlan(appliance))?;
    narrator.step("nobody can log in anywhere", || no_login(appliance))?;
    narrator.step("support mode gives a shell, until it is switched off", || support_mode(appliance))?;
    narrator.step("support mode ends by itself, and its shell with it", || it_ends_by_itself(appliance))?;
    narrator.step("a damaged version on a stick is refused; a good one is installed and starts", || {
        update_from_a_stick(appliance)
    })?;
    narrator.step(
        "an address with no version is told; from another one a version is installed and starts",
        || update_from_an_address(appliance, mirror),
    )?;
    narrator.step("another password", || another_password(appliance))?;
    narrator.step(
        "factory reset: the box forgets everything but its pool, which it takes back with the recovery key",
        || factory_reset(appliance, given),
    )?;
    narrator.step("power off", || power_off(appliance))
}

fn at_the_serial_line(appliance: &Appliance) -> Person<'_> {
    Person::at(Seat::at_terminal(&appliance.vm))
}

fn network(appliance: &Appliance) -> anyhow::Result<()> {
    let person = at_the_serial_line(appliance);
    person.opens("Network")?;
    person.page("What you fill in is tried first, and kept when you say so.")?;
    set_up::tries(&person, &set_up::fixed())?;
    keeps_the_network(&person)
}

/// Once it was tried.
fn keeps_the_network(person: &Person<'_>) -> anyhow::Result<()> {
    person.page("The network works with these settings.")?;
    person.button("Keep it")?;
    person.page("The network is changed.")?;
    person.closes_the_menu()?;
    person.sees(&format!("Web page https://{ADDRESS}/"))?;
    Ok(())
}

/// A neighbour that only sees frames with the tag reaches the box once the VLAN is set, and not before.
fn in_a_vlan(appliance: &Appliance) -> anyhow::Result<()> {
    let shell = &appliance.shell;
    let neighbour = port(NEIGHBOUR);
    let reach = format!("ip netns exec neighbour busybox ping -c 1 -w 60 {ADDRESS}");
    shell.succeed(
        &format!(
            "port={neighbour} && ip netns add neighbour && ip link set $port netns neighbour && cd / && \
             ip -n neighbour link add link $port name tagged type vlan id {VLAN} && \
             ip -n neighbour address add 10.77.0.77/24 dev tagged && \
             ip -n neighbour link set $port up && ip -n neighbour link set tagged up"
        ),
        COMMAND,
    )?;
    appliance.vm.plug_cable(NEIGHBOUR)?;
    let before = shell.run(&reach.replace("-w 60", "-w 5"), COMMAND)?;
    ensure!(before.status != 0, "the box answers tagged frames without a VLAN: {}", before.stdout);
    changes_the_vlan(appliance, VLAN)?;
    shell.succeed(&reach, COMMAND).context("in the VLAN the box is not reached")?;
    changes_the_vlan(appliance, "")?;
    let after = shell.run(&reach.replace("-w 60", "-w 5"), COMMAND)?;
    ensure!(after.status != 0, "the box is still in the VLAN: {}", after.stdout);
    appliance.vm.unplug_cable(NEIGHBOUR)?;
    shell.succeed("ip netns del neighbour", COMMAND)?;
    Ok(())
}

/// All else of the network stays as it is set.
fn changes_the_vlan(appliance: &Appliance, vlan: &str) -> anyhow::Result<()> {
    let person = at_the_serial_line(appliance);
    person.opens("Network")?;
    person.page("(*) The box has a fixed address")?;
    person.fills("VLAN (mostly none)", vlan)?;
    person.button("Try it")?;
    keeps_the_network(&person)
}

fn no_login(appliance: &Appliance) -> anyhow::Result<()> {
    let gettys = "systemctl list-units --plain --no-legend --state=active,activating '*getty@*' 'console-getty*' 'debug-shell*'";
    let gettys = appliance.shell.succeed(gettys, COMMAND)?;
    // The tests have a shell of their own, at a terminal that no box of an owner has.
    let others: Vec<_> = gettys.lines().filter(|line| !line.contains("hvc0")).collect();
    ensure!(others.is_empty(), "somebody could log in: {others:#?}");
    let said = appliance.shell.run(&format!("{CALL} OpenShell s ttyS0 2>&1"), COMMAND)?;
    ensure!(
        said.status != 0 && said.stdout.contains("support mode is off"),
        "a shell was given without support mode: {}",
        said.stdout
    );
    Ok(())
}

/// Opens the page of support mode and a shell from there, at whose prompt the person then is.
fn opens_a_shell(person: &Person<'_>) -> anyhow::Result<()> {
    person.page("A shell takes this terminal")?;
    person.button("Open a shell here")?;
    person.sees("[support mode; exit ends it]")?;
    person.types("echo $((6*7)) is $(id -un)\n")?;
    person.sees("42 is root")?;
    Ok(())
}

fn support_mode(appliance: &Appliance) -> anyhow::Result<()> {
    let person = at_the_serial_line(appliance);
    person.opens("Support mode")?;
    person.page("It is off.")?;
    person.button("Switch it on")?;
    opens_a_shell(&person)?;
    let screen = appliance.shell.succeed("cat /dev/vcs1", COMMAND)?;
    ensure!(screen.contains("SUPPORT MODE until"), "the screen of the box does not tell: {screen}");
    person.types("exit\n")?;
    let said = words(&person.page(OVERVIEW)?);
    ensure!(said.contains("SUPPORT MODE until"), "support mode is on, and the console does not tell: {said}");
    person.opens("Support mode")?;
    opens_a_shell(&person)?;
    // Somebody leaves without it. Root ends the mode, and the shell with it.
    appliance.shell.succeed("understudy support mode --off", COMMAND)?;
    let said = words(&person.page(OVERVIEW)?);
    ensure!(!said.contains("SUPPORT MODE"), "support mode is off, and the console says {said}");
    Ok(())
}

fn it_ends_by_itself(appliance: &Appliance) -> anyhow::Result<()> {
    appliance.shell.succeed(&format!("{CALL} StartSupportMode u 1"), COMMAND)?;
    let begin = Instant::now();
    let person = at_the_serial_line(appliance);
    person.opens("Support mode")?;
    opens_a_shell(&person)?;
    // A clock that somebody sets does not prolong it.
    person.types("date -s 2020-01-01; (trap '' HUP; sleep 4321) & sleep 4322\n")?;
    person.page(OVERVIEW)?;
    let taken = begin.elapsed();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    appliance.shell.succeed(&format!("date -s @{now}"), COMMAND)?;
    ensure!(taken > Duration::from_secs(55), "support mode of a minute ended after {} s", taken.as_secs());
    let left = "pgrep --version > /dev/null || echo there is no pgrep; pgrep -a -x sleep | grep 432 || true";
    let left = appliance.shell.succeed(left, COMMAND)?;
    ensure!(left.trim().is_empty(), "the shell has left something running: {left}");
    Ok(())
}

/// Chooses a file of the stick, and has it installed.
fn installs_from_the_stick(person: &Person<'_>, file: &str) -> anyhow::Result<()> {
    person.page(WHERE_FROM)?;
    person.button("Go on")?;
    person.page("Which version shall be installed?")?;
    person.chooses(file)?;
    installs(person)
}

/// Types where a version lies, and has it installed.
fn installs_from(person: &Person<'_>, url: &str) -> anyhow::Result<()> {
    person.page(WHERE_FROM)?;
    person.chooses("From an address in the network")?;
    person.button("Go on")?;
    person.page("Where does the new version lie?")?;
    person.fills("Address", url)?;
    installs(person)
}

/// Agrees to what was chosen.
fn installs(person: &Person<'_>) -> anyhow::Result<()> {
    person.button("Go on")?;
    person.page("The new version is written beside the one that runs.")?;
    person.button("Install")
}

fn update_from_a_stick(appliance: &mut Appliance) -> anyhow::Result<()> {
    let person = at_the_serial_line(appliance);
    person.opens("Update")?;
    installs_from_the_stick(&person, TAMPERED)?;
    person.page_within(FAILED, INSTALLED)?;
    person.sees("is damaged")?;
    person.button("Try again")?;
    installs_from_the_stick(&person, NEXT)?;
    starts_the_new_version(&person)?;
    drop(person);
    runs(appliance, "B")
}

fn update_from_an_address(appliance: &mut Appliance, mirror: &Mirror) -> anyhow::Result<()> {
    appliance.vm.plug_cable(OUTSIDE)?;
    appliance.goes_outside()?;
    let person = at_the_serial_line(appliance);
    person.opens("Update")?;
    installs_from(&person, &mirror.url("no-version.raucb"))?;
    let said = words(&person.page_within(FAILED, INSTALLED)?);
    ensure!(said.contains("no-version.raucb") && said.contains("404"), "what failed is not said: {said}");
    person.button("Try again")?;
    installs_from(&person, &mirror.url(NEXT))?;
    starts_the_new_version(&person)?;
    drop(person);
    runs(appliance, "A")
}

/// Waits for the end of the installation and restarts.
fn starts_the_new_version(person: &Person<'_>) -> anyhow::Result<()> {
    person.page_within("Version 0.2.0 is installed and starts with the next restart.", INSTALLED)?;
    person.button("Restart now")?;
    person.page("Stand-ins that run on this box end.")?;
    person.button("Restart")
}

/// Waits for the restart, and for what the box then says of itself.
fn runs(appliance: &mut Appliance, slot: &str) -> anyhow::Result<()> {
    appliance.restarted()?;
    let said = words(&at_the_serial_line(appliance).page(OVERVIEW)?);
    ensure!(
        said.contains(&format!("version 0.2.0, slot {slot}")),
        "after the restart the console says {said}"
    );
    update::expect(appliance, slot, "0.2.0")
}

fn another_password(appliance: &Appliance) -> anyhow::Result<()> {
    let kept = "grep password_hash /var/lib/understudy/settings/settings.toml";
    let before = appliance.shell.succeed(kept, COMMAND)?;
    let person = at_the_serial_line(appliance);
    person.opens("Password of the administrator")?;
    person.page("The new password of the administrator.")?;
    person.types(&format!("{ANOTHER_PASSWORD}\n{ANOTHER_PASSWORD}\n"))?;
    person.page("The password is changed.")?;
    person.closes_the_menu()?;
    let after = appliance.shell.succeed(kept, COMMAND)?;
    ensure!(
        after != before && after.contains("$argon2id$"),
        "the password is kept as {after}, before as {before}"
    );
    Ok(())
}

fn factory_reset(appliance: &mut Appliance, given: &Given) -> anyhow::Result<()> {
    let points = "zfs list -H -o name,guid -r understudy";
    let before = appliance.shell.succeed(points, COMMAND)?;
    let own = appliance.shell.succeed(KEPT, COMMAND)?;
    ensure!(own.lines().count() == 3, "the box keeps only {own}");
    let person = at_the_serial_line(appliance);
    person.opens("Factory reset")?;
    person.page("WHAT STAYS: the pool with all backups.")?;
    person.fills("Host name:", "another")?;
    person.button("Reset the box")?;
    person.sees("Type the name of this box, backstage")?;
    person.fills("Host name:", "backstage")?;
    person.button("Reset the box")?;
    person.seat.wait_gone("Factory reset", Deadline::seconds(300))?;

    person.sees_first()?;
    let shell = appliance.vm.virtio_console().shell(Deadline::seconds(120))?;
    let kept = shell.run(KEPT, COMMAND)?.stdout;
    for line in own.lines() {
        ensure!(!kept.contains(line), "the box still has {line}");
    }
    let wishes = Wishes::default();
    for step in set_up::before_storage() {
        step.go_on(&person, &wishes, &mut Vec::new())?;
    }
    set_up::existing_pool(&person, |_| Ok(()))?;
    person.fills("Recovery key:", &format!("{}\n", given.key.join(" ")))?;
    person.page("Summary (7 of 7)")?;
    set_up::agree(&person, &wishes)?;
    drop(person);
    appliance.shell = shell;
    let after = appliance.shell.succeed(points, COMMAND)?;
    ensure!(before == after, "the pool was\n{before}\nand is\n{after}");
    Ok(())
}

fn power_off(appliance: &mut Appliance) -> anyhow::Result<()> {
    let person = at_the_serial_line(appliance);
    person.opens("Power off")?;
    person.page("No backup runs now.")?;
    person.button("Power off")?;
    drop(person);
    Ok(appliance.vm.wait_off(Deadline::seconds(300))?)
}
