//! What can go wrong, said with what, to what, why, and what to do next.

use std::path::{Path, PathBuf};

/// Any failure to make a bill of materials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why the system refused.
        source: std::io::Error,
    },
    /// A root filesystem lacks what every Debian system has.
    #[error("cannot list the packages of a root filesystem: {problem}; is it a Debian system?")]
    Root {
        /// What is missing in it.
        problem: String,
    },
    /// A package was asked for that is not installed.
    #[error(
        "package {name} is not installed in the root filesystem that it was looked for in; check its name"
    )]
    NotInstalled {
        /// The package.
        name: String,
    },
    /// A package's files could not be listed.
    #[error("cannot unpack {deb}: {reason}; if the file is damaged, delete it to have it downloaded again")]
    Unpack {
        /// The package file.
        deb: PathBuf,
        /// What dpkg-deb said.
        reason: String,
    },
    /// Cargo's answer is not understood.
    #[error("cannot read {what}: {reason}; it must come from {from}")]
    Cargo {
        /// Which answer.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
        /// How to get a good one.
        from: &'static str,
    },
    /// A crate was asked for that is no member of the workspace.
    #[error("crate {name} is no member of the workspace; it has {members}")]
    UnknownCrate {
        /// The crate.
        name: String,
        /// The members there are.
        members: String,
    },
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the file in an I/O error.
pub(crate) trait IoContext<T> {
    fn reading(self, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn reading(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}
