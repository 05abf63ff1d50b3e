//! The agent's side of the wire protocol: what a backup needs of the box. A trait, so that the backup engine is tested
//! without one.

mod address;
mod http;
mod https;
mod retry;

pub use address::{Address, AddressError, Locator};
pub use http::Client;
pub use https::HttpsLink;
pub use retry::{Backoff, patiently};

use std::net::IpAddr;
use std::time::Duration;

use understudy_wire::{BlockHash, DiskId, JobId, Outcome, Progress, Refusal, Report, Standing};

/// The most records one call of [`Link::blocks`] takes: 160 KiB of body, 256 MiB of disk.
pub const MAX_RECORDS: usize = 4096;

/// Why the box did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The box understood and said no. Asking again does not help.
    #[error("the box refused (HTTP {status}): {}", refusal.error)]
    Refused {
        /// HTTP status, 400 to 499.
        status: u16,
        /// Its reason.
        refusal: Refusal,
    },
    /// No answer, or the box says that it cannot answer now, in all the time a call keeps trying. Asking later may help.
    #[error("the box at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where the agent believes the box to be.
        address: String,
        /// What the last try ended with.
        reason: String,
    },
    /// The answer makes no sense, or who answered is not the paired box.
    #[error("the box's answer cannot be used: {0}")]
    Protocol(String),
}

/// What a running backup says to the box. Calls block; each tries again for up to two minutes while the box cannot be
/// reached, because the gateway or the scheduler may be restarting, and fails as [`LinkError::Unreachable`] after that.
pub trait Link: Send + Sync {
    /// Says how far the job is; the answer says whether it is still wanted.
    fn progress(&self, job: JobId, progress: &Progress) -> Result<Standing, LinkError>;

    /// Records hashes of blocks as they were sent, at most [`MAX_RECORDS`] a call. Repeating a call is harmless.
    fn blocks(&self, job: JobId, disk: DiskId, records: &[BlockHash]) -> Result<(), LinkError>;

    /// Hashes of what the volume held when the job began, from block `from` on, at most `count` and
    /// [`understudy_wire::MAX_HASHES`]; fewer at the end of the disk.
    fn hashes(&self, job: JobId, disk: DiskId, from: u64, count: u64) -> Result<Vec<[u8; 32]>, LinkError>;

    /// Says how the job went, for good or ill.
    fn report(&self, job: JobId, report: &Report) -> Result<(), LinkError>;

    /// How the job stands on the box, waiting up to `wait` for it to end.
    fn outcome(&self, job: JobId, wait: Duration) -> Result<Outcome, LinkError>;

    /// The address the box answers on; its iSCSI portal lies on the same one.
    fn box_address(&self) -> IpAddr;
}
