//! Clones that were on the pool when machines came from it into the catalogue: disks of stand-ins of another box, or of this one before its
//! catalogue was lost. Nothing more is known of them, but what a machine's stand-in has written since the disaster may be on them and
//! nowhere else. So they stay until a person gives them up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::StandIn;
use understudy_wire::VmId;

use crate::files;

/// Their ids, one a line.
const FILE: &str = "kept-clones";

/// The ids, in memory and in a file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    vms: Mutex<BTreeSet<VmId>>,
}

impl Kept {
    /// Reads the file in the state folder, if there is one.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let vms = text.lines().map(str::parse).collect::<std::result::Result<_, _>>();
        let vms = vms.with_context(|| {
            format!(
                "{} is damaged: a VM id a line is expected; mend it, or VMs' disks would be destroyed",
                path.display()
            )
        })?;
        Ok(Self { path, vms: Mutex::new(vms) })
    }

    fn vms(&self) -> MutexGuard<'_, BTreeSet<VmId>> {
        self.vms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps more; on disk when it returns.
    pub fn add(&self, vms: impl Iterator<Item = String>) -> Result<()> {
        let new: BTreeSet<VmId> = vms.filter_map(|vm| vm.parse().ok()).collect();
        self.change(|held| held.union(&new).copied().collect())
    }

    /// Keeps one no longer.
    pub fn remove(&self, vm: VmId) -> Result<()> {
        self.change(|held| held.iter().copied().filter(|held| *held != vm).collect())
    }

    fn change(&self, change: impl FnOnce(&BTreeSet<VmId>) -> BTreeSet<VmId>) -> Result<()> {
        let mut held = self.vms();
        let new = change(&held);
        if new == *held {
            return Ok(());
        }
        let text: String = new.iter().map(|vm| format!("{vm}\n")).collect();
        files::replace(&self.path, text.as_bytes()).map_err(|error| {
            Error::Failed(format!(
                "cannot write {}: {error}; is the state partition full or damaged?",
                self.path.display()
            ))
        })?;
        *held = new;
        Ok(())
    }

    /// Whether this VM's disks are kept.
    pub fn contains(&self, vm: VmId) -> bool {
        self.vms().contains(&vm)
    }

    /// All of them, as a person sees them among the stand-ins.
    pub fn list(&self) -> Vec<StandIn> {
        let shown = |vm: &VmId| {
            StandIn {
            vm: vm.to_string(),
            machine: String::new(),
            name: String::new(),
            point: String::new(),
            network: String::new(),
            why: String::new(),
            state: "kept".to_owned(),
            message: "its disks were on the pool when the catalogue was made from it, and are kept; `understudy vm stop` destroys them"
                .to_owned(),
            inspection: String::new(),
            clone_seconds: 0.0,
            running_seconds: 0.0,
        }
        };
        self.vms().iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_outlives_the_service_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (VmId::new(), VmId::new());
        let kept = Kept::open(folder.path()).unwrap();
        kept.add([one.to_string()].into_iter()).unwrap();
        kept.add([other.to_string()].into_iter()).unwrap();
        let kept = Kept::open(folder.path()).unwrap();
        assert!(kept.contains(one) && kept.contains(other) && !kept.contains(VmId::new()));
        kept.remove(one).unwrap();
        let kept = Kept::open(folder.path()).unwrap();
        let [shown] = kept.list().try_into().unwrap();
        assert_eq!((shown.vm, shown.state.as_str()), (other.to_string(), "kept"));
    }

    #[test]
    fn a_damaged_list_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "rubbish").unwrap();
        assert!(Kept::open(folder.path()).unwrap_err().to_string().contains("damaged"));
    }
}
