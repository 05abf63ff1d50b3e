//! What can go wrong, said with what, to what, why, and what to do next.

use std::path::{Path, PathBuf};

/// Any failure of the builder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipe cannot be read or does not make sense.
    #[error(transparent)]
    Recipe(#[from] crate::recipe::RecipeError),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] crate::command::CommandError),
    /// A lock cannot be read or kept to.
    #[error(transparent)]
    Lock(#[from] crate::packages::lock::LockError),
    /// The bill of materials could not be made.
    #[error(transparent)]
    Sbom(#[from] os_sbom::Error),
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried ("read", "write", …).
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why the system refused.
        source: std::io::Error,
    },
    /// A partition or disk is too small for what the recipe puts into it.
    #[error(
        "recipe {recipe}: partition {partition} holds {size} bytes, its content needs {needed}: {missing} bytes \
         too small; raise its `size` to at least {needed} or take something out",
        missing = needed - size
    )]
    TooSmall {
        /// Name of the recipe.
        recipe: String,
        /// Label of the partition.
        partition: String,
        /// Bytes the partition has.
        size: u64,
        /// Bytes the content needs.
        needed: u64,
    },
    /// The partition table could not be written.
    #[error("cannot write the partition table of {path}: {reason}")]
    PartitionTable {
        /// The disk image.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two parts of a build failed that were done at the same time.
    #[error("{0}\n\nand besides: {1}")]
    Both(Box<Error>, Box<Error>),
    /// What a recipe asks for does not exist or contradicts itself.
    #[error("recipe {recipe}: {problem}; {hint}")]
    Content {
        /// Name of the recipe.
        recipe: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    pub(crate) fn content(recipe: &str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Content { recipe: recipe.into(), problem: problem.into(), hint: hint.into() }
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
        self.map_err(|source| Error::File { action, path: path.to_owned(), source })
    }
}
