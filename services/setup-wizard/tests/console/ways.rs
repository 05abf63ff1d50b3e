//! Ways through the console, and what they do to the box.

use understudy_answers::{Import, Network, Pool};
use understudy_setup_wizard::appliance::{Mistake, Source, Stage};
use understudy_setup_wizard::hall::{DoorId, Place};
use understudy_setup_wizard::keys::Key;
use understudy_setup_wizard::request::Request;
use understudy_setup_wizard::simulated::{OPENING_KEY, World, disk};

use crate::play::{PASSWORD, Play};
use crate::screens::foreign;

#[test]
fn a_box_is_set_up_with_few_keys() {
    let mut play = Play::new(World::new());
    use Key::Enter;
    // Welcome, keyboard and trying it, host name.
    play.keys(&[Enter, Enter, Enter, Enter]);
    // Port, address, VLAN; the trial; region, city, servers.
    play.keys(&[Enter, Enter, Enter, Enter, Enter, Enter, Enter]);
    play.type_text(PASSWORD).keys(&[Enter]).type_text(PASSWORD).keys(&[Enter]);
    // Disks, layout, encryption, the key is on paper.
    play.keys(&[Enter, Enter, Enter, Enter]);
    play.type_text("000033").keys(&[Enter]).type_text("000077").keys(&[Enter]);
    play.keys(&[Enter, Enter]);
    assert_eq!(play.title(), "The box is set up", "{}", play.text());
    play.press(Enter);
    assert!(play.title().starts_with("understudy   version"), "{}", play.text());
    let typed = 2 * PASSWORD.len() + 12;
    assert_eq!(play.presses - typed, 22, "presses besides the password and the groups of the key");
    let world = play.simulated.world();
    let deeds = ["try network", "end trial", "keep key", "apply", "confirm key", "pairing code"];
    assert_eq!(world.deeds, deeds);
    let answers = world.applied.unwrap();
    assert!(
        matches!(answers.pool, Pool::New(pool) if pool.encryption && pool.disks.len() == 2 && pool.erase.is_empty())
    );
    assert!(world.key.unwrap().1, "somebody has shown that the key is on paper");
}

#[test]
fn without_encryption_there_is_no_key() {
    let mut play = Play::new(World::new());
    play.until("Storage: encryption").keys(&[Key::Down, Key::Enter]);
    assert!(play.title().starts_with("Summary"));
    play.until("The box is set up");
    assert_eq!(play.simulated.world().key, None);
    assert!(!play.simulated.world().deeds.iter().any(|deed| deed.contains("key")));
}

#[test]
fn who_is_faster_than_the_search_for_pools_is_led_on_when_there_is_none() {
    let mut play = Play::holding(World::new(), |request| *request == Request::Importable);
    play.until("Storage (6 of 7)");
    play.release();
    assert_eq!(play.title(), "Storage: disks (6 of 7)", "{}", play.text());
}

#[test]
fn a_pool_is_imported_with_its_key() {
    let mut world = World::new();
    world.importable = vec![foreign("understudy")];
    let mut play = Play::new(world);
    play.until("The box is set up");
    let world = play.simulated.world();
    assert_eq!(world.applied.unwrap().pool, Pool::Import(Import::Guid(foreign("").guid)));
    assert_eq!(world.import_key.unwrap().0, OPENING_KEY);
    assert_eq!(world.key, None);
}

#[test]
fn a_pool_that_another_computer_may_use_is_only_taken_by_somebody_who_knows() {
    let mut world = World::new();
    world.importable = vec![foreign("understudy"), foreign("other")];
    world.importable[1].guid = 2;
    world.importable.iter_mut().for_each(|pool| pool.in_use_elsewhere = true);
    let mut play = Play::new(world);
    play.until("Storage: existing").button("Go on");
    assert!(
        play.text().contains("! Say with the space bar or x that backup-paris is off"),
        "{}",
        play.text()
    );
    play.press(Key::Char('x'));
    play.focus("(*) understudy").press(Key::Down);
    play.button("Go on");
    assert!(play.text().contains("! Say with"), "it was said of the other pool: {}", play.text());
    play.press(Key::Char('x'));
    play.button("Go on").button("Go on");
    assert!(play.title().starts_with("Summary"), "without a key, if it is not encrypted: {}", play.text());
    play.until("The box is set up");
    assert_eq!(play.simulated.world().import_key, None);
}

#[test]
fn a_pool_that_no_understudy_made_is_not_suggested() {
    let mut world = World::new();
    world.importable = vec![foreign("tank")];
    world.importable[0].ours = false;
    let mut play = Play::new(world);
    play.until("Storage").press(Key::Enter);
    assert!(play.title().starts_with("Storage: disks"), "{}", play.text());
    play.press(Key::Escape);
    play.focus("(*) Make a new pool").keys(&[Key::Up, Key::Enter, Key::Enter]);
    assert!(play.text().contains("tank cannot be used. No Understudy made it."), "{}", play.text());
}

#[test]
fn a_first_set_up_that_failed_can_be_done_again_from_the_menu() {
    let mut world = World::new();
    world.status.stage = Stage::Failed;
    world.status.message = "the pool was not made: /dev/sdb does not answer".into();
    let mut play = Play::new(world);
    assert!(play.text().contains("! the pool was not made"), "{}", play.text());
    play.keys(&[Key::Enter, Key::Enter]);
    assert_eq!(play.title(), "Understudy set-up");
    play.press(Key::Escape);
    assert!(play.text().contains("Enter or m: menu"), "{}", play.text());
    play.keys(&[Key::Enter, Key::Enter]);
    play.until("The box is set up");
}

#[test]
fn a_disk_with_contents_needs_its_serial_number_and_one_without_serial_its_name() {
    let mut world = World::new();
    world.disks[0].contents = "ext4".into();
    world.disks[1].contents = "ZFS pool tank".into();
    world.disks[1].serial.clear();
    let mut play = Play::new(world);
    play.until("Storage: disks");
    assert!(!play.text().contains("[x]"), "what holds something is not suggested");
    play.keys(&[Key::Char(' '), Key::Down, Key::Char(' ')]).button("Go on");
    for (wrong, right) in [("", "wd-1001"), ("WD-1002", "ata-SIM_WD-1002")] {
        let label = if right.starts_with("ata") { "Name:" } else { "Serial number:" };
        play.fill(label, wrong).button("Erase it");
        assert!(play.text().contains("! That is not"), "{}", play.text());
        play.fill(label, right).button("Erase it");
    }
    play.until("The box is set up");
    let Pool::New(pool) = play.simulated.world().applied.unwrap().pool else { panic!("no new pool") };
    let erase: Vec<_> = pool.erase.iter().map(|name| name.as_str()).collect();
    assert_eq!(erase, ["WD-1001", "ata-SIM_WD-1002"]);
}

#[test]
fn an_erased_disk_that_is_left_out_again_is_not_erased() {
    let mut world = World::new();
    world.disks.push(disk("/dev/sdc", "WD-1003", 4_000_787_030_016, "ext4"));
    let mut play = Play::new(world);
    play.until("Storage: disks").keys(&[Key::End, Key::Char(' ')]).button("Go on");
    play.until("Storage: layout").keys(&[Key::Escape, Key::Escape]);
    assert_eq!(play.title(), "Storage: disks (6 of 7)");
    play.focus("[x] sdc").press(Key::Char('x'));
    play.until("Summary");
    assert!(!play.text().contains("ERASED"), "{}", play.text());
    play.until("The box is set up");
    let Pool::New(pool) = play.simulated.world().applied.unwrap().pool else { panic!("no new pool") };
    assert!(pool.erase.is_empty() && pool.disks.len() == 2);
}

#[test]
fn one_disk_alone_is_only_taken_by_somebody_who_knows() {
    let mut world = World::new();
    world.disks.truncate(1);
    let mut play = Play::new(world);
    play.until("Storage: layout").button("Go on");
    assert!(play.title().starts_with("Storage: layout") && play.text().contains("! One disk alone"));
    play.press(Key::Char('x'));
    play.button("Go on");
    assert!(play.title().starts_with("Storage: encryption"));
}

#[test]
fn the_key_is_asked_for_other_groups_after_another_look() {
    let mut play = Play::new(World::new());
    play.until("Storage: encryption").button("Go on").button("It is on paper");
    assert!(play.text().contains("groups 3 and 7"), "{}", play.text());
    play.button("Look at the key again");
    assert!(play.text().contains("3: 000033"), "the same key");
    play.button("It is on paper");
    assert!(play.text().contains("groups 4 and 8"), "{}", play.text());
    play.until("Summary");
}

#[test]
fn a_trial_that_was_given_up_is_not_taken_for_the_next() {
    let mut play = Play::holding(World::new(), |request| matches!(request, Request::TryNetwork(..)));
    play.until("Network: trial").press(Key::Escape);
    assert!(play.title().starts_with("Network (3"));
    play.button("Try it");
    let first = play.held.remove(0);
    let answer = play.answer(first);
    play.hall.answer(answer);
    assert!(play.text().contains("Trying these settings"), "{}", play.text());
    play.release();
    assert!(play.text().contains("The network works"), "{}", play.text());
}

#[test]
fn a_failed_network_is_said_in_the_summary() {
    let mut world = World::new();
    world.trial.checks[1].ok = false;
    let mut play = Play::new(world);
    play.until("Summary").press(Key::PageDown);
    assert!(play.text().contains("TRIED, AND IT DID NOT WORK"), "{}", play.text());
    let mut play = Play::new(World::new());
    play.until("Network").button("Go on without network").until("Summary").press(Key::PageDown);
    assert!(play.text().contains("set up without network"), "{}", play.text());
}

#[test]
fn a_failure_leads_back_and_another_try_can_do_better() {
    let mut world = World::new();
    world.apply_fails = "the interface has no address".into();
    let mut play = Play::new(world);
    play.until("The box could not");
    play.simulated.change(|world| world.apply_fails.clear());
    play.focus("(*) Go back and change: Network").press(Key::Home);
    play.button("Go on");
    assert_eq!(play.title(), "The box is set up");
}

#[test]
fn whoever_changes_one_thing_of_the_network_types_only_that() {
    let mut play = Play::new(World::set_up());
    let before = play.simulated.world().network.unwrap();
    play.open("Network").fill("VLAN (mostly none)", "7").button("Try it").button("Keep it");
    let after = play.simulated.world().network.unwrap();
    assert_eq!(after, Network { vlan: "7".parse().ok(), ..before });
}

#[test]
fn a_network_that_nobody_keeps_goes_back_after_a_minute() {
    let mut play = Play::new(World::set_up());
    play.open("Network").button("Try it");
    assert!(play.hall.counts());
    for left in (0..60).rev() {
        let requests = play.hall.second();
        assert_eq!(requests, if left == 0 { vec![Request::EndTrial] } else { vec![] });
    }
    assert!(!play.hall.counts());
    assert!(play.text().contains("it is as it was"), "{}", play.text());
    play.button("Try it").button("Keep it");
    assert_eq!(play.simulated.world().deeds, ["try network", "try network", "change network"]);
}

#[test]
fn whoever_leaves_in_the_middle_of_a_trial_leaves_the_network_as_it_was() {
    let mut play = Play::new(World::set_up());
    play.open("Network").button("Try it");
    let requests = play.hall.idle();
    assert_eq!(requests, [Request::EndTrial]);
}

#[test]
fn the_box_is_only_reset_by_its_name() {
    let mut play = Play::new(World::set_up());
    play.keys(&[Key::Enter, Key::End, Key::Enter]);
    play.fill("Host name:", "backup").button("Reset the box");
    assert!(play.simulated.world().deeds.is_empty());
    play.fill("Host name:", "backup-berlin").button("Reset the box");
    assert_eq!(play.simulated.world().deeds, ["factory reset backup-berlin"]);
}

#[test]
fn a_confirmed_key_is_not_shown_again() {
    let mut world = World::set_up();
    world.key.as_mut().unwrap().1 = true;
    let mut play = Play::new(world);
    play.open("Recovery key");
    assert!(play.text().contains("not shown again") && !play.text().contains("000011"), "{}", play.text());
}

#[test]
fn a_box_that_is_set_up_otherwise_meanwhile_shows_its_overview() {
    let mut play = Play::new(World::new());
    play.until("Network");
    play.simulated.change(|world| world.status = World::set_up().status);
    let requests = play.hall.changed(Source::Settings);
    play.carry_out(requests);
    assert!(play.title().starts_with("backup-berlin"), "{}", play.text());
}

#[test]
fn taking_over_carries_along_what_was_typed() {
    let mut play = Play::new(World::new());
    play.until("Host name").fill("Host name:", "half-typed");
    play.hall.open(DoorId(2), Place::at("ttyS0"));
    play.hall.key(DoorId(2), Key::Char('t'));
    let other = play.hall.frame(DoorId(2)).unwrap().picture.to_string();
    assert!(other.contains("half-typed"), "{other}");
    assert!(!play.text().contains("half-typed"), "{}", play.text());
}

#[test]
fn a_storm_of_changes_is_asked_about_once_and_once_more() {
    let mut play = Play::new(World::set_up());
    let asked: Vec<_> = (0..100).flat_map(|_| play.hall.changed(Source::Machines)).collect();
    assert_eq!(asked, [Request::Machines]);
    play.simulated.change(|world| world.machines.truncate(1));
    let answer = play.answer(Request::Machines);
    let again = play.hall.answer(answer);
    assert_eq!(again, [Request::Machines], "the answer may be older than the last change");
    let answer = play.answer(Request::Machines);
    assert_eq!(play.hall.answer(answer), []);
    assert!(play.text().contains("1 machine, protected"), "{}", play.text());
    assert_eq!(play.hall.changed(Source::Machines), [Request::Machines]);
}

#[test]
fn long_texts_of_the_box_never_push_away_what_is_to_be_decided() {
    let mut world = World::new();
    world.disks[0].contents = "a file system with a long name, ".repeat(60);
    world.trial.checks[0].said = "no answer, whatever was tried. ".repeat(60);
    world.trial.checks[0].ok = false;
    world.mistakes = vec![Mistake { line: 2, reason: "it is refused for a long reason. ".repeat(60) }];
    let mut play = Play::new(world);
    play.until("Network: trial");
    assert!(play.text().contains("[ Go on although it does not work ]"), "{}", play.text());
    play.until("Storage: disks").keys(&[Key::Home, Key::Char('x')]).button("Go on");
    for needed in ["LOST FOR EVER", "type WD-1001", "Serial number:", "[ Erase it ]"] {
        assert!(play.text().contains(needed), "{needed}: {}", play.text());
    }
    play.until("Summary");
    for needed in ["> ERASED FOR EVER WD-1001", "[ Change: Host name ]", "! This is not possible"] {
        assert!(play.text().contains(needed), "{needed}: {}", play.text());
    }
}
