//! What the box tells an agent to do.

use serde::{Deserialize, Serialize};

use crate::{Bytes, DiskId, JobId, RecoveryPointId};

/// One backup to take now. It stays the machine's order until the job ends, so asking twice is harmless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// [`crate::PROTOCOL`] of the box.
    pub protocol: u32,
    /// The job this belongs to.
    pub job: JobId,
    /// The iSCSI name the agent must log in with (RFC 7143, 4.2.7).
    pub initiator: String,
    /// The disks to back up, all at one instant.
    pub disks: Vec<OrderDisk>,
}

/// One disk of an [`Order`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderDisk {
    /// Which disk, as the agent's own inventory named it.
    pub disk: DiskId,
    /// The size the box made room for. The agent refuses the order if its disk has another size by now.
    pub size: Bytes,
    /// Where to write.
    pub target: IscsiTarget,
    /// What the volume holds now; absent before the first recovery point, when it reads as zeros.
    pub base: Option<Base>,
}

/// The recovery point that a volume holds when a job starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The recovery point.
    pub point: RecoveryPointId,
    /// The GUID of this disk's ZFS snapshot in it. Marks are relative to exactly this; any other value means a comparison.
    pub snapshot_guid: u64,
}

/// An iSCSI LUN made for one disk of one job.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IscsiTarget {
    /// The target's name.
    pub iqn: String,
    /// TCP port on the box's address, the same address the agent reached the gateway under.
    pub port: u16,
    /// Logical unit.
    pub lun: u32,
    /// One-way CHAP name (RFC 7143, 12.1).
    pub user: String,
    /// One-time CHAP secret.
    pub secret: String,
}

impl std::fmt::Debug for IscsiTarget {
    // The secret must not reach a log through `{:?}` of a larger value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lun {} port {} user {}", self.iqn, self.lun, self.port, self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chap_secret_is_not_printed() {
        let target =
            IscsiTarget { iqn: "iqn.x".into(), port: 3260, lun: 0, user: "u".into(), secret: "hush".into() };
        assert!(!format!("{target:?}").contains("hush"));
    }
}
