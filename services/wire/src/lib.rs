//! What the agent and the gateway say to each other over HTTPS: ids, JSON bodies, the binary block records, and the
//! pairing handshake.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /agent/v1/pair/start` | [`pairing::Start`] | [`pairing::Started`] |
//! | `POST /agent/v1/pair/finish` | [`pairing::Finish`] | [`pairing::Finished`] |
//! | `PUT /agent/v1/inventory` | [`Inventory`] | 204 |
//! | `GET /agent/v1/orders?wait=SECONDS` | | 200 [`Order`], or 204 when nothing is due |
//! | `POST /agent/v1/jobs/JOB/progress` | [`Progress`] | [`Standing`] |
//! | `POST /agent/v1/jobs/JOB/disks/DISK/blocks` | [`BlockHash`] records | 204 |
//! | `GET /agent/v1/jobs/JOB/disks/DISK/hashes?from=BLOCK&count=BLOCKS` | | 32 bytes a block |
//! | `POST /agent/v1/jobs/JOB/report` | [`Report`] | 204 |
//! | `GET /agent/v1/jobs/JOB/outcome?wait=SECONDS` | | [`Outcome`] |
//!
//! All but pairing need the client certificate that pairing gave; the machine is the certificate's common name and is
//! never taken from a body. A refusal is a 4xx with [`Refusal`] as body. Readers ignore unknown keys and fill absent
//! ones with their defaults, so that an agent one version older or newer is understood; `protocol` says which it is.

mod hash;
pub mod id;
mod order;
pub mod pairing;
mod report;

pub use hash::{block_hash, is_zeros};
pub use id::{DiskId, JobId, MachineId, RecoveryPointId, TrackerId, VmId};
pub use order::{Base, IscsiTarget, Order, OrderDisk};
pub use report::{
    BlockHash, Disk, DiskReport, Firmware, Interface, Inventory, Kind, MAX_HASHES, Outcome, Partition,
    PointDisk, Progress, Refusal, Report, Standing,
};

use serde::{Deserialize, Serialize};

/// Version of the agent protocol, sent as `protocol` by both sides.
pub const PROTOCOL: u32 = 1;

/// The unit of tracking, copying and hashing, in bytes. The last block of a disk may be shorter; its hash covers only
/// the bytes that exist.
pub const BLOCK: u64 = 64 * 1024;

/// The name in the box's TLS certificate. Agents check it instead of an address, because addresses change.
pub const BOX_NAME: &str = "box.understudy.internal";

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// How many [`BLOCK`]s it takes to cover this many bytes.
    pub fn blocks(self) -> u64 {
        self.0.div_ceil(BLOCK)
    }

    /// How many bytes block `index` of a disk of this size has: [`BLOCK`], less in the last one, 0 beyond the end.
    pub fn block_len(self, index: u64) -> u64 {
        self.0.saturating_sub(index.saturating_mul(BLOCK)).min(BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_of_an_odd_disk_is_short() {
        let disk = Bytes(3 * BLOCK + 512);
        assert_eq!(disk.blocks(), 4);
        assert_eq!([0, 2, 3, 4].map(|index| disk.block_len(index)), [BLOCK, BLOCK, 512, 0]);
    }
}
