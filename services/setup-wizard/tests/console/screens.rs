//! What each page looks like, compared with the files in `screens/`. After a change that is meant:
//! `UPDATE_SCREENS=1 cargo test -p understudy-setup-wizard --test console screens`, then read the difference.

use std::path::Path;

use understudy_setup_wizard::appliance::{Check, ImportablePool, Mistake, Stage};
use understudy_setup_wizard::keys::Key;
use understudy_setup_wizard::request::Request;
use understudy_setup_wizard::simulated::{World, disk};

use crate::play::Play;

pub fn compare(name: &str, play: &Play) {
    let shown = play.text();
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::write(&file, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(shown == expected, "{name} looks otherwise than {}:\n{shown}", file.display());
    assert_eq!(shown.lines().count(), 24);
    assert!(shown.lines().all(|line| line.len() <= 80 && line.is_ascii()));
}

pub fn foreign(name: &str) -> ImportablePool {
    ImportablePool {
        guid: 1234567890123456789,
        name: name.into(),
        health: "ONLINE".into(),
        disks: vec!["sdc".into(), "sdd".into()],
        last_host: "backup-paris".into(),
        ours: true,
        ..ImportablePool::default()
    }
}

fn many_disks() -> World {
    let mut world = World::new();
    let tb = 1_000_000_000_000;
    let mut system = disk("/dev/sda", "SYS-1", tb / 4, "");
    system.unusable = "the system of this box runs from it".into();
    world.disks = vec![
        system,
        disk("/dev/sdb", "WD-1001", 4 * tb, ""),
        disk("/dev/sdc", "WD-1002", 4 * tb, "Windows (NTFS, labelled \"Data\")"),
        disk("/dev/sdd", "WD-1003", 4 * tb, ""),
        disk("/dev/sde", "WD-1004", 6 * tb, ""),
    ];
    world
}

#[test]
fn the_first_pages() {
    let mut play = Play::new(World::new());
    compare("welcome", &play);
    play.until("Keyboard");
    compare("keyboard", &play);
    play.type_text("swi");
    compare("keyboard-found", &play);
    play.keys(&[Key::Enter, Key::Enter]);
    compare("host-name", &play);
    play.fill("Host name:", "not a name").button("Go on");
    compare("host-name-wrong", &play);
    play.until("Network");
    compare("network", &play);
    play.focus("(*) The network").press(Key::Down);
    play.fill("Address/prefix:", "10.0.0.2/24").fill("Router:", "10.0.1.1").button("Try it");
    compare("network-wrong", &play);
    play.fill("Router:", "10.0.0.1");
    play.until("Time");
    compare("time", &play);
    play.type_text("am").keys(&[Key::Tab]).type_text("ush");
    compare("time-found", &play);
    play.until("Password");
    play.fill("Password:", "password1").fill("Once more:", "password1").button("Go on");
    compare("password-weak", &play);
    play.fill("Once more:", "password2").button("Go on");
    compare("password-differs", &play);
}

#[test]
fn a_refused_answer_file() {
    let mut world = World::new();
    world.status.message =
        "understudy.toml, line 3: \"Box!\" is no host name: 1 to 63 of a-z, 0-9 and hyphens are expected, \
                            no hyphen first or last"
            .into();
    compare("welcome-refused", &Play::new(world));
}

#[test]
fn trials_of_a_network() {
    let mut play = Play::holding(World::new(), |request| matches!(request, Request::TryNetwork(..)));
    play.until("Network: trial");
    compare("trial-runs", &play);
    play.release();
    compare("trial-good", &play);
    let mut world = World::new();
    world.trial.checks[0] = Check {
        what: "Router".into(),
        ok: false,
        said: "192.0.2.1 does not answer; check the address, the VLAN and the cable".into(),
    };
    compare("trial-bad", Play::new(world).until("Network: trial"));
}

#[test]
fn a_new_pool() {
    let mut play = Play::new(many_disks());
    play.until("Storage: disks");
    compare("disks", &play);
    play.keys(&[Key::Down, Key::Down, Key::Char(' ')]);
    compare("disks-with-contents", &play);
    play.button("Go on");
    compare("erase", &play);
    play.type_text("WD-1003").button("Erase it");
    compare("erase-wrong", &play);
    play.until("Storage: layout");
    compare("layout-four", &play);
    play.until("Storage: encryption");
    compare("encryption", &play);
    play.button("Go on");
    compare("recovery-key", &play);
    play.button("It is on paper");
    compare("recovery-key-asked", &play);
    play.type_text("000012").button("Go on");
    compare("recovery-key-wrong", &play);
    play.until("Summary");
    compare("summary", &play);
    play.press(Key::PageDown);
    compare("summary-end", &play);
}

#[test]
fn few_disks() {
    let mut world = World::new();
    world.disks.clear();
    compare("disks-none", Play::new(world.clone()).until("Storage: disks"));
    world.disks = vec![disk("/dev/sda", "WD-1001", 4_000_787_030_016, "")];
    let mut play = Play::new(world);
    play.until("Storage: layout").button("Go on");
    compare("layout-one", &play);
    compare("layout-two", Play::new(World::new()).until("Storage: layout"));
}

#[test]
fn a_pool_that_is_there() {
    let mut world = World::new();
    let mut broken = foreign("old");
    broken.guid = 2;
    broken.health = "UNAVAIL".into();
    broken.missing = 1;
    broken.hint = "Too few of its disks are here.".into();
    let mut other = foreign("moved");
    other.guid = 3;
    other.in_use_elsewhere = true;
    world.importable = vec![broken, foreign("understudy"), other];
    let mut play = Play::new(world);
    play.until("Storage");
    compare("storage", &play);
    play.button("Go on");
    compare("import", &play);
    play.press(Key::Up);
    play.button("Go on");
    compare("import-refused", &play);
    play.focus("(*) old").keys(&[Key::Down, Key::Down]);
    play.button("Go on");
    compare("import-in-use", &play);
    play.focus("[ ] That").press(Key::Char('x'));
    play.button("Go on");
    play.type_text("000011 000023").button("Go on");
    compare("import-key", &play);
    play.until("Summary");
    compare("summary-import", &play);
}

#[test]
fn the_end_of_set_up() {
    let mut play = Play::holding(World::new(), |request| matches!(request, Request::Apply(_)));
    play.until("The box is being");
    compare("applying", &play);
    play.release();
    compare("done", &play);
}

#[test]
fn what_goes_wrong_at_the_end() {
    let mut world = World::new();
    world.mistakes = vec![Mistake { line: 4, reason: "the time zone \"UTC\" is unknown on this box".into() }];
    let mut play = Play::new(world);
    play.until("Summary");
    compare("summary-impossible", &play);
    play.button("Change: Time");
    assert!(play.title().starts_with("Time"));
    let mut world = World::new();
    world.apply_fails =
        "The pool was not made: /dev/sdb does not answer any more. Check its cable, or leave it out.".into();
    let mut play = Play::new(world);
    play.until("The box could not");
    compare("failed", &play);
    play.button("Go on");
    assert!(play.title().starts_with("Storage: disks"), "the failure is about a disk");
}

#[test]
fn the_overview() {
    compare("overview", &Play::new(World::set_up()));
    let mut world = World::set_up();
    world.machines[0].running = Some(42);
    world.machines[1].protected = false;
    world.machines[1].failure = "the agent did not answer for 10 minutes; is the machine on?".into();
    if let Some(pool) = &mut world.pool {
        pool.health = "DEGRADED".into();
    }
    compare("overview-alarms", &Play::new(world));
    let mut world = World::set_up();
    world.machines.clear();
    world.status.addresses.clear();
    compare("overview-empty", &Play::new(world));
    let mut world = World::set_up();
    world.status.stage = Stage::Applying;
    world.status.message = "Looking for the pool".into();
    compare("starting", &Play::new(world));
}

#[test]
fn the_menu() {
    let menu = |entry: &str| {
        let mut play = Play::new(World::set_up());
        play.open(entry);
        play
    };
    let mut world = World::set_up();
    world.pool.as_mut().unwrap().locked = true;
    let mut play = Play::new(world);
    compare("overview-locked", &play);
    play.press(Key::Enter);
    compare("menu", &play);
    play.press(Key::Enter);
    compare("menu-unlock", &play);
    play.type_text(&"000011".repeat(8)).button("Unlock");
    compare("menu-unlock-wrong", &play);
    compare("menu-pairing-code", &menu("Pairing code"));
    compare("menu-password", &menu("Password"));
    compare("menu-power-off", &menu("Power off"));
    compare("menu-reset", &menu("Factory reset"));
    let mut play = menu("Recovery key");
    compare("menu-recovery-key", &play);
    play.button("It is on paper");
    compare("menu-recovery-key-asked", &play);
    play.answer_questions();
    compare("menu-recovery-key-confirmed", &play);
    let mut play = menu("Network");
    compare("menu-network", &play);
    play.button("Try it");
    compare("menu-network-trial", &play);
}
