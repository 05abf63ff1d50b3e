//! Volumes' snapshots as recovery points.

use std::collections::BTreeMap;

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId};
use understudy_bus::zfs::{Point, PointDisk};

use super::command;
use super::device::{self, Exclusive};
use super::listing::{self, Entry};
use crate::engine::Geometry;
use crate::layout;
use crate::record;

/// Makes a volume, and the machine's dataset before it.
pub async fn create_volume(machine: MachineId, disk: DiskId, geometry: Geometry) -> Result<()> {
    match command::zfs(command::create_folder(&layout::machine(machine), &[])).await {
        Ok(_) | Err(Error::Exists(_)) => {}
        Err(error) => return Err(error),
    }
    command::zfs(command::create_volume(machine, disk, geometry)).await.map(drop)
}

/// A volume that no initiator can write to while this is held. Readers are welcome: the box reads a volume back to check
/// what it received, and keeps it open.
pub async fn not_published(dataset: &str, volume_size: u64) -> Result<std::fs::File> {
    device::wait(dataset, volume_size).await?;
    Exclusive::claim(dataset)
}

/// All recovery points of a machine or of all, oldest first.
pub async fn list(machine: Option<MachineId>) -> Result<Vec<Point>> {
    let root = machine.map_or_else(|| layout::MACHINES.to_owned(), layout::machine);
    match command::zfs(listing_of(&root)).await {
        Ok(json) => group(&listing::parse(&json)?),
        // A machine that was never backed up has no dataset yet.
        Err(Error::NotFound(_)) if machine.is_some() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// One recovery point, if it exists.
pub async fn find(machine: MachineId, point: RecoveryPointId) -> Result<Option<Point>> {
    let point = point.to_string();
    Ok(list(Some(machine)).await?.into_iter().find(|found| found.point == point))
}

fn listing_of(root: &str) -> Vec<String> {
    let mut properties = vec![
        "name".to_owned(),
        "guid".to_owned(),
        "creation".to_owned(),
        "createtxg".to_owned(),
        "used".to_owned(),
    ];
    properties.extend(
        [layout::PROPERTY_VERSION, layout::PROPERTY_SIZE, layout::PROPERTY_SECTOR].map(str::to_owned),
    );
    properties.extend((0..record::PARTS).map(record::property));
    let properties: Vec<_> = properties.iter().map(String::as_str).collect();
    command::list("snapshot", &properties, root)
}

/// Puts the snapshots of all disks together to recovery points. Snapshots that are not ours are left out.
fn group(entries: &[Entry]) -> Result<Vec<Point>> {
    let mut points: BTreeMap<(u64, MachineId, RecoveryPointId), Point> = BTreeMap::new();
    for entry in entries {
        let Some((machine, disk, point)) = layout::parse_snapshot(&entry.name) else { continue };
        let geometry = entry.geometry()?;
        let found = PointDisk {
            disk: disk.to_string(),
            guid: entry.number("guid")?,
            size: geometry.size.0,
            sector_size: geometry.sector,
            used: entry.number("used")?,
        };
        // Snapshots of one point have one transaction group, which also orders points exactly, as clocks do not.
        let key = (entry.number("createtxg")?, machine, point);
        match points.entry(key) {
            std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().disks.push(found),
            std::collections::btree_map::Entry::Vacant(place) => {
                let parts = (0..record::PARTS).map(record::property);
                let parts: Vec<_> = parts.map_while(|part| entry.text(&part)).collect();
                place.insert(Point {
                    machine: machine.to_string(),
                    point: point.to_string(),
                    created: entry.number("creation")?,
                    record: record::decode(parts.into_iter())?,
                    disks: vec![found],
                });
            }
        }
    }
    for point in points.values_mut() {
        point.disks.sort_by(|a, b| a.disk.cmp(&b.disk));
    }
    Ok(points.into_values().collect())
}

/// Returns an existing point if it holds exactly these disks.
pub fn same_disks(existing: Point, disks: &[DiskId]) -> Result<Point> {
    let wanted: Vec<_> = disks.iter().map(ToString::to_string).collect();
    if existing.disks.iter().map(|disk| &disk.disk).eq(&wanted) {
        return Ok(existing);
    }
    Err(Error::Exists(format!(
        "recovery point {} exists already, with other disks than the {} asked for",
        existing.point,
        disks.len()
    )))
}

/// Fails with `NotFound` if there is no such snapshot.
pub async fn exists(snapshot: &str) -> Result<()> {
    let list = ["list", "-H", "-o", "name", "-t", "snapshot", snapshot].map(str::to_owned).to_vec();
    command::zfs(list).await.map(drop)
}

/// A volume's newest snapshot, ours or not.
pub async fn newest(volume: &str) -> Result<Option<String>> {
    let list = ["list", "-H", "-o", "name", "-t", "snapshot", "-s", "createtxg", "-d", "1", volume];
    let names = command::zfs(list.map(str::to_owned).to_vec()).await?;
    Ok(names.lines().last().map(str::to_owned))
}

/// Why a volume cannot be rolled back to `wanted`.
pub fn not_newest(wanted: &str, newest: Option<&str>) -> Error {
    match newest {
        None => Error::NotFound(format!("{wanted} does not exist; its volume has no recovery point")),
        Some(newest) => Error::Exists(format!(
            "{wanted} is not the newest recovery point ({newest} is); rolling back to it would destroy the newer ones"
        )),
    }
}

/// Takes the device nodes from all volumes' snapshots that nobody reads.
pub async fn hide_unread() -> Result<()> {
    let volumes = listing::parse(
        &command::zfs(command::list("volume", &["name", "snapdev"], layout::MACHINES)).await?,
    )?;
    for volume in volumes.iter().filter(|volume| volume.text("snapdev") == Some("visible")) {
        let list = ["list", "-H", "-o", "name", "-t", "snapshot", "-d", "1", &volume.name];
        let snapshots = command::zfs(list.map(str::to_owned).to_vec()).await?;
        if !snapshots.lines().any(device::is_read) {
            command::zfs(vec!["set".to_owned(), "snapdev=hidden".to_owned(), volume.name.clone()]).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, txg: u64, record: &str) -> String {
        let parts = record::encode(record).unwrap();
        let part = parts.first().map_or("-", |(_, value)| value);
        format!(
            r#""{name}":{{"name":"{name}","properties":{{"guid":{{"value":"7"}},"creation":{{"value":"{}"}},
            "createtxg":{{"value":"{txg}"}},"used":{{"value":"0"}},"org.understudy:version":{{"value":"1"}},
            "org.understudy:size":{{"value":"1024"}},"org.understudy:sector":{{"value":"512"}},
            "org.understudy:record.0":{{"value":"{part}"}},"org.understudy:record.1":{{"value":"-"}}}}}}"#,
            5000 - txg
        )
    }

    fn points(entries: &[String]) -> Vec<Point> {
        group(&listing::parse(&format!(r#"{{"datasets":{{{}}}}}"#, entries.join(","))).unwrap()).unwrap()
    }

    #[test]
    fn points_are_ordered_by_when_they_were_taken_even_when_the_clock_went_back() {
        let machine = MachineId::new();
        let disks = [DiskId::new(), DiskId::new()];
        let (old, new) = (RecoveryPointId::new(), RecoveryPointId::new());
        let mut entries = Vec::new();
        for disk in disks {
            entries.push(entry(&layout::snapshot(machine, disk, new), 20, "{\"n\":2}"));
            entries.push(entry(&layout::snapshot(machine, disk, old), 10, "{\"n\":1}"));
        }
        entries.push(entry(&format!("{}@by-hand", layout::volume(machine, disks[0])), 30, ""));
        let points = points(&entries);
        assert_eq!(
            points.iter().map(|p| p.point.clone()).collect::<Vec<_>>(),
            [old, new].map(|p| p.to_string())
        );
        assert_eq!(points[1].record, "{\"n\":2}");
        assert_eq!(points[1].disks.len(), 2);
    }

    #[test]
    fn asking_for_an_existing_point_with_other_disks_is_refused() {
        let (machine, disk) = (MachineId::new(), DiskId::new());
        let found =
            points(&[entry(&layout::snapshot(machine, disk, RecoveryPointId::new()), 1, "")]).remove(0);
        assert!(same_disks(found.clone(), &[disk]).is_ok());
        assert!(matches!(same_disks(found, &[DiskId::new()]), Err(Error::Exists(_))));
    }
}
