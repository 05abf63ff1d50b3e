//! All disks of a machine at one instant.

mod extents;
mod frozen;

use serde_json::{Value, json};

pub use frozen::{FrozenDisk, zero_block_hash};

use crate::disk::PreparedDisk;
use crate::{Error, Result, Vm};

impl Vm {
    /// The names of the disks that the guest can write to.
    pub fn disk_names(&self) -> Vec<String> {
        self.disks().iter().filter(|disk| !disk.is_read_only()).map(|disk| disk.name.clone()).collect()
    }

    /// [`Vm::snapshot`] of every disk that the guest can write to, in the order in which the machine got them.
    pub fn snapshot_all(&self) -> Result<Vec<FrozenDisk>> {
        self.snapshot(&self.disk_names())
    }

    /// Freezes the named disks at one instant, in one QMP transaction. From then on the machine writes to new files
    /// over them; the old ones stay as they are and can be read while it runs. The order is that of `names`.
    ///
    /// The machine may run or be paused. Where the instant matters to somebody, pause it, so that nothing happens
    /// between what they saw and this.
    pub fn snapshot<N: AsRef<str>>(&self, names: &[N]) -> Result<Vec<FrozenDisk>> {
        let mut disks = self.disks();
        let chosen: Vec<usize> =
            names.iter().map(|name| self.find(&disks, name.as_ref())).collect::<Result<_>>()?;
        if chosen.is_empty() {
            return Err(Error::Asked(format!("a snapshot of no disk of {} makes no sense", self.name())));
        }
        // First everything that takes time or may fail; then the one step that counts.
        let mut actions = Vec::new();
        let mut next = Vec::new();
        for &index in &chosen {
            let overlay = disks[index].next_overlay(self.folder())?;
            let mut node = overlay.blockdev();
            node["backing"] = Value::Null; // the transaction puts it over the old node
            self.qmp("blockdev-add", node)?;
            let data = json!({"node": disks[index].node(), "overlay": overlay.node()});
            actions.push(json!({"type": "blockdev-snapshot", "data": data}));
            next.push(overlay);
        }
        self.qmp("transaction", json!({"actions": actions}))?;
        let frozen = chosen.iter().map(|&index| FrozenDisk::of(&disks[index])).collect();
        for (index, overlay) in chosen.into_iter().zip(next) {
            disks[index] = overlay;
        }
        Ok(frozen)
    }

    fn find(&self, disks: &[PreparedDisk], name: &str) -> Result<usize> {
        disks.iter().position(|disk| disk.name == name && !disk.is_read_only()).ok_or_else(|| {
            let there: Vec<&str> =
                disks.iter().filter(|d| !d.is_read_only()).map(|d| d.name.as_str()).collect();
            Error::Asked(format!("{} has no writable disk {name}; it has: {}", self.name(), there.join(", ")))
        })
    }
}
