//! What the pool says of machines and recovery points. [`read`] asks for it, [`Contents::gather`] makes sense of it, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::Unreadable;
use understudy_bus::zfs::{self, Point};
use understudy_wire::{DiskId, JobId, MachineId, RecoveryPointId};

use crate::engines::Engines;
use crate::machine_record::MachineRecord;
use crate::point_record::PointRecord;

/// As the pool gives it.
#[derive(Debug, Default)]
pub struct Raw {
    /// Machines' records.
    pub records: Vec<zfs::MachineRecord>,
    /// Recovery points, those of each machine oldest first.
    pub points: Vec<Point>,
    /// Machines whose recovery points cannot be listed, and why.
    pub unlisted: BTreeMap<String, String>,
}

/// Reads the pool.
pub async fn read(engines: &Engines) -> Result<Raw> {
    let records = engines.zfs.machine_records().await?;
    match engines.zfs.points("").await {
        Ok(points) => Ok(Raw { records, points, unlisted: BTreeMap::new() }),
        // One damaged property spoils the listing of all. Machine by machine, it spoils only its own.
        Err(Error::Corrupt(why)) => {
            tracing::error!("not all recovery points can be listed: {why}");
            let mut machines: BTreeSet<String> =
                records.iter().map(|record| record.machine.clone()).collect();
            match engines.zfs.volumes().await {
                Ok(volumes) => machines.extend(volumes.into_iter().map(|volume| volume.machine)),
                Err(Error::Corrupt(why)) => tracing::error!("not all volumes can be listed: {why}"),
                Err(error) => return Err(error),
            }
            let (mut points, mut unlisted) = (Vec::new(), BTreeMap::new());
            for machine in machines {
                match engines.zfs.points(&machine).await {
                    Ok(listed) => points.extend(listed),
                    Err(Error::Corrupt(why)) => drop(unlisted.insert(machine, why)),
                    Err(error) => return Err(error),
                }
            }
            Ok(Raw { records, points, unlisted })
        }
        Err(error) => Err(error),
    }
}

/// What of it can be taken into a catalogue.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every machine that has a record, or at least a recovery point.
    pub machines: Vec<MachineRecord>,
    /// Recovery points with the jobs that made them, in the order of the pool. Their machines are among `machines`.
    pub points: Vec<(Point, JobId)>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Contents {
    /// Sorts out what the pool has.
    pub fn gather(raw: &Raw) -> Self {
        let mut contents = Self::default();
        let mut machines: BTreeMap<MachineId, MachineRecord> = BTreeMap::new();
        for (machine, why) in &raw.unlisted {
            contents.refuse(format!("recovery points of machine {machine}"), why.clone());
        }
        for zfs::MachineRecord { machine, record } in &raw.records {
            match MachineRecord::parse(machine, record) {
                Ok(record) => drop(machines.insert(record.machine, record)),
                Err(error) => contents.refuse(format!("machine {machine}"), error.message()),
            }
        }
        let mut newest = BTreeMap::new();
        for point in &raw.points {
            match read_point(point) {
                Ok(record) => {
                    contents.points.push((point.clone(), record.job));
                    newest.insert(record.machine, record);
                }
                Err(error) => contents.refuse(format!("recovery point {}", point.point), error.message()),
            }
        }
        for (machine, point) in newest {
            if machines.contains_key(&machine) {
                continue;
            }
            match MachineRecord::from_point(&point) {
                Ok(record) => drop(machines.insert(machine, record)),
                Err(error) => {
                    contents.points.retain(|(point, _)| point.machine != machine.to_string());
                    contents.refuse(format!("machine {machine}"), error.message());
                }
            }
        }
        contents.machines = machines.into_values().collect();
        contents
    }

    fn refuse(&mut self, what: String, why: String) {
        self.unreadable.push(Unreadable { what, why });
    }
}

/// A point's record, after the check that the point can be a row.
fn read_point(point: &Point) -> Result<PointRecord> {
    let record = PointRecord::parse(&point.record)?;
    if record.machine.to_string() != point.machine {
        return Err(Error::Corrupt(format!(
            "its record is that of a recovery point of machine {}, it lies with machine {}",
            record.machine, point.machine
        )));
    }
    let ids = point.point.parse::<RecoveryPointId>().map(drop);
    point
        .disks
        .iter()
        .fold(ids, |ids, disk| ids.and(disk.disk.parse::<DiskId>().map(drop)))
        .map_err(|error| Error::Corrupt(error.to_string()))?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn point(record: &PointRecord) -> Point {
        Point {
            machine: record.machine.to_string(),
            point: RecoveryPointId::new().to_string(),
            created: 5,
            record: record.to_json().unwrap(),
            disks: Vec::new(),
        }
    }

    fn stored(record: &MachineRecord) -> zfs::MachineRecord {
        zfs::MachineRecord { machine: record.machine.to_string(), record: record.to_json().unwrap() }
    }

    #[test]
    fn a_machine_without_a_record_is_what_its_newest_point_says_and_no_agent_speaks_for_it() {
        let machine = MachineId::new();
        let old = samples::point_record(machine, "old-name", "k");
        let new = samples::point_record(machine, "new-name", "k");
        let contents = Contents::gather(&Raw { points: vec![point(&old), point(&new)], ..Raw::default() });
        assert_eq!(contents.points.len(), 2);
        let [found] = contents.machines.as_slice() else { panic!("{:?}", contents.machines) };
        assert_eq!((found.name.as_str(), found.key.clone()), ("new-name", format!("none:{machine}")));
        assert_eq!(
            serde_json::from_str::<understudy_wire::Inventory>(&found.inventory).unwrap(),
            new.inventory
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_reason_and_the_rest_comes_through() {
        let (good, newer) = (samples::machine_record("mail"), samples::machine_record("files"));
        let mut newer_text = stored(&newer);
        newer_text.record = newer_text.record.replacen("\"version\":1", "\"version\":9", 1);
        let damaged = zfs::MachineRecord { machine: MachineId::new().to_string(), record: "e30=".into() };
        let fine = point(&samples::point_record(good.machine, "mail", &good.key));
        let misplaced = Point {
            machine: newer.machine.to_string(),
            ..point(&samples::point_record(good.machine, "mail", ""))
        };
        let raw = Raw {
            records: vec![stored(&good), newer_text, damaged.clone()],
            points: vec![misplaced.clone(), fine.clone()],
            unlisted: [("x".to_owned(), "spoilt".to_owned())].into(),
        };
        let contents = Contents::gather(&raw);
        assert_eq!(contents.machines, [good]);
        assert_eq!(contents.points.len(), 1);
        assert_eq!(contents.points[0].0, fine);
        let expected = [
            ("recovery points of machine x".to_owned(), "spoilt"),
            (format!("machine {}", newer.machine), "version 9"),
            (format!("machine {}", damaged.machine), "cannot be read"),
            (format!("recovery point {}", misplaced.point), "it lies with machine"),
        ];
        assert_eq!(contents.unreadable.len(), expected.len(), "{:?}", contents.unreadable);
        for (found, (what, why)) in contents.unreadable.iter().zip(expected) {
            assert!(found.what == what && found.why.contains(why), "{found:?}");
        }
    }
}
