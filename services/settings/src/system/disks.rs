//! What disks' names mean on this box.

use std::path::Path;
use std::time::Instant;

use understudy_answers::DiskName;
use understudy_bus::zfs::Disk;

use super::{APPEAR, POLL};
use crate::disks::{self, Entry, Unresolved};
use crate::engine::Found;

fn entries() -> Vec<Entry> {
    let entries = std::fs::read_dir("/dev/disk/by-id").into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let node = entry.path().canonicalize().ok()?;
        Some((entry.file_name().into_string().ok()?, node.to_string_lossy().into_owned()))
    });
    named.collect()
}

/// Paths of disks beneath `/dev/disk/by-id`, once all are there.
pub async fn wait_for(wanted: &[DiskName]) -> anyhow::Result<Vec<String>> {
    let begin = Instant::now();
    loop {
        let found = wanted.iter().map(|name| disks::resolve(name, &entries())).collect::<Result<_, _>>();
        match found {
            Ok(paths) => return Ok(paths),
            Err(Unresolved::Absent { .. }) if begin.elapsed() < APPEAR / 2 => tokio::time::sleep(POLL).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// What zfs-manager wants to hear of a disk whose contents may be lost: its serial number, where that is its own; its path otherwise.
pub fn to_agree(path: &str, all: &[Disk]) -> String {
    let node = Path::new(path).canonicalize().unwrap_or_default();
    serial_of(&node, all).unwrap_or(path).to_owned()
}

fn serial_of<'a>(node: &Path, all: &'a [Disk]) -> Option<&'a str> {
    let serial = |disk: &'a Disk| Some(disk.serial.trim()).filter(|serial| !serial.is_empty());
    let own = serial(all.iter().find(|disk| Path::new(&disk.node) == node)?)?;
    let sharing = all.iter().filter(|disk| serial(disk).is_some_and(|other| other.eq_ignore_ascii_case(own)));
    (sharing.count() == 1).then_some(own)
}

/// What each name means, of all disks of the box.
pub fn find(names: &[DiskName], all: &[Disk]) -> Vec<Found> {
    let entries = entries();
    names.iter().map(|name| find_one(name, &entries, all)).collect()
}

fn find_one(name: &DiskName, entries: &[Entry], all: &[Disk]) -> Found {
    let path = match disks::resolve(name, entries) {
        Ok(path) => path,
        Err(error) => return Found::No(error.to_string()),
    };
    // One disk has many names there.
    let node = |path: &str| {
        let entry =
            entries.iter().find(|(name, _)| path.rsplit_once('/').is_some_and(|(_, last)| last == name));
        entry.map(|(_, node)| node.clone())
    };
    match all.iter().find(|disk| node(&path).as_ref() == Some(&disk.node)) {
        Some(disk) if disk.usable.is_empty() => {
            Found::Disk { device: disk.node.clone(), holds: disk.contents.clone() }
        }
        Some(disk) => {
            Found::No(format!("the disk {:?} cannot be part of a pool: {}", name.as_str(), disk.usable))
        }
        None => Found::No(format!("{:?} is no disk that a pool could be made of", name.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_told_with_what_is_on_it_or_why_it_cannot_be_used() {
        let entries = [
            ("virtio-a", "/dev/vdb"),
            ("wwn-0x5", "/dev/vdb"),
            ("virtio-root", "/dev/vda"),
            ("nbd-x", "/dev/nbd0"),
        ]
        .map(|(name, node)| (name.to_owned(), node.to_owned()));
        let disk = |node: &str, contents: &str, usable: &str| Disk {
            node: node.to_owned(),
            contents: contents.to_owned(),
            usable: usable.to_owned(),
            ..Disk::default()
        };
        let all = [disk("/dev/vda", "", "the system runs from it"), disk("/dev/vdb", "ext4", "")];
        let find = |name: &str| find_one(&name.parse().unwrap(), &entries, &all);
        let found = Found::Disk { device: "/dev/vdb".to_owned(), holds: "ext4".to_owned() };
        assert_eq!(find("a"), found);
        assert_eq!(find("wwn-0x5"), found);
        for (name, word) in
            [("root", "the system runs from it"), ("x", "no disk that"), ("c", "connected are")]
        {
            assert!(matches!(find(name), Found::No(reason) if reason.contains(word)), "{name}");
        }
    }

    #[test]
    fn a_disk_is_agreed_to_be_erased_by_its_serial_number_if_that_is_its_own() {
        let disk =
            |node: &str, serial: &str| Disk { node: node.into(), serial: serial.into(), ..Disk::default() };
        let all = [
            disk("/dev/sda", "WD-1"),
            disk("/dev/sdb", "SAME"),
            disk("/dev/sdc", "same "),
            disk("/dev/sdd", ""),
        ];
        let serials = ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde"]
            .map(|node| serial_of(Path::new(node), &all));
        assert_eq!(serials, [Some("WD-1"), None, None, None, None]);
    }
}
