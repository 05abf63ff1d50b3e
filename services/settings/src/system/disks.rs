//! What disks' names mean on this box.

use std::path::{Path, PathBuf};
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

/// What each name means, of the disks that may be used.
pub fn find(names: &[DiskName], usable: &[Disk]) -> Vec<Found> {
    let node = |path: &str| path_of(Path::new(path));
    let usable: Vec<_> = usable.iter().map(|disk| (node(&disk.device), disk)).collect();
    let entries = entries();
    let find = |name: &DiskName| {
        let path = match disks::resolve(name, &entries) {
            Ok(path) => node(&path),
            Err(error) => return Found::No(error.to_string()),
        };
        match usable.iter().find(|(other, _)| *other == path) {
            Some((_, disk)) => {
                Found::Disk { device: path.to_string_lossy().into_owned(), holds: disk.holds.clone() }
            }
            None => Found::No(format!(
                "the disk {:?} cannot be part of a pool: the system itself uses it",
                name.as_str()
            )),
        }
    };
    names.iter().map(find).collect()
}

fn path_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
