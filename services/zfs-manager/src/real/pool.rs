//! The pool: found among what is on the disks, completed, described, released.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::Pool;
use understudy_service::Program;

use super::command::{self, Import};
use super::recognize::Candidate;
use super::{disks, label, listing};
use crate::importable::{self, Importable};
use crate::layout;

const BUSY_POLL: Duration = Duration::from_millis(200);

/// The number that tells boxes apart, four bytes made from the machine id when the box boots. It stands in every pool this
/// box imports: so a power cut (not released, but ours) is told from disks that another system may still be using.
pub fn host_id(root: &Path) -> Option<u64> {
    let bytes = std::fs::read(root.join("etc/hostid")).ok()?;
    let id = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    (id != 0).then_some(u64::from(id))
}

/// The imported pool, as `zpool list` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its GUID.
    pub guid: u64,
    /// `ONLINE`, `DEGRADED`, …
    pub health: String,
    /// Whether it was imported only to be looked at.
    pub read_only: bool,
}

/// The imported pool, if there is one.
pub async fn imported() -> Result<Option<Imported>> {
    Ok(parse_imported(&command::zpool(command::list_imported()).await?))
}

fn parse_imported(listing: &str) -> Option<Imported> {
    listing.lines().find_map(|line| {
        let mut fields = line.split('\t');
        let (name, guid, health, read_only) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (name == layout::POOL).then_some(())?;
        Some(Imported { guid: guid.parse().ok()?, health: health.to_owned(), read_only: read_only == "on" })
    })
}

/// The pools on the disks that are not imported.
pub async fn listed() -> Result<Vec<Importable>> {
    match command::zpool(command::list_importable()).await {
        Ok(listing) => Ok(importable::parse(&listing)),
        Err(error) if error.message().contains("no pools available") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Waits until udev has named all disks there are.
pub async fn settle() {
    if let Err(error) = Program::new("udevadm").args(["settle", "--timeout=60"]).run().await {
        tracing::warn!("{error}; going on with the disks there are");
    }
}

/// Adds to a listed pool what the labels of its disks say.
pub async fn look_closer(root: &Path, pool: Importable) -> Candidate {
    let mut candidate = Candidate { pool, ..Candidate::default() };
    let mut labelled = false;
    for disk in candidate.pool.disks.iter().filter(|disk| !disk.is_missing()) {
        // A whole disk is listed without the partition that ZFS made on it.
        let name = format!("/dev/disk/by-id/{}", disk.name);
        if disk.name.contains('/') {
            continue;
        }
        if let Ok(kernel) = disks::whole_disk(root, Path::new(&name)) {
            candidate.lies_on.insert(kernel);
        }
        for device in [format!("{name}-part1"), name] {
            if labelled {
                break;
            }
            let Ok(text) = Program::new("zdb").args(["-l", &device]).run().await else { continue };
            if let Some(label) = label::parse(&text)
                && label.guid == candidate.pool.guid
            {
                (candidate.host_id, candidate.host_name) = (label.host_id, label.host_name);
                labelled = true;
            }
        }
    }
    candidate
}

/// Imports the pool to be used; says what to do if that fails.
pub async fn import(guid: u64) -> Result<()> {
    command::zpool(command::import_pool(guid, Import::ToUse, false)).await.map(drop).map_err(explain)
}

/// Says what to do about a pool that is there and cannot be imported.
fn explain(error: Error) -> Error {
    let text = error.message();
    let advice = if text.contains("in use from") || text.contains("imported on") {
        "The pool of this box was last used by another system and not released by it. Connect the disks to that one again and \
         shut it down, which releases the pool; only if it is gone for good, take the pool over: import it on the console"
    } else {
        "The pool of this box cannot be imported. Check that all its disks are connected"
    };
    Error::NotReady(format!("{advice}. ZFS says: {text}"))
}

/// Fails unless the imported pool is made of exactly these whole disks, by the kernel's names.
pub async fn check_made_of(root: &Path, wanted: &BTreeSet<String>) -> Result<()> {
    let held: BTreeSet<_> = members()
        .await?
        .iter()
        .map(|member| disks::whole_disk(root, Path::new(member)))
        .collect::<Result<_>>()?;
    if held == *wanted {
        return Ok(());
    }
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    Err(Error::Exists(format!(
        "this box already has a pool, on {}, and not on {}; nothing was changed. Name the disks of the pool it has, or \
         let it forget that pool first",
        list(&held),
        list(wanted)
    )))
}

/// Paths of what the imported pool is made of, there or not.
pub async fn members() -> Result<Vec<String>> {
    let status = ["status", "-j", "-P", layout::POOL].map(str::to_owned).to_vec();
    listing::disks(&command::zpool(status).await?)
}

/// Makes what is missing of our datasets.
pub async fn complete() -> Result<()> {
    let existing = ["list", "-H", "-o", "name", "-r", "-d", "2", layout::POOL].map(str::to_owned).to_vec();
    let existing = command::zfs(existing).await?;
    let exists = |name: &str| existing.lines().any(|line| line == name);
    for name in [layout::ROOT, layout::MACHINES, layout::VMS] {
        if !exists(name) {
            command::zfs(command::create_folder(name, &[])).await?;
        }
    }
    if !exists(layout::RESERVE) {
        let (size, _) = room().await?;
        let reserve = [("refreservation", layout::reserve(size).to_string())];
        command::zfs(command::create_folder(layout::RESERVE, &reserve)).await?;
    }
    Ok(())
}

/// Usable size of the pool, and what backups may still use.
async fn room() -> Result<(u64, u64)> {
    let list = ["list", "-j", "-p", "-o", "name,used,available", layout::POOL, layout::ROOT];
    let entries = listing::parse(&command::zfs(list.map(str::to_owned).to_vec()).await?)?;
    let find = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name);
        entry.ok_or_else(|| Error::Corrupt(format!("the pool has no dataset {name}")))
    };
    let pool = find(layout::POOL)?;
    Ok((pool.number("used")? + pool.number("available")?, find(layout::ROOT)?.number("available")?))
}

/// The pool's state.
pub async fn state(health: String) -> Result<Pool> {
    let (size, free) = room().await?;
    Ok(Pool { name: layout::POOL.to_owned(), health, size, free })
}

/// Releases the pool, so that its disks can be moved to another box. It is tried again for a while if something still uses it:
/// udev looks at volumes when they appear and when they are closed.
pub async fn export(patience: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        match command::zpool(command::export_pool()).await {
            Ok(_) => return Ok(()),
            Err(Error::Busy(text)) if begin.elapsed() < patience => tracing::debug!("{text}; trying again"),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(BUSY_POLL).await;
    }
}

/// The kernel's names of the whole disks at these paths; none unless all are there.
pub fn kernel_names(root: &Path, paths: &[PathBuf]) -> Option<BTreeSet<String>> {
    paths.iter().map(|path| disks::whole_disk(root, path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imported_pool_is_found_among_others() {
        let listing = "tank\t5\tONLINE\toff\nunderstudy\t18446744073709551615\tDEGRADED\ton\n";
        let expected = Imported { guid: u64::MAX, health: "DEGRADED".to_owned(), read_only: true };
        assert_eq!(parse_imported(listing), Some(expected));
        assert_eq!(parse_imported("tank\t5\tONLINE\toff\n"), None);
        assert_eq!(parse_imported("understudy\n"), None);
    }

    #[test]
    fn a_host_id_is_four_bytes_that_are_not_all_zero() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("etc/hostid");
        std::fs::create_dir(root.path().join("etc")).unwrap();
        assert_eq!(host_id(root.path()), None);
        std::fs::write(&file, [0; 4]).unwrap();
        assert_eq!(host_id(root.path()), None);
        std::fs::write(&file, 0x1234_5678_u32.to_ne_bytes()).unwrap();
        assert_eq!(host_id(root.path()), Some(0x1234_5678));
    }

    #[test]
    fn a_pool_of_another_box_is_explained_in_each_of_the_words_zfs_has_for_it() {
        for said in [
            "cannot import 'understudy': pool was previously in use from another system.",
            "cannot import 'understudy': pool is imported on other (hostid: 0x7)",
        ] {
            assert!(explain(Error::Failed(said.into())).message().contains("another system"), "{said}");
        }
        assert!(explain(Error::Failed("I/O error".into())).message().contains("all its disks"));
    }
}
