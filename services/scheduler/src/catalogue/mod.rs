//! The catalogue: what the box knows of machines, jobs, recovery points and stand-ins, in SQLite.
//!
//! It is an index: what it says of a machine or a recovery point also stands on the pool, with the dataset or the snapshot, so that
//! it can be made anew from there (`taking_in`, `swap`). A new table or column makes it unreadable for the release before, which an
//! update may be rolled back to: think whether what is new can stand elsewhere. Every change is on disk when the
//! call returns (`synchronous=FULL`), because steps are recorded before they are taken. `secure_delete` overwrites what is
//! deleted: one-time iSCSI secrets are in here while their job runs.

mod jobs;
mod machines;
mod overview;
mod points;
#[cfg(test)]
mod same;
mod stand_ins;
mod swap;
mod taking_in;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use understudy_bus::error::Error;

pub use jobs::{JobDisk, JobRow, NewJob};
pub use machines::{MachineRow, Timetabled};
pub use overview::Standing;
pub use points::PointRow;
pub use stand_ins::StandInRow;
pub use swap::{build, install, open};

/// One SQL file a version; `user_version` says which were applied.
const MIGRATIONS: &[&str] = &[include_str!("1.sql")];

/// The catalogue could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// SQLite failed.
    #[error("the catalogue cannot be used: {0}; is the state partition full or damaged?")]
    Sqlite(#[from] rusqlite::Error),
    /// A newer release wrote it.
    #[error(
        "the catalogue has version {found}, this release knows versions up to {known}: boot the newer release again, or restore the copy made before the update"
    )]
    TooNew {
        /// Its `user_version`.
        found: usize,
        /// The newest we know.
        known: usize,
    },
    /// Its file is damaged.
    #[error("the catalogue is damaged: {0}")]
    Damaged(String),
    /// Its file cannot be replaced.
    #[error(
        "the catalogue's file {path} cannot be {what}: {source}; is the state partition full or damaged?"
    )]
    File {
        /// The file.
        path: String,
        /// What was to be done with it: `renamed`.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Something else is at work that must not be disturbed.
    #[error("{0}")]
    Busy(String),
    /// What is asked for is there already, as something else.
    #[error("{0}")]
    Exists(String),
    /// A row holds what it never should.
    #[error("the catalogue holds an impossible value: {0}")]
    Impossible(String),
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Busy(text) => Self::Busy(text),
            CatalogueError::Exists(text) => Self::Exists(text),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl CatalogueError {
    /// Whether the file holds no sound catalogue, as opposed to one that cannot be used right now.
    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                matches!(failure.code, DatabaseCorrupt | NotADatabase)
            }
            _ => false,
        }
    }
}

/// The result of a catalogue operation.
pub type Result<T> = std::result::Result<T, CatalogueError>;

/// An open catalogue.
#[derive(Debug)]
pub struct Catalogue {
    connection: Mutex<Connection>,
    /// A new one is being made: what would not be in it must not be written. Changed under the lock of `connection`.
    frozen: AtomicBool,
}

/// While this lives, no machine changes, and no job or stand-in begins.
#[derive(Debug)]
pub struct Frozen<'a>(&'a Catalogue);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _connection = self.0.lock();
        self.0.frozen.store(false, Ordering::Relaxed);
    }
}

impl Catalogue {
    /// Opens a file, makes it if it does not exist, and brings it to this release's version.
    fn open(path: &Path) -> Result<Self> {
        Self::prepare(Connection::open(path)?)
    }

    fn prepare(mut connection: Connection) -> Result<Self> {
        // Every service start: a few milliseconds even with the history of years.
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(CatalogueError::Damaged(sound));
        }
        connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "secure_delete", true)?;
        let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > MIGRATIONS.len() {
            return Err(CatalogueError::TooNew { found, known: MIGRATIONS.len() });
        }
        for (index, sql) in MIGRATIONS.iter().enumerate().skip(found) {
            let change = connection.transaction()?;
            change.execute_batch(sql)?;
            change.pragma_update(None, "user_version", index + 1)?;
            change.commit()?;
        }
        Ok(Self { connection: Mutex::new(connection), frozen: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half transaction behind: rusqlite rolls back when one is dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for changes that a frozen catalogue refuses.
    fn lock_to_change(&self) -> Result<MutexGuard<'_, Connection>> {
        let connection = self.lock();
        if self.frozen.load(Ordering::Relaxed) {
            return Err(CatalogueError::Busy(
                "the catalogue is being made anew from the pool; try again in a moment".to_owned(),
            ));
        }
        Ok(connection)
    }

    /// Keeps machines as they are, and jobs and stand-ins from beginning; `Busy` where one has not ended.
    pub fn freeze(&self) -> Result<Frozen<'_>> {
        let connection = self.lock_to_change()?;
        let first = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).optional();
        if let Some(job) = first("SELECT job FROM jobs WHERE step NOT IN ('done', 'failed')")? {
            return Err(CatalogueError::Busy(format!(
                "job {job} runs, and what is known of it is not on the pool; wait for its end or cancel it (`understudy backup cancel`)"
            )));
        }
        if let Some(vm) = first("SELECT vm FROM stand_ins WHERE clones = 1")? {
            return Err(CatalogueError::Busy(format!(
                "VM {vm} stands in for a machine, and what is known of it is not on the pool; stop it first (`understudy vm stop`)"
            )));
        }
        self.frozen.store(true, Ordering::Relaxed);
        Ok(Frozen(self))
    }

    /// Goes on with another file. `exchange` puts it in place and opens it, while nobody writes to this one.
    pub fn replace(&self, exchange: impl FnOnce() -> Result<Self>) -> Result<()> {
        let mut connection = self.lock();
        let new = exchange()?;
        *connection = new.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }
}

/// Reads an id column.
fn id<T: std::str::FromStr<Err = understudy_wire::id::IdError>>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Reads an unsigned column; SQLite's integers are signed, the bits are the same.
fn unsigned(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Whether a statement was refused by a unique index.
fn is_taken(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_made_once_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.sqlite");
        Catalogue::open(&path).unwrap();
        Catalogue::open(&path).unwrap();
    }

    #[test]
    fn a_catalogue_of_a_newer_release_is_refused_and_left_alone() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = Catalogue::prepare(connection).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");
    }
}
