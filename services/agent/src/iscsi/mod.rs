//! Writing to an iSCSI LUN with several large requests in flight, over Debian's libiscsi.
//!
//! One thread a LUN drives one session. A lost connection is made again, for a bounded time, and what the target had
//! not acknowledged is sent again, which is harmless: writes are idempotent, and nothing else writes there.

mod ffi;
mod lun;
mod session;

use std::net::SocketAddr;
use std::time::Duration;

pub use lun::Lun;

use understudy_direct_io::Buffer;

/// Bytes of the largest request.
pub const REQUEST: usize = 1 << 20;

/// Where a LUN is and how to log in.
#[derive(Clone)]
pub struct Address {
    /// The portal.
    pub portal: SocketAddr,
    /// The target's name.
    pub iqn: String,
    /// The logical unit.
    pub lun: u32,
    /// The name to log in with.
    pub initiator: String,
    /// One-way CHAP: name and secret.
    pub chap: Option<(String, String)>,
    /// How long a lost connection is tried again.
    pub patience: Duration,
}

/// Why a LUN did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TargetError {
    /// The address makes no sense.
    #[error("the iSCSI address cannot be used: {0}")]
    Address(String),
    /// It does not let us in.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It let us in once, and not again.
    #[error("the connection was lost and could not be made again within {seconds} s: {reason}")]
    GaveUp {
        /// How long it was tried.
        seconds: u64,
        /// What the last try ended with.
        reason: String,
    },
    /// The connection is lost.
    #[error("the connection is lost: {0}")]
    Lost(String),
    /// The target refused a request.
    #[error("the target refused {what} (SCSI status {status}): {reason}")]
    Refused {
        /// Which request.
        what: String,
        /// SCSI status (SAM-5, 5.3).
        status: i32,
        /// Its reason.
        reason: String,
    },
    /// The request does not fit the LUN.
    #[error("{len} bytes at byte {offset} do not fit a LUN of {size} bytes in sectors of {sector_size}")]
    Range {
        /// First byte.
        offset: u64,
        /// Length.
        len: usize,
        /// Size of the LUN in bytes.
        size: u64,
        /// Its sector size in bytes.
        sector_size: u32,
    },
    /// The system refused something.
    #[error("{0}")]
    System(String),
}

/// What a disk's blocks are written to. Writes may be carried out in any order until [`BlockTarget::flush`] returns; an
/// error may come back later than from the call that caused it, but never later than from the next flush.
pub trait BlockTarget: Send {
    /// Bytes it has room for.
    fn size(&self) -> u64;

    /// Memory for one request, [`REQUEST`] bytes; waits until one is free.
    fn buffer(&mut self) -> Result<Buffer, TargetError>;

    /// Takes back memory that was not needed.
    fn give_back(&mut self, buffer: Buffer);

    /// Begins to write the first `len` bytes of `data` at byte `offset`.
    fn write(&mut self, offset: u64, len: usize, data: Buffer) -> Result<(), TargetError>;

    /// Reads the first `len` bytes of the answer from byte `offset` on; what was written before is seen.
    fn read(&mut self, offset: u64, len: usize) -> Result<Buffer, TargetError>;

    /// Waits until everything written is on stable storage (SYNCHRONIZE CACHE).
    fn flush(&mut self) -> Result<(), TargetError>;
}
