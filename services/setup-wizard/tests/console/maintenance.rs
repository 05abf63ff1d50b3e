//! Updates, support bundles and support mode: what their pages look like, and the ways through them.

use understudy_setup_wizard::appliance::{Source, Stick, Update, UpdateState};
use understudy_setup_wizard::hall::{DoorId, Place};
use understudy_setup_wizard::keys::Key;
use understudy_setup_wizard::request::Request;
use understudy_setup_wizard::simulated::{World, stick};

use crate::play::Play;
use crate::screens::compare;

const BUNDLE: &str = "appliance-1.2.0.raucb";

fn with_sticks() -> World {
    let mut world = World::set_up();
    world.maintenance.sticks = vec![stick("sdc1", "UPDATES", &["appliance-1.1.9.raucb", BUNDLE])];
    world
}

fn with_update(state: UpdateState, percent: u8, message: &str) -> World {
    let mut world = World::set_up();
    let version = if state == UpdateState::Waiting { "" } else { "1.2.0" };
    world.maintenance.update = Update { state, percent, version: version.into(), message: message.into() };
    world
}

/// The box changes, and its services tell it.
fn tell(play: &mut Play, change: impl FnOnce(&mut World)) {
    play.simulated.change(change);
    let requests = play.hall.changed(Source::Maintenance);
    play.carry_out(requests);
}

/// Words as they stand, wherever lines end.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sees(play: &Play, text: &str) {
    assert!(words(&play.text()).contains(&words(text)), "{text:?} is not on\n{}", play.text());
}

fn deeds(play: &Play) -> Vec<String> {
    play.simulated.world().deeds
}

fn opened(world: World, entry: &str) -> Play {
    let mut play = Play::new(world);
    play.open(entry);
    play
}

#[test]
fn an_update_from_a_stick_is_followed_to_the_restart() {
    let mut play = opened(with_sticks(), "Update");
    compare("update", &play);
    play.button("Go on");
    compare("update-stick", &play);
    play.keys(&[Key::Down]).button("Go on");
    compare("update-summary", &play);
    assert!(deeds(&play).is_empty(), "nothing begins before it is said so");
    play.button("Install");
    assert_eq!(deeds(&play), [format!("install {BUNDLE} from sdc1")]);
    sees(&play, "Copying the new version from the stick. The stick must stay in.");
    tell(&mut play, |world| world.maintenance.update.percent = 42);
    compare("update-copying", &play);

    // It goes on without its page.
    play.press(Key::Escape);
    assert_eq!(play.title(), "backup-berlin: menu");
    play.press(Key::Escape);
    sees(&play, "Update     copying the new version from the stick, 42 %");
    tell(&mut play, |world| world.maintenance.update.state = UpdateState::Checking);
    sees(&play, "Update     checking the new version, 42 %");
    tell(&mut play, |world| *world = with_update(UpdateState::Installing, 70, ""));
    compare("overview-update", &play);
    play.open("Update");
    compare("update-installing", &play);

    tell(&mut play, |world| *world = with_update(UpdateState::Installed, 0, ""));
    compare("update-installed", &play);
    play.button("Later").press(Key::Escape);
    sees(&play, "Update     Version 1.2.0 is installed and starts with the next restart");
    play.open("Update").button("Restart now");
    sees(&play, "No backup runs now.");
    play.press(Key::Escape);
    sees(&play, "[ Restart now ]");
    assert!(deeds(&play).is_empty());
    play.button("Restart now");
    tell(&mut play, |world| world.machines[0].running = Some(42));
    let requests = play.hall.changed(Source::Machines);
    play.carry_out(requests);
    compare("update-restart", &play);
    play.button("Restart");
    assert_eq!(deeds(&play), ["reboot"]);
}

#[test]
fn what_can_be_chosen_follows_the_sticks() {
    let mut play = opened(World::set_up(), "Update");
    play.button("Go on");
    compare("update-stick-none", &play);
    let broken = Stick {
        unreadable: "its file system is damaged; copy what is on it elsewhere and format it".into(),
        ..stick("sdd1", "", &[])
    };
    let sticks = vec![broken, stick("sdc1", "PHOTOS", &[])];
    tell(&mut play, |world| world.maintenance.sticks = sticks.clone());
    compare("update-stick-useless", &play);
    tell(&mut play, |world| world.maintenance.sticks.extend(with_sticks().maintenance.sticks));
    sees(&play, "> (*) appliance-1.1.9.raucb");
    play.keys(&[Key::Down]);
    sees(&play, "> (*) appliance-1.2.0.raucb");
    tell(&mut play, |world| world.maintenance.sticks.insert(0, stick("sda1", "OLD", &["a.raucb"])));
    sees(&play, "> (*) appliance-1.2.0.raucb");
    tell(&mut play, |world| world.maintenance.sticks.clear());
    sees(&play, "Put a stick with a file *.raucb in; FAT32.");
    play.keys(&[Key::Enter]);
    assert_eq!(play.title(), "Update", "the only button goes back");
    assert!(deeds(&play).is_empty());
}

#[test]
fn a_stick_that_is_pulled_in_between_is_asked_for_again() {
    let mut play = opened(with_sticks(), "Update");
    play.button("Go on").button("Go on");
    sees(&play, "[ Install ]");
    tell(&mut play, |world| world.maintenance.sticks.clear());
    compare("update-stick-pulled", &play);
    // Another stick has the same place now, and a file of the same name.
    tell(&mut play, |world| world.maintenance.sticks = with_sticks().maintenance.sticks);
    play.button("Go on");
    tell(&mut play, |world| world.maintenance.sticks[0].label = "OTHER".into());
    sees(&play, "! The stick is not there any more.");
    play.button("Go on").press(Key::Escape);
    assert_eq!(play.title(), "Update: from a USB stick");

    // Pulled where only the service notices.
    play.button("Go on");
    play.simulated.change(|world| world.maintenance.sticks.clear());
    play.button("Install");
    sees(&play, "The update did not begin.");
    sees(&play, "there is no stick sdc1 any more");
    play.button("Try again");
    sees(&play, "From a USB stick");
}

#[test]
fn an_update_from_an_address_is_checked_before_it_is_asked_for() {
    let mut play = opened(World::set_up(), "Update");
    play.press(Key::Down);
    play.button("Go on");
    compare("update-address", &play);
    play.type_text("updates.example.org/a.raucb").button("Go on");
    compare("update-address-wrong", &play);
    play.fill("Address:", "https://updates.example.org/a.raucb").button("Go on");
    sees(&play, "New version   https://updates.example.org/a.raucb");
    play.press(Key::Escape);
    sees(&play, "[https://updates.example.org/a.raucb");
    play.button("Go on").button("Install");
    assert_eq!(deeds(&play), ["install https://updates.example.org/a.raucb"]);
    sees(&play, "Checking who signed it");
}

#[test]
fn why_an_update_failed_is_said_whole() {
    let reason: String = (1..=100).map(|number| format!("reason-{number}-of-many, ")).collect();
    let mut play = opened(with_update(UpdateState::Installing, 99, ""), "Update");
    tell(&mut play, |world| *world = with_update(UpdateState::Failed, 0, &reason));
    compare("update-failed", &play);
    let mut read = play.text();
    for _ in 0..9 {
        play.press(Key::PageDown);
        read += &play.text();
    }
    assert!((1..=100).all(|number| read.contains(&format!("reason-{number}-of-many"))), "{read}");
    play.keys(&[Key::Escape, Key::Escape]);
    sees(&play, "Update     FAILED; see Update in the menu");
    play.open("Update").button("Try again");
    sees(&play, "Where does the new version come from?");
    sees(&opened(with_update(UpdateState::Failed, 0, ""), "Update"), "The box does not say why.");
}

#[test]
fn an_update_that_somebody_else_began_is_followed_too() {
    let mut play = opened(World::set_up(), "Update");
    play.press(Key::Down);
    play.button("Go on").type_text("https://half");
    tell(&mut play, |world| *world = with_update(UpdateState::Waiting, 0, ""));
    compare("update-waiting", &play);
    // The service is started anew in the middle, and knows of nothing.
    tell(&mut play, |world| world.maintenance.update = Update::default());
    sees(&play, "The update was broken off. The version that runs is untouched.");
    sees(&play, "Begin it again.");
}

#[test]
fn what_is_heard_late_is_not_taken_for_what_was_asked_for_now() {
    let mut play = Play::holding(with_sticks(), |request| matches!(request, Request::InstallFromStick(..)));
    play.open("Update").button("Go on").button("Go on").button("Install");
    tell(&mut play, |world| {
        world.maintenance.update.state = UpdateState::Failed;
        world.maintenance.update.message = "that was the one before".into();
    });
    sees(&play, "The update begins ...");
    play.release();
    sees(&play, "Copying the new version");
}

#[test]
fn a_support_bundle_is_written_to_a_stick() {
    let mut play = opened(World::set_up(), "Support bundle");
    compare("support-bundle-none", &play);
    let mut full = stick("sdd1", "FULL", &[]);
    full.unreadable = "it holds no FAT file system".into();
    tell(&mut play, |world| {
        world.maintenance.sticks = vec![full, stick("sdc1", "", &[]), stick("sde1", "SECOND", &[])];
        world.maintenance.write_fails = "the stick is full: 12 MB are needed and 3 MB are free".into();
    });
    compare("support-bundle", &play);
    play.keys(&[Key::Enter]);
    assert!(deeds(&play).is_empty(), "a slip of the finger writes nothing");
    play.keys(&[Key::Enter]);
    sees(&play, "! the stick is full: 12 MB are needed and 3 MB are free");
    play.simulated.change(|world| world.maintenance.write_fails.clear());
    play.focus("(*) without a label").press(Key::Down);
    play.button("Write it");
    compare("support-bundle-written", &play);
    assert_eq!(deeds(&play), ["support bundle to sdc1", "support bundle to sde1"]);
    play.button("Back to the menu");
    assert_eq!(play.title(), "backup-berlin: menu");
}

#[test]
fn a_stick_that_is_pulled_before_it_is_written_to_does_not_pass_the_key_on() {
    let mut world = with_sticks();
    world.maintenance.sticks.push(stick("sdd1", "SECOND", &[]));
    let mut play = opened(world, "Support bundle");
    play.press(Key::Enter);
    sees(&play, "> [ Write it ]");
    tell(&mut play, |world| drop(world.maintenance.sticks.remove(0)));
    play.press(Key::Enter);
    assert!(deeds(&play).is_empty(), "{:?}", deeds(&play));
    play.simulated.change(|world| world.maintenance.sticks.clear());
    play.button("Write it");
    sees(&play, "! there is no stick sdd1 any more");
}

#[test]
fn a_support_bundle_is_announced_to_who_left_its_page_and_not_to_another() {
    let held = |request: &Request| matches!(request, Request::WriteSupportBundle(..));
    let mut play = Play::holding(with_sticks(), held);
    play.open("Support bundle").button("Write it");
    compare("support-bundle-writing", &play);
    play.press(Key::Escape);
    play.release();
    sees(&play, "! The support bundle is written as understudy-support-");
    sees(&play, "take the stick");

    let mut play = Play::holding(with_sticks(), held);
    play.open("Support bundle").button("Write it").press(Key::Escape);
    play.press(Key::Escape);
    play.open("Support bundle").button("Write it");
    let first = play.held.remove(0);
    let answer = play.answer(first);
    play.hall.answer(answer);
    sees(&play, "Writing the support bundle");
    play.release();
    sees(&play, "take the stick out");
}

#[test]
fn support_mode_is_seen_on_every_page_at_every_terminal_until_it_ends() {
    const ON: &str = "SUPPORT MODE until 14:30";
    let mut play = opened(World::set_up(), "Support mode");
    play.hall.open(DoorId(2), Place::at("ttyS0"));
    compare("support-mode-off", &play);
    play.keys(&[Key::Down, Key::Enter]);
    assert!(deeds(&play).is_empty(), "a slip of the finger switches nothing on");
    play.press(Key::Enter);
    assert_eq!(deeds(&play), ["support mode for 60 minutes"]);
    compare("support-mode-on", &play);
    let other = |play: &Play| play.hall.frame(DoorId(2)).unwrap().picture.to_string();
    assert!(other(&play).contains(ON) && other(&play).contains("used at the screen of the box now"));

    play.press(Key::Escape);
    let entries: Vec<String> = {
        let text = play.text();
        let rows = text.lines().filter_map(|line| line.split(") ").nth(1));
        rows.map(str::to_owned).collect()
    };
    assert_eq!(entries.len(), 10, "{entries:?}");
    sees(&play, ON);
    play.press(Key::Escape);
    compare("overview-support-mode", &play);
    for entry in &entries {
        play.open(entry);
        sees(&play, ON);
        play.keys(&[Key::Escape, Key::Escape]);
    }
    // A service that does not answer ends nothing.
    tell(&mut play, |world| world.maintenance.absent = true);
    sees(&play, ON);
    tell(&mut play, |world| world.maintenance.absent = false);
    play.open("Support mode").button("Switch it off");
    assert!(!play.text().contains(ON) && !other(&play).contains(ON), "{}", play.text());
    sees(&play, "It is off.");

    tell(&mut play, |world| world.maintenance.support_until = Some("14:30".into()));
    sees(&play, "It is on until 14:30.");
    tell(&mut play, |world| world.maintenance.support_until = None);
    assert!(!play.text().contains(ON), "it has ended by itself: {}", play.text());
}

#[test]
fn a_shell_opens_at_the_terminal_where_it_was_asked_for() {
    let mut world = World::set_up();
    world.maintenance.support_until = Some("14:30".into());
    let serial = DoorId(2);
    let mut play = opened(world, "Support mode");
    play.hall.open(serial, Place::at("ttyS0"));
    play.button("Open a shell here");
    assert_eq!(deeds(&play), ["shell at tty1"]);
    // The door goes for the time of the shell, and another comes back: nobody is asked to take over, and no page is left open.
    play.hall.close(DoorId(1));
    let shown = |play: &Play, id| play.hall.frame(id).unwrap().picture.to_string();
    assert!(shown(&play, serial).contains("Enter or m: menu"), "{}", shown(&play, serial));
    play.hall.open(DoorId(1), Place::at("tty1"));
    sees(&play, "Enter or m: menu");

    for key in [Key::Enter, Key::End, Key::Up, Key::Up, Key::Up, Key::Enter, Key::Enter] {
        let requests = play.hall.key(serial, key);
        play.carry_out(requests);
    }
    assert_eq!(deeds(&play), ["shell at tty1", "shell at ttyS0"]);
}

#[test]
fn a_shell_that_opens_late_shows_no_page_to_anybody_else() {
    let mut world = World::set_up();
    world.maintenance.support_until = Some("14:30".into());
    let mut play = Play::holding(world, |request| matches!(request, Request::OpenShell(_)));
    play.hall.open(DoorId(2), Place::at("ttyS0"));
    play.open("Support mode").button("Open a shell here");
    sees(&play, "Opening a shell at this terminal ...");
    play.keys(&[Key::Escape, Key::Escape]);
    play.open("Recovery key");
    sees(&play, "000011");
    play.release();
    let other = play.hall.frame(DoorId(2)).unwrap().picture.to_string();
    assert!(other.contains("Enter or m: menu") && !other.contains("000011"), "{other}");
}

#[test]
fn a_refused_shell_is_told_and_leaves_the_page_as_it_is() {
    let mut world = World::set_up();
    world.maintenance.support_until = Some("14:30".into());
    let mut play = opened(world, "Support mode");
    play.simulated.change(|world| world.maintenance.support_until = None);
    play.button("Open a shell here");
    sees(&play, "! support mode is off; switch it on first");
}

#[test]
fn without_its_service_three_entries_say_so_and_the_rest_works() {
    let mut world = with_sticks();
    world.maintenance.absent = true;
    let absent = "org.understudy.Maintenance1 is not running yet";
    let mut play = Play::new(world);
    sees(&play, "2 machines, protected");
    assert!(!play.text().contains(absent) && !play.text().contains("Update  "), "{}", play.text());
    for entry in ["Update", "Support bundle", "Support mode"] {
        play.open(entry);
        sees(&play, absent);
        play.keys(&[Key::Escape, Key::Escape]);
    }
    compare("update-absent", play.open("Update"));
    // It has come: the page goes on.
    play.simulated.change(|world| world.maintenance.absent = false);
    let requests = play.hall.changed(Source::All);
    play.carry_out(requests);
    sees(&play, "From a USB stick");
}

#[test]
fn the_wizard_has_no_support_mode() {
    let mut play = Play::new(World::new());
    for _ in 0..40 {
        assert!(!play.text().to_lowercase().contains("support"), "{}", play.text());
        if !play.go_on() {
            break;
        }
    }
    assert_eq!(play.title(), "The box is set up");
}
