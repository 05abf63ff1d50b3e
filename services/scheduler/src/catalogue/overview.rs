//! How machines stand, in two queries for all of them.

use std::collections::HashMap;

use understudy_wire::MachineId;

use super::{Catalogue, Result, id, unsigned};

/// How a machine stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// When its newest recovery point was taken; 0 if the pool has none.
    pub backed_up: u64,
    /// Why its last job that ended failed; empty if it did not.
    pub failure: String,
}

impl Catalogue {
    /// How machines stand; one without jobs and points is left out.
    pub fn standings(&self) -> Result<HashMap<MachineId, Standing>> {
        let connection = self.lock();
        let mut standings: HashMap<MachineId, Standing> = HashMap::new();
        let mut newest = connection.prepare(
            "SELECT machine, created FROM points
             WHERE number IN (SELECT max(number) FROM points WHERE present = 1 GROUP BY machine)",
        )?;
        for row in newest.query_map([], |row| Ok((id(row, "machine")?, unsigned(row, "created")?)))? {
            let (machine, created) = row?;
            standings.entry(machine).or_default().backed_up = created;
        }
        let mut last = connection.prepare(
            "SELECT machine, message FROM jobs WHERE step = 'failed' AND number IN
             (SELECT max(number) FROM jobs WHERE step IN ('done', 'failed') GROUP BY machine)",
        )?;
        for row in last.query_map([], |row| Ok((id(row, "machine")?, row.get("message")?)))? {
            let (machine, failure) = row?;
            standings.entry(machine).or_default().failure = failure;
        }
        Ok(standings)
    }
}
