//! The pool: imported at start, made once, exported when the box goes down.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::Pool;
use understudy_service::Program;

use super::command;
use super::disks::{self, Disk};
use super::listing;
use crate::engine::Redundancy;
use crate::layout;

/// The number that tells boxes apart, four bytes made from the machine id when the box boots. It stands in every pool this
/// box imports: so a power cut (not released, but ours) is told from disks that another system may still be using.
pub fn check_host_id() {
    match std::fs::read("/etc/hostid") {
        Ok(id) if id.iter().any(|&byte| byte != 0) => {}
        _ => tracing::error!(
            "/etc/hostid is absent or zero: a pool of another box would be imported without asking"
        ),
    }
}

/// Writes a small file so that a power cut leaves the old or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether the pool is imported.
pub async fn imported() -> Result<bool> {
    let names = command::zpool(["list", "-H", "-o", "name"].map(str::to_owned).to_vec()).await?;
    Ok(names.lines().any(|name| name == layout::POOL))
}

/// Imports the pool if the disks hold it; false if they do not.
pub async fn import() -> Result<bool> {
    if imported().await? {
        return Ok(true);
    }
    // Before udev has named all its disks, half a mirror would be imported as degraded. Waiting for all devices takes most of a boot: no need
    // if all its disks are there.
    if !command::zpool(command::list_importable()).await.is_ok_and(|listing| is_whole(&listing))
        && let Err(error) = Program::new("udevadm").args(["settle", "--timeout=60"]).run().await
    {
        tracing::warn!("{error}; looking for the pool on the disks there are");
    }
    match command::zpool(command::import_pool()).await {
        Ok(_) => Ok(true),
        Err(error) if error.message().contains("no such pool available") => Ok(false),
        Err(error) => Err(explain(error)),
    }
}

/// Whether a listing of pools that could be imported (zpool-import(8)) has just one of ours, and none of its disks is missing.
fn is_whole(listing: &str) -> bool {
    let pools = listing.split("pool: ").skip(1);
    let ours: Vec<_> =
        pools.filter(|pool| pool.lines().next().map(str::trim) == Some(layout::POOL)).collect();
    let [pool] = ours[..] else { return false };
    let (head, config) = pool.split_once("config:").unwrap_or((pool, ""));
    // Each vdev is a line: its name, its state.
    let states: Vec<_> = config
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().nth(1))
        .collect();
    head.lines().any(|line| line.trim() == "state: ONLINE")
        && !states.is_empty()
        && states.iter().all(|state| *state == Some("ONLINE"))
}

/// Says what to do about a pool that is there and cannot be imported.
fn explain(error: Error) -> Error {
    let text = error.message();
    let advice = if text.contains("in use from other system") || text.contains("last accessed by") {
        "The pool on these disks was last used by another system and not released by it. Connect the disks to that box \
         again and shut it down properly, which releases the pool; only if it is gone for good, take the pool over with \
         `zpool import -f -N -o cachefile=none understudy`"
    } else if text.contains("more than one matching pool") {
        "Disks of two boxes are connected, each with a pool named understudy. Disconnect those that do not belong here"
    } else {
        "The disks hold a pool named understudy that cannot be imported. Check that all its disks are connected"
    };
    Error::NotReady(format!("{advice}. ZFS says: {text}"))
}

/// Makes the pool, or returns if these very disks hold it already.
///
/// A power cut in here: before `zpool create` the intent is written down, so that the next call, finding half a pool on disks
/// that were proved empty, clears them and starts again. After it, the next start imports the pool and makes the missing
/// datasets.
pub async fn create(state: &Path, redundancy: Redundancy, paths: &[PathBuf]) -> Result<()> {
    let disks = paths.iter().map(|path| Disk::find(path)).collect::<Result<Vec<_>>>()?;
    let wanted: BTreeSet<_> = disks.iter().map(|disk| disk.name.clone()).collect();
    if wanted.len() != disks.len() {
        return Err(Error::InvalidArgument("the same disk is named twice".to_owned()));
    }
    let intent = Intent::new(state, paths);
    match import().await {
        Ok(true) => {
            check_made_of(&wanted).await?;
            complete().await?;
            return intent.forget();
        }
        Ok(false) => {}
        // Half-written labels of our own attempt; the disks are looked at below.
        Err(error) if intent.stands() => tracing::warn!("{}", error.message()),
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    for disk in &disks {
        found.push((disk.path.clone(), disk.findings().await?));
    }
    if found.iter().any(|(_, findings)| !findings.is_empty()) {
        let ours = found.iter().flat_map(|(_, findings)| findings).all(disks::Finding::is_from_pool_creation);
        if !intent.stands() || !ours {
            return Err(disks::refusal(&found));
        }
        tracing::info!("making the pool was interrupted; clearing what it left and starting again");
        for disk in &disks {
            disk.wipe().await?;
        }
    }
    intent.write()?;
    command::zpool(command::create_pool(redundancy, paths)).await?;
    complete().await?;
    tracing::info!("made the pool {} as {redundancy:?} of {} disks", layout::POOL, disks.len());
    intent.forget()
}

/// The disks that were found empty and that a pool is being made of.
struct Intent {
    path: PathBuf,
    text: String,
}

impl Intent {
    fn new(state: &Path, disks: &[PathBuf]) -> Self {
        let mut names: Vec<_> = disks.iter().map(|disk| disk.to_string_lossy().into_owned()).collect();
        names.sort();
        Self { path: state.join("making-pool-of"), text: names.join("\n") }
    }

    fn stands(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    fn write(&self) -> Result<()> {
        replace(&self.path, &self.text)
            .map_err(|error| Error::Failed(format!("cannot write {}: {error}", self.path.display())))
    }

    fn forget(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Failed(format!("cannot remove {}: {error}", self.path.display())))
            }
            _ => Ok(()),
        }
    }
}

async fn check_made_of(wanted: &BTreeSet<String>) -> Result<()> {
    let status = ["status", "-j", "-P", layout::POOL].map(str::to_owned).to_vec();
    let members = listing::disks(&command::zpool(status).await?)?;
    let held: BTreeSet<_> =
        members.iter().map(|member| disks::whole_disk(Path::new(member))).collect::<Result<_>>()?;
    if held == *wanted {
        return Ok(());
    }
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    Err(Error::Exists(format!(
        "this box already has a pool, on {}, and not on {}; nothing was changed. Name the disks of the pool it has, or \
         disconnect them",
        list(&held),
        list(wanted)
    )))
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
pub async fn state() -> Result<Pool> {
    let health = ["list", "-H", "-o", "health", layout::POOL].map(str::to_owned).to_vec();
    let health = command::zpool(health).await?.trim().to_owned();
    let (size, free) = room().await?;
    Ok(Pool { name: layout::POOL.to_owned(), health, size, free })
}

/// Releases the pool, so that its disks can be moved to another box.
pub async fn export() {
    match command::zpool(["export", layout::POOL].map(str::to_owned).to_vec()).await {
        Ok(_) => tracing::info!("released the pool"),
        Err(error) => tracing::warn!("the pool stays marked as ours: {}", error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_stands_for_exactly_its_disks_until_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let (a, b) = (PathBuf::from("/dev/disk/by-id/a"), PathBuf::from("/dev/disk/by-id/b"));
        Intent::new(state.path(), &[a.clone(), b.clone()]).write().unwrap();
        let same = Intent::new(state.path(), &[b.clone(), a]);
        assert!(same.stands() && !Intent::new(state.path(), &[b]).stands());
        same.forget().unwrap();
        same.forget().unwrap();
        assert!(!same.stands());
    }

    #[test]
    fn a_pool_is_whole_if_all_its_disks_are_there_and_it_is_the_only_one() {
        let pool = |name: &str, state: &str, disk: &str| {
            format!(
                "   pool: {name}\n     id: 123\n  state: {state}\n action: The pool can be imported.\n config:\n\n\
                 \t{name}  {state}\n\t  mirror-0  {state}\n\t    virtio-data-a  ONLINE\n\t    virtio-data-b  {disk}\n\n"
            )
        };
        let whole = pool("understudy", "ONLINE", "ONLINE");
        assert!(is_whole(&whole));
        assert!(is_whole(&(pool("tank", "DEGRADED", "UNAVAIL") + &whole)));
        for other in [
            String::new(),
            pool("tank", "ONLINE", "ONLINE"),
            pool("understudy", "DEGRADED", "UNAVAIL"),
            pool("understudy", "ONLINE", "UNAVAIL"),
            pool("understudy", "ONLINE", "UNAVAIL  was /dev/disk/by-id/ONLINE"),
            whole.clone() + &whole,
            "   pool: understudy\n  state: ONLINE\n".to_owned(),
        ] {
            assert!(!is_whole(&other), "{other}");
        }
    }

    #[test]
    fn a_pool_of_another_box_is_explained() {
        let error =
            Error::Failed("cannot import 'understudy': pool was previously in use from other system".into());
        assert!(explain(error).message().contains("another system"));
    }
}
