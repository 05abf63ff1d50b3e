//! The cases, each named after what it proves.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use understudy_agent::backup::Fault;
use understudy_wire::{Kind, Order};

use crate::lab::{Lab, Round, Turn};
use crate::port::InstantPort;

macro_rules! cases {
    ($($name:ident)*) => {
        /// Every case under its name.
        pub const ALL: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

cases! {
    first_and_later_backups_under_load_are_exact
    a_tracker_without_history_compares_and_is_exact
    a_forgotten_last_pass_or_mark_is_found_by_the_comparison
    a_killed_agent_loses_no_mark
    an_agent_killed_while_frozen_is_thawed_by_the_watchdog
    a_killed_watchdog_thaws_when_it_starts_again
    a_connection_cut_after_the_thaw_is_made_again
    a_target_that_stays_away_fails_the_backup_and_loses_no_mark
    a_volume_that_is_too_small_is_refused
}

fn exact(round: &Round, kind: Kind) {
    if let Err(error) = &round.result {
        panic!("the backup failed: {error:#}");
    }
    assert!(round.report.disks.values().all(|disk| disk.kind == kind), "{:?}", round.report);
    assert_eq!(round.differing, 0, "blocks differ from the disk at the instant");
    assert!(round.report.frozen_seconds > 0.0 && round.report.frozen_seconds < 5.0, "{:?}", round.report);
}

/// A lab with one backup done.
fn lab_with_a_point() -> Lab {
    let lab = Lab::new();
    exact(&lab.round(Turn::default()), Kind::First);
    lab.let_write(100);
    lab
}

fn first_and_later_backups_under_load_are_exact() {
    let lab = lab_with_a_point();
    for _ in 0..2 {
        let round = lab.round(Turn::default());
        exact(&round, Kind::Changed);
        assert!(round.changed > 0, "nothing changed, so nothing was proved");
        lab.let_write(100);
    }
}

fn a_tracker_without_history_compares_and_is_exact() {
    let lab = lab_with_a_point();
    // What a restart of the machine leaves: state on disk, but neither programs nor maps.
    lab.tracker().remove().unwrap();
    lab.let_write(50);
    let round = lab.round(Turn::default());
    exact(&round, Kind::Compared);
    for (disk, report) in &round.report.disks {
        assert!(!report.reason.is_empty(), "no reason is given for comparing disk {disk}");
        assert!(report.distinct_sent < report.mapped, "what did not differ travelled: {report:?}");
    }
    lab.let_write(50);
    exact(&lab.round(Turn::default()), Kind::Changed);
}

fn a_forgotten_last_pass_or_mark_is_found_by_the_comparison() {
    let lab = lab_with_a_point();
    for fault in [Fault::SkipLastPass, Fault::DropMark] {
        let round = lab.round(Turn { fault: Some(fault), ..Turn::default() });
        assert!(round.result.is_ok(), "{:?}", round.result);
        assert!(round.differing > 0, "{fault:?} went unnoticed");
        lab.let_write(20);
    }
}

/// Starts an agent that stops when the first blocks were sent, and kills it there.
fn kill_in_mid_copy(lab: &Lab, order: &Order) {
    let mut agent = lab.agent_process(order, None, true);
    let mut said = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert_eq!(said.next().expect("the agent says that blocks were sent").unwrap(), "blocks sent");
    agent.kill().unwrap();
    agent.wait().unwrap();
}

fn a_killed_agent_loses_no_mark() {
    let lab = lab_with_a_point();
    let order = lab.local.order(&lab.target);
    let before = lab.tracker().marked(order.disks[0].disk).unwrap();
    kill_in_mid_copy(&lab, &order);
    lab.let_write(50);
    // Marks the agent had taken, marks it had not, and marks made while no agent ran.
    let mut missing = before.clone();
    missing.intersect(&lab.tracker().marked(order.disks[0].disk).unwrap());
    assert!(
        missing == before && !before.is_empty(),
        "marks were lost: {before:?} before, {missing:?} of them after"
    );
    lab.recover();
    assert!(lab.local.report_of_last_job().error.is_some(), "the box was not told that the job is over");
    exact(&lab.round(Turn::default()), Kind::Changed);
}

fn an_agent_killed_while_frozen_is_thawed_by_the_watchdog() {
    let lab = lab_with_a_point();
    let order = lab.local.order(&lab.target);
    let port = InstantPort::new();
    let mut agent = lab.agent_process(&order, Some(&port), false);
    port.frozen(Duration::from_secs(60)).expect("the agent freezes within a minute");
    agent.kill().unwrap();
    agent.wait().unwrap();
    lab.let_write(20);
    lab.recover();
    exact(&lab.round(Turn::default()), Kind::Changed);
}

fn a_killed_watchdog_thaws_when_it_starts_again() {
    let mut lab = lab_with_a_point();
    let order = lab.local.order(&lab.target);
    let port = InstantPort::new();
    let mut agent = lab.agent_process(&order, Some(&port), false);
    port.frozen(Duration::from_secs(60)).expect("the agent freezes within a minute");
    lab.watchdog().kill().unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    lab.restart_watchdog();
    lab.let_write(20);
    lab.recover();
    exact(&lab.round(Turn::default()), Kind::Changed);
}

fn a_connection_cut_after_the_thaw_is_made_again() {
    let lab = lab_with_a_point();
    // All connections end; what the target had taken stays in its file.
    let mut cut = || lab.target.restart();
    let round = lab.round(Turn { at_instant: Some(&mut cut), ..Turn::default() });
    exact(&round, Kind::Changed);
}

fn a_target_that_stays_away_fails_the_backup_and_loses_no_mark() {
    let lab = lab_with_a_point();
    let mut stop = || lab.target.stop();
    let turn =
        Turn { at_instant: Some(&mut stop), patience: Some(Duration::from_secs(2)), ..Turn::default() };
    let round = lab.round(turn);
    let error = format!("{:#}", round.result.expect_err("a backup without its target fails"));
    assert!(error.contains("could not be made again within 2 s"), "{error}");
    assert_eq!(round.report.error.as_deref(), Some(error.as_str()), "the box hears the same");
    lab.target.restart();
    lab.let_write(20);
    exact(&lab.round(Turn::default()), Kind::Changed);
}

fn a_volume_that_is_too_small_is_refused() {
    let lab = Lab::new();
    let mut order = lab.local.order(&lab.target);
    // Each disk is ordered onto the other's volume; one of them is too large for that.
    let (first, second) = (order.disks[0].target.clone(), order.disks[1].target.clone());
    (order.disks[0].target, order.disks[1].target) = (second, first);
    let round = lab.round_of(&order, &mut lab.tracker(), Turn::default());
    let error = format!("{:#}", round.result.expect_err("a disk does not fit a smaller volume"));
    assert!(error.contains("nothing was copied"), "{error}");
}
