//! Property: a catalogue made anew from the pool is row by row the one it was. Random histories of machines and points are played on a
//! catalogue and, beside it, on what stands for the pool.

use proptest::prelude::*;
use tempfile::TempDir;
use understudy_bus::zfs::{self, Point, PointDisk};
use understudy_wire::{Inventory, MachineId, RecoveryPointId};

use super::*;
use crate::job::state::Step;
use crate::machine_record::MachineRecord;
use crate::point_record::PointRecord;
use crate::pool_contents::{Contents, Raw};
use crate::samples;

#[path = "../../tests/scheduler/rows.rs"]
mod rows;

/// Something that happens to a box; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Event {
    Pair {
        name: String,
    },
    PairAs {
        machine: usize,
    },
    TellInventory {
        machine: usize,
        name: String,
        disks: usize,
        pretty: bool,
    },
    SetTimetable {
        machine: usize,
        hour: Option<u8>,
    },
    BackUp {
        machine: usize,
        created: u64,
        old_release: bool,
    },
    FailBackup {
        machine: usize,
    },
    /// A point is destroyed on the pool; its row stays, as not present.
    LosePoint {
        point: usize,
    },
    Call {
        machine: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let machine = || 0..8usize;
    // Whatever an agent may call its machine: quotes, line ends, letters of other scripts.
    let name = || "[a-z0-9\"\\\\\n\täß漢{}:, -]{0,12}";
    prop_oneof![
        3 => name().prop_map(|name| Event::Pair { name }),
        1 => machine().prop_map(|machine| Event::PairAs { machine }),
        4 => (machine(), name(), 1..5usize, any::<bool>())
            .prop_map(|(machine, name, disks, pretty)| Event::TellInventory { machine, name, disks, pretty }),
        2 => (machine(), proptest::option::of(0..24u8))
            .prop_map(|(machine, hour)| Event::SetTimetable { machine, hour }),
        8 => (machine(), 0..u64::from(u32::MAX), any::<bool>())
            .prop_map(|(machine, created, old_release)| Event::BackUp { machine, created, old_release }),
        1 => machine().prop_map(|machine| Event::FailBackup { machine }),
        1 => (0..16usize).prop_map(|point| Event::LosePoint { point }),
        1 => machine().prop_map(|machine| Event::Call { machine }),
    ]
}

/// A box, and what stands for its pool.
struct Play {
    folder: TempDir,
    catalogue: Catalogue,
    points: Vec<Point>,
    guids: u64,
    keys: u64,
}

impl Play {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = open(folder.path()).unwrap();
        Self { folder, catalogue, points: Vec::new(), guids: u64::MAX, keys: 0 }
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("{:064x}", self.keys)
    }

    fn machine(&self, choice: usize) -> Option<MachineRow> {
        let mut machines = self.catalogue.machines().unwrap();
        (!machines.is_empty()).then(|| machines.swap_remove(choice % machines.len()))
    }

    fn job(&self, machine: &MachineRow) -> Option<(JobRow, Inventory)> {
        let inventory: Inventory = serde_json::from_str(&machine.inventory).ok()?;
        let disks: Vec<_> =
            inventory.disks.iter().map(|disk| (disk.id, disk.size.0, disk.sector_size)).collect();
        let new = NewJob { machine: machine.machine, cause: "request", initiator: "iqn.x", disks: &disks };
        let job = self.catalogue.add_job(&new).unwrap().unwrap();
        Some((self.catalogue.job(job).unwrap().unwrap(), inventory))
    }

    fn back_up(&mut self, machine: &MachineRow, created: u64, old_release: bool) {
        let Some((job, inventory)) = self.job(machine) else { return };
        let mut record = PointRecord::new(&job, machine, Vec::new()).unwrap().to_json().unwrap();
        if old_release {
            record = record.replacen(&format!("\"key\":\"{}\",", machine.key), "", 1);
        }
        let mut disks: Vec<PointDisk> = inventory
            .disks
            .iter()
            .map(|disk| {
                self.guids -= 1;
                let (disk, size, sector_size) = (disk.id.to_string(), disk.size.0, disk.sector_size);
                PointDisk { disk, guid: self.guids, size, sector_size, used: 7 }
            })
            .collect();
        // As zfs-manager lists them.
        disks.sort_by(|one, other| one.disk.cmp(&other.disk));
        let (machine, point) = (machine.machine.to_string(), job.point.to_string());
        let point = Point { machine, point, created, record, disks };
        let mut step = Step::Preparing;
        for next in [Step::Publishing, Step::Waiting, Step::Withdrawing, Step::Verifying, Step::Snapshotting]
        {
            assert!(self.catalogue.advance(job.job, step, next).unwrap());
            step = next;
        }
        self.catalogue.finish(job.job, &point, 1.5).unwrap();
        self.points.push(point);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Pair { name } => {
                let key = self.key();
                self.catalogue.register("7K4P", &name, &key).unwrap();
            }
            Event::PairAs { machine } => {
                let key = self.key();
                if let Some(machine) = self.machine(machine) {
                    assert!(self.catalogue.take_over(machine.machine, "Q2ZZ", &key).unwrap());
                }
            }
            Event::TellInventory { machine, name, disks, pretty } => {
                let Some(machine) = self.machine(machine) else { return };
                let inventory = samples::inventory(&name, disks);
                let text = if pretty {
                    serde_json::to_string_pretty(&inventory)
                } else {
                    serde_json::to_string(&inventory)
                };
                self.catalogue.set_inventory(machine.machine, &name, &text.unwrap()).unwrap();
            }
            Event::SetTimetable { machine, hour } => {
                let Some(machine) = self.machine(machine) else { return };
                let (timetable, zone) = match hour {
                    Some(hour) => (format!("0 30 {hour} * * *"), "Europe/Berlin"),
                    None => (String::new(), ""),
                };
                self.catalogue.set_timetable(machine.machine, &timetable, zone, 5).unwrap();
            }
            Event::BackUp { machine, created, old_release } => {
                if let Some(machine) = self.machine(machine) {
                    self.back_up(&machine, created, old_release);
                }
            }
            Event::FailBackup { machine } => {
                if let Some((job, _)) = self.machine(machine).and_then(|machine| self.job(&machine)) {
                    self.catalogue.doom(job.job, "the cable is cut", "").unwrap();
                    self.catalogue.end_failed(job.job, "the cable is cut", 2.5).unwrap();
                }
            }
            Event::LosePoint { point } => {
                if !self.points.is_empty() {
                    let lost = self.points.remove(point % self.points.len());
                    self.catalogue
                        .set_present(lost.point.parse::<RecoveryPointId>().unwrap(), false)
                        .unwrap();
                }
            }
            Event::Call { machine } => {
                let Some(machine) = self.machine(machine) else { return };
                self.catalogue.set_address(machine.machine, "192.0.2.7").unwrap();
                self.catalogue.set_seen(machine.machine, 1_800_000_000).unwrap();
            }
        }
    }

    /// What the pool has, the machines' records written as they are by the service.
    fn pool(&self) -> Raw {
        let record = |row: MachineRow| zfs::MachineRecord {
            machine: row.machine.to_string(),
            record: MachineRecord::of(&row).to_json().unwrap(),
        };
        Raw {
            records: self.catalogue.machines().unwrap().into_iter().map(record).collect(),
            points: self.points.clone(),
            ..Raw::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_catalogue_made_anew_from_the_pool_is_row_by_row_the_same(
        events in proptest::collection::vec(event(), 0..40)
    ) {
        let mut play = Play::new();
        events.into_iter().for_each(|event| play.happen(event));
        let contents = Contents::gather(&play.pool());
        prop_assert_eq!(&contents.unreadable, &[]);
        let before = rows::rows(&play.folder.path().join("catalogue.sqlite"));
        let new = build(play.folder.path(), &contents).unwrap();
        prop_assert_eq!(rows::rows(&new), before);
        prop_assert_eq!(rows::count(&new, "jobs"), 0);
        // And what is made anew from the same pool once more, or filled in twice, is the same again.
        let (again, _) = install(play.folder.path(), &new).unwrap();
        let taken = again.take_in(&contents).unwrap();
        prop_assert_eq!((taken.machines, taken.points), (0, 0));
        let before = rows::rows(&play.folder.path().join("catalogue.sqlite"));
        let new = build(play.folder.path(), &contents).unwrap();
        prop_assert_eq!(rows::rows(&new), before);
    }
}

#[test]
fn a_key_that_two_machines_claim_is_given_to_one_and_both_keep_their_points() {
    let (one, other) = (samples::machine_record("one"), samples::machine_record("other"));
    let other = MachineRecord { key: one.key.clone(), ..other };
    let contents = Contents { machines: vec![one.clone(), other.clone()], ..Contents::default() };
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).unwrap();
    catalogue.take_in(&contents).unwrap();
    assert_eq!(catalogue.machine(one.machine).unwrap().unwrap().key, one.key);
    let left: MachineId = other.machine;
    assert_eq!(catalogue.machine(left).unwrap().unwrap().key, format!("none:{left}"));
}

#[test]
fn a_frozen_catalogue_takes_no_change_that_would_be_lost_and_thaws() {
    let mut play = Play::new();
    play.happen(Event::Pair { name: "mail".into() });
    play.happen(Event::TellInventory { machine: 0, name: "mail".into(), disks: 1, pretty: false });
    let machine = play.machine(0).unwrap();
    let busy = |result: Result<()>| assert!(matches!(result, Err(CatalogueError::Busy(_))), "{result:?}");
    {
        let _frozen = play.catalogue.freeze().unwrap();
        busy(play.catalogue.register("7K4P", "x", &"1".repeat(64)).map(drop));
        busy(play.catalogue.take_over(machine.machine, "7K4P", &"1".repeat(64)).map(drop));
        busy(play.catalogue.set_inventory(machine.machine, "x", "{}"));
        busy(play.catalogue.set_timetable(machine.machine, "", "", 0));
        busy(play.catalogue.take_in(&Contents::default()).map(drop));
        busy(play.catalogue.freeze().map(drop));
        let new = NewJob { machine: machine.machine, cause: "request", initiator: "", disks: &[] };
        busy(play.catalogue.add_job(&new).map(drop));
        play.catalogue.set_address(machine.machine, "192.0.2.7").unwrap();
    }
    let (job, _) = play.job(&machine).unwrap();
    busy(play.catalogue.freeze().map(drop));
    play.catalogue.end_failed(job.job, "x", 0.0).unwrap();
    play.catalogue.freeze().unwrap();
}
