//! What holds whatever is pressed. Random keys alone would hardly leave the first pages: they are mixed with steps by somebody who knows
//! the way.

use proptest::prelude::*;
use understudy_answers::parse;
use understudy_setup_wizard::appliance::{Source, Update, UpdateState};
use understudy_setup_wizard::keys::Key;
use understudy_setup_wizard::request::Request;
use understudy_setup_wizard::simulated::{Maintenance, OPENING_KEY, World, disk, stick};

use crate::play::{PASSWORD, Play};
use crate::screens::foreign;

#[derive(Debug, Clone)]
enum Act {
    Press(Key),
    GoOn,
    Back,
    Second,
    Idle,
}

fn keys() -> impl Strategy<Value = Key> {
    use Key::*;
    prop_oneof![
        4 => prop::sample::select(vec![
            Enter, Tab, BackTab, Escape, Backspace, Delete, Up, Down, Left, Right, Home, End, PageUp, PageDown, F10, Redraw,
        ]),
        2 => prop::sample::select(vec!['n', 'p', 'x', ' ', 'm', 't', 'q', '1', '3', '9', '0', '.', '/']).prop_map(Char),
        1 => any::<char>().prop_filter("no control character", |c| !c.is_control()).prop_map(Char),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        10 => keys().prop_map(Act::Press),
        8 => Just(Act::GoOn),
        2 => Just(Act::Back),
        1 => Just(Act::Second),
        1 => Just(Act::Idle),
    ];
    prop::collection::vec(act, 0..120)
}

fn worlds() -> impl Strategy<Value = World> {
    let sizes = [1_000_000_000_000, 4_000_787_030_016];
    let disks = prop::collection::vec(
        (prop::sample::select(sizes.to_vec()), any::<bool>(), any::<bool>(), any::<bool>()),
        0..6,
    );
    (disks, any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(disks, import, usable, trial, fails)| {
            let mut world = World::new();
            world.disks = disks
                .into_iter()
                .enumerate()
                .map(|(number, (size, serial, holds, usable))| {
                    let mut disk = disk(
                        &format!("/dev/sd{number}"),
                        &format!("S{number}"),
                        size,
                        if holds { "ext4" } else { "" },
                    );
                    if !serial {
                        disk.serial.clear();
                    }
                    if !usable {
                        disk.unusable = "it does not answer".into();
                    }
                    disk
                })
                .collect();
            if import {
                world.importable = vec![foreign("understudy")];
                world.importable[0].ours = usable;
            }
            world.trial.checks[0].ok = trial;
            if fails {
                world.apply_fails = "the pool could not be made".into();
            }
            world
        },
    )
}

/// What the three entries of the menu that need the service may find.
fn maintenances() -> impl Strategy<Value = Maintenance> {
    let state = prop::sample::select(vec![
        UpdateState::None,
        UpdateState::Waiting,
        UpdateState::Installing,
        UpdateState::Installed,
        UpdateState::Failed,
    ]);
    let reason =
        prop::sample::select(vec!["", "the stick is full", "why, and what next ".repeat(200).leak()]);
    (0usize..3, state, reason, any::<bool>()).prop_map(|(sticks, state, reason, on)| Maintenance {
        absent: false,
        sticks: (0..sticks).map(|at| stick(&format!("sd{at}"), "STICK", &["a.raucb"])).collect(),
        update: Update { state, message: reason.into(), ..Update::default() },
        install_fails: reason.into(),
        write_fails: reason.into(),
        support_until: on.then(|| "14:30".into()),
    })
}

/// The update goes on, and a stick is pulled.
fn maintained(play: &mut Play) {
    play.simulated.change(|world| {
        world.go_on();
        world.maintenance.sticks.pop();
    });
    let requests = play.hall.changed(Source::Maintenance);
    play.carry_out(requests);
    let requests = play.hall.second();
    play.carry_out(requests);
}

/// A page is never without a place for the next key, and never holds what must not be seen.
fn check_picture(play: &Play) -> Result<(), TestCaseError> {
    let text = play.text();
    prop_assert!(text.is_ascii());
    prop_assert_eq!(text.lines().count(), 24);
    prop_assert!(!text.contains(PASSWORD), "{}", text);
    // Without any attribute it is seen what has the focus.
    let marked = text.lines().any(|line| line.trim_start().starts_with("> ") || line.contains("   > ["));
    prop_assert!(marked || !text.contains("Enter: go on"), "{}", text);
    let about_key = play.title().to_lowercase().contains("recovery key");
    // The groups one by one: what is typed back must not be elsewhere either.
    let shows_key = OPENING_KEY.split('-').any(|group| text.contains(group));
    prop_assert!(about_key || !shows_key, "{}", text);
    Ok(())
}

fn step(play: &mut Play, act: &Act) {
    match act {
        Act::Press(key) => play.press(*key),
        Act::GoOn => {
            // Where nothing can be chosen there is no way on.
            let in_wizard =
                ["Understudy set-up", "The box"].iter().any(|start| play.title().starts_with(start))
                    || play.title().contains("of 7)");
            let stuck =
                ["Storage: disks (", "Storage: existing"].iter().any(|start| play.title().starts_with(start));
            if stuck || !in_wizard {
                play.press(Key::Enter);
            } else {
                play.go_on();
            }
        }
        Act::Back => play.press(Key::Escape),
        Act::Second => {
            let requests = play.hall.second();
            play.carry_out(requests);
        }
        Act::Idle => {
            let requests = play.hall.idle();
            play.carry_out(requests);
        }
    }
}

/// The whole summary: it may be longer than its page.
fn read_summary(play: &mut Play) -> String {
    let mut whole = String::new();
    for _ in 0..8 {
        whole.push_str(&play.text());
        play.press(Key::PageDown);
    }
    play.press(Key::Home);
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_keys_never_end_the_console_and_change_nothing_before_the_summary(world in worlds(), acts in acts()) {
        let mut play = Play::new(world);
        for act in &acts {
            step(&mut play, act);
            check_picture(&play)?;
        }
        let before_summary = |title: &str| {
            title.starts_with("Understudy") || title.contains("of 7)")
        };
        for (title, request) in &play.asked {
            let for_the_moment =
                matches!(request, Request::SetKeyboard(_) | Request::TryNetwork(..) | Request::EndTrial);
            if request.changes() && !for_the_moment {
                // A page is left before what it wants is carried out: these are asked by the page after the summary.
                prop_assert!(!before_summary(title), "{:?} was asked on {}", request, title);
            }
        }
        // A kept key without answers to go with it would be one that nobody knows.
        let world = play.simulated.world();
        if world.key.is_some() {
            prop_assert!(world.deeds.iter().any(|deed| deed == "apply"));
        }
    }

    #[test]
    fn random_keys_never_end_the_menu(
        acts in acts(),
        locked: bool,
        key in any::<bool>(),
        maintenance in maintenances(),
    ) {
        let mut world = World::set_up();
        world.maintenance = maintenance;
        if let Some(pool) = &mut world.pool {
            pool.locked = locked;
        }
        if !key {
            world.key = None;
        }
        let mut play = Play::new(world);
        for act in &acts {
            match act {
                Act::GoOn => play.press(Key::Enter),
                Act::Second => maintained(&mut play),
                act => step(&mut play, act),
            }
            check_picture(&play)?;
            let on = play.simulated.world().maintenance.support_until.is_some();
            prop_assert_eq!(on, play.title().ends_with("SUPPORT MODE until 14:30"), "{}", play.text());
        }
        // Every page has a way back, whatever was pressed before; but for a box that goes down.
        if !play.text().contains("Please wait") {
            for _ in 0..4 {
                play.press(Key::Escape);
            }
            prop_assert!(play.text().contains("Enter or m: menu"), "{}", play.text());
        }
        // Nobody types the box's name by accident.
        prop_assert!(!play.simulated.world().deeds.iter().any(|deed| deed.starts_with("factory")));
    }

    #[test]
    fn the_summary_is_what_is_applied_and_back_and_forth_keeps_it(
        world in worlds().prop_filter("can be set up", |world| {
            world.apply_fails.is_empty() && world.disks.iter().any(|disk| disk.unusable.is_empty())
        }),
        name in "[a-z][a-z0-9]{0,20}",
        city in prop::sample::select(vec!["ber", "par"]),
        back in 0usize..16,
    ) {
        let mut world = world;
        world.importable.retain(|pool| pool.ours);
        let mut play = Play::new(world.clone());
        play.until("Host name").fill("Host name:", &name).button("Go on");
        play.until("Time").type_text("eur").press(Key::Tab);
        play.type_text(city).button("Go on");
        play.until("Storage");
        if play.title().starts_with("Storage: disks") {
            let usable = world.disks.iter().position(|disk| disk.unusable.is_empty()).unwrap_or(0);
            play.press(Key::Home);
            for _ in 0..usable {
                play.press(Key::Down);
            }
            if !play.text().contains("[x]") {
                play.press(Key::Char('x'));
            }
        }
        play.until("Summary");
        let first = read_summary(&mut play);
        for _ in 0..back {
            play.press(Key::Escape);
        }
        // Nothing is typed now but what is never kept: the two groups of the key, which are others after each look.
        for _ in 0..40 {
            if play.title().starts_with("Summary") {
                break;
            }
            if play.text().contains("Group ") {
                play.answer_questions();
            } else if play.title().starts_with("Understudy") {
                play.button("Begin");
            } else {
                let button = ["Go on", "Try it", "It is on paper", "Erase it", "Go on although it does not work"];
                let there = button.iter().find(|button| play.text().contains(&format!("[ {button} ]")));
                play.button(there.unwrap());
            }
        }
        let second = read_summary(&mut play);
        prop_assert_eq!(&first, &second);
        play.until("The box is set up");
        let answers = play.simulated.world().applied.unwrap();
        prop_assert_eq!(answers.host_name.as_str(), name.as_str());
        let applied = play.asked.iter().find_map(|(_, request)| match request {
            Request::Apply(text) => Some(text.clone()),
            _ => None,
        });
        prop_assert_eq!(parse(&applied.unwrap()).unwrap(), answers.clone());
        // Each value that is applied stands in the summary; each disk by its name.
        let mut values = vec![name, answers.time_zone.to_string(), answers.keyboard.to_string()];
        match &answers.pool {
            understudy_answers::Pool::New(new) => {
                values.push(new.layout.to_string());
                values.extend(new.disks.iter().map(|disk| format!("on disk       {disk}")));
                values.extend(new.erase.iter().map(|disk| format!("ERASED FOR EVER {disk}")));
                prop_assert_eq!(first.contains("ERASED"), !new.erase.is_empty());
                prop_assert_eq!(first.contains("the recovery key is on paper"), new.encryption);
            }
            understudy_answers::Pool::Import(_) => values.push(foreign("").guid.to_string()),
        }
        for value in values {
            prop_assert!(first.contains(&value), "{} is not in {}", value, first);
        }
    }
}
