//! Rows of a catalogue's file, whole, to be compared with those of another.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// A row: its columns' names and values.
pub type Row = Vec<(String, Value)>;

/// What a rebuild promises to bring back: every column of every machine but the three that `machine_record` excepts, every column of every
/// recovery point that the pool has but its number (in the order of the numbers), and every column of their disks.
#[derive(Debug, PartialEq)]
pub struct Rows {
    pub machines: Vec<Row>,
    pub points: Vec<Row>,
    pub point_disks: Vec<Row>,
}

/// Reads them.
pub fn rows(catalogue: &Path) -> Rows {
    let connection = Connection::open_with_flags(catalogue, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    Rows {
        machines: select(&connection, "SELECT * FROM machines ORDER BY machine", &["due", "address", "seen"]),
        points: select(
            &connection,
            "SELECT * FROM points WHERE present = 1 ORDER BY machine, number",
            &["number"],
        ),
        point_disks: select(
            &connection,
            "SELECT point_disks.* FROM point_disks JOIN points USING (point) WHERE present = 1 ORDER BY point, position",
            &[],
        ),
    }
}

/// How many rows a table has.
pub fn count(catalogue: &Path, table: &str) -> u64 {
    let connection = Connection::open_with_flags(catalogue, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn select(connection: &Connection, sql: &str, without: &[&str]) -> Vec<Row> {
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    assert!(without.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
    let read = |row: &rusqlite::Row<'_>| {
        let columns = names.iter().enumerate().filter(|(_, name)| !without.contains(&name.as_str()));
        columns.map(|(index, name)| Ok((name.clone(), row.get(index)?))).collect()
    };
    let rows = statement.query_map([], read).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}
