//! What can go wrong, said with what, to what, why, and what to do next.

use std::path::{Path, PathBuf};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk must not be written to.
    #[error(transparent)]
    Refusal(#[from] crate::judge::Refusal),
    /// The file must not be written to.
    #[error(transparent)]
    Place(#[from] crate::place::PlaceRefusal),
    /// A program that looks at disks failed.
    #[error(transparent)]
    Tool(#[from] crate::tool::ToolError),
    /// The image is none, or damaged.
    #[error("{path} cannot be flashed: {problem}; {hint}")]
    Image {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file or device could not be opened, read or written.
    #[error("cannot {action} {path}: {reason}")]
    File {
        /// What was tried ("open", "read", …).
        action: &'static str,
        /// The file or device.
        path: PathBuf,
        /// Why the system refused.
        reason: std::io::Error,
    },
    /// The target failed in the middle.
    #[error("cannot {action} {length} bytes at byte {offset}: {reason}; {}", advice(reason))]
    Medium {
        /// "write", "read", …
        action: &'static str,
        /// First byte concerned.
        offset: u64,
        /// Bytes concerned.
        length: u64,
        /// Why.
        reason: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error(
        "byte {offset} reads back as {found:#04x}, {expected:#04x} was written; the medium or its connection loses data, do not \
         trust this disk"
    )]
    Differs {
        /// The first byte that differs.
        offset: u64,
        /// What stood there.
        found: u8,
        /// What should.
        expected: u8,
    },
    /// The person ended it.
    #[error("interrupted")]
    Interrupted,
    /// The flash began and did not end: the target has no partition table.
    #[error("{cause}\n{target} is not bootable now: flash it again")]
    Unfinished {
        /// The target.
        target: String,
        /// What went wrong.
        cause: Box<Error>,
    },
    /// The flash failed while the target had a partition table, and that could not be erased.
    #[error(
        "{cause}\n{target} may look bootable and must not be trusted, for its partition table could not be erased: {erasing}"
    )]
    NotErased {
        /// The target.
        target: String,
        /// What went wrong.
        cause: Box<Error>,
        /// Why the table is still there.
        erasing: Box<Error>,
    },
}

/// What to do when the target fails.
fn advice(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::StorageFull => "make room and try again",
        _ => "try another port or cable, and then another disk",
    }
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the file and the action in an I/O error.
pub(crate) trait IoContext<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|reason| Error::File { action, path: path.to_owned(), reason })
    }
}

impl<T> IoContext<T> for nix::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(std::io::Error::from).at(action, path)
    }
}
