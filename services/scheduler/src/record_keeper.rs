//! Keeps the record of each machine on the pool the same as its row in the catalogue. A backup never waits for it: what cannot be
//! written now is written later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_bus::zfs;

use crate::machine_record::MachineRecord;
use crate::scheduler::{Event, Scheduler};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Machines' records as the pool has them, by machine; `None` until they were read.
pub type OnPool = Option<BTreeMap<String, String>>;

/// What the pool has been found to have.
pub fn found(records: &[zfs::MachineRecord]) -> OnPool {
    Some(records.iter().map(|found| (found.machine.clone(), found.record.clone())).collect())
}

/// Runs as long as the service, from when the catalogue has been compared with the pool.
pub async fn run(scheduler: Arc<Scheduler>) {
    let mut reconciled = scheduler.reconciled.subscribe();
    if reconciled.wait_for(Option::is_none).await.is_err() {
        return;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        match scheduler.write_machine_records().await {
            Ok(()) => {
                pause = FIRST_PAUSE;
                scheduler.records_due.notified().await;
            }
            Err(error) => {
                tracing::warn!(
                    "not everything that the catalogue knows of machines is on the pool yet: {}; trying again",
                    end_of(&error.message())
                );
                tokio::select! {
                    () = scheduler.records_due.notified() => {}
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
        }
    }
}

impl Scheduler {
    /// A machine's row has changed, or there is a new one.
    pub(crate) fn machines_changed(&self) {
        self.records_due.notify_one();
        self.tell(Event::Machines);
    }

    /// Writes what differs. Every machine is tried; the first failure is returned.
    pub(crate) async fn write_machine_records(&self) -> Result<()> {
        let mut held = self.records_on_pool.lock().await;
        if held.is_none() {
            *held = found(&self.engines.zfs.machine_records().await?);
        }
        let on_pool = held.get_or_insert_default();
        let mut result = Ok(());
        for row in self.catalogue.machines()? {
            let written = self.write_machine_record(on_pool, &MachineRecord::of(&row)).await;
            result = result.and(written);
        }
        result
    }

    async fn write_machine_record(
        &self,
        on_pool: &mut BTreeMap<String, String>,
        record: &MachineRecord,
    ) -> Result<()> {
        let (machine, text) = (record.machine.to_string(), record.to_json()?);
        let there = on_pool.get(&machine).map(String::as_str);
        // One that a newer release wrote, before an update was rolled back, has more in it than this release knows.
        if there == Some(text.as_str()) || there.is_some_and(MachineRecord::is_newer) {
            return Ok(());
        }
        let whole = self.engines.zfs.set_machine_record(&machine, &text).await;
        let (written, text) = match whole {
            // Too long. Its agent tells its inventory again; who it is and when it is backed up, nobody else does.
            Err(Error::InvalidArgument(why)) if !record.inventory.is_empty() => {
                tracing::warn!(machine, "the pool keeps the machine without its inventory: {why}");
                let short = MachineRecord { inventory: String::new(), ..record.clone() }.to_json()?;
                if there == Some(short.as_str()) {
                    return Ok(());
                }
                (self.engines.zfs.set_machine_record(&machine, &short).await, short)
            }
            whole => (whole, text),
        };
        match written {
            Ok(()) => drop(on_pool.insert(machine, text)),
            Err(error) => {
                // It may have been written all the same.
                on_pool.remove(&machine);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The end of a message, where a failed command's own words stand: the command itself holds the record.
fn end_of(message: &str) -> String {
    const MOST: usize = 300;
    match message.char_indices().rev().nth(MOST - 1) {
        Some((begin, _)) if begin > 0 => format!("…{}", &message[begin..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_message_the_end_is_shown() {
        assert_eq!(end_of("short ü"), "short ü");
        let exact = "ü".repeat(300);
        assert_eq!(end_of(&exact), exact);
        let long = format!("`zfs set {}` failed: out of space", "x".repeat(20_000));
        let shown = end_of(&long);
        assert!(shown.starts_with('…') && shown.ends_with("failed: out of space"), "{shown}");
        assert_eq!(shown.chars().count(), 301);
    }
}
