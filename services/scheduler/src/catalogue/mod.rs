//! The catalogue: what the box knows of machines, jobs, recovery points and stand-ins, in SQLite.
//!
//! It is an index: what it says of a recovery point also stands on the pool, with the snapshot. Every change is on disk when the
//! call returns (`synchronous=FULL`), because steps are recorded before they are taken. `secure_delete` overwrites what is
//! deleted: one-time iSCSI secrets are in here while their job runs.

mod jobs;
mod machines;
mod points;
mod stand_ins;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use understudy_bus::error::Error;

pub use jobs::{JobDisk, JobRow, NewJob};
pub use machines::{MachineRow, Timetabled};
pub use points::PointRow;
pub use stand_ins::StandInRow;

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
    /// A row holds what it never should.
    #[error("the catalogue holds an impossible value: {0}")]
    Impossible(String),
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The result of a catalogue operation.
pub type Result<T> = std::result::Result<T, CatalogueError>;

/// An open catalogue.
#[derive(Debug)]
pub struct Catalogue(Mutex<Connection>);

impl Catalogue {
    /// Opens the file, makes it if it does not exist, and brings it to this release's version.
    pub fn open(path: &Path) -> Result<Self> {
        Self::prepare(Connection::open(path)?)
    }

    fn prepare(mut connection: Connection) -> Result<Self> {
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
        Ok(Self(Mutex::new(connection)))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half transaction behind: rusqlite rolls back when one is dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
