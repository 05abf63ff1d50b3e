//! The cases, each named after what it proves.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use understudy_agent::backup::Fault;
use understudy_wire::Kind;

use crate::lab::{Lab, Round, Turn};
use crate::port::InstantPort;

pub const ALL: &[(&str, fn())] = &[
    ("first_and_later_backups_under_load_are_exact", first_and_later_backups_under_load_are_exact),
];

fn exact(round: &Round, kind: Kind) {
    if let Err(error) = &round.result {
        panic!("the backup failed: {error:#}");
    }
    assert!(round.report.disks.values().all(|disk| disk.kind == kind), "{:?}", round.report);
    assert_eq!(round.differing, 0, "blocks differ from the disk at the instant");
    assert!(round.report.frozen_seconds > 0.0 && round.report.frozen_seconds < 5.0, "{:?}", round.report);
}

fn first_and_later_backups_under_load_are_exact() {
    let lab = Lab::new();
    exact(&lab.round(Turn::default()), Kind::First);
    for _ in 0..3 {
        lab.let_write(100);
        let round = lab.round(Turn::default());
        exact(&round, Kind::Changed);
        assert!(round.changed > 0, "nothing changed, so nothing was proved");
    }
}
