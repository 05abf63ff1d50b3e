//! The catalogue made anew from the pool, because a person asks for it.

use std::collections::HashSet;
use std::path::PathBuf;

use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::Rebuilt;

use crate::catalogue;
use crate::engines::explained;
use crate::machine_record::MachineRecord;
use crate::pool_contents::{self, Contents, Raw};
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Makes a new catalogue from the pool, and goes on with it. Until the new file is in place nothing is changed.
    pub(crate) async fn rebuild_catalogue(&self) -> Result<Rebuilt> {
        if let Some(why) = self.reconciled.borrow().clone() {
            return Err(Error::NotReady(format!("the catalogue cannot be made from the pool: {why}")));
        }
        // A backup that comes due meanwhile is not lost: the timekeeper waits.
        let _steady = self.steady.write().await;
        let _frozen = self.catalogue.freeze()?;
        // What was not written yet would be lost.
        self.write_machine_records().await.map_err(|error| {
            explained("not everything that the catalogue knows of machines could be written to the pool, nothing was changed", error)
        })?;
        let raw = pool_contents::read(&self.engines)
            .await
            .map_err(|error| explained("the pool cannot be read, nothing was changed", error))?;
        let contents = Contents::gather(&raw);
        for unreadable in &contents.unreadable {
            tracing::error!("{} does not come into the new catalogue: {}", unreadable.what, unreadable.why);
        }
        let lost = self.would_be_lost(&raw, &contents)?;
        if !lost.is_empty() {
            return Err(Error::Corrupt(format!(
                "nothing was changed: the catalogue there is knows what cannot be read from the pool any more, and a new one would not: {}. {}",
                lost.join(", "),
                why_not(&contents)
            )));
        }
        let folder = &self.options.state;
        let new = catalogue::build(folder, &contents)?;
        let mut kept = PathBuf::new();
        self.catalogue.replace(|| {
            let (new, old) = catalogue::install(folder, &new)?;
            kept = old;
            Ok(new)
        })?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let rebuilt = Rebuilt {
            machines: count(contents.machines.len()),
            points: count(contents.points.len()),
            unreadable: contents.unreadable,
            kept: kept.display().to_string(),
        };
        tracing::warn!(
            "the catalogue was made anew from the pool: {} machines, {} recovery points, {} unreadable; the old one is kept as {}",
            rebuilt.machines,
            rebuilt.points,
            rebuilt.unreadable.len(),
            rebuilt.kept
        );
        self.machines_changed();
        self.timetables_changed.notify_one();
        Ok(rebuilt)
    }
}

impl Scheduler {
    /// What the catalogue knows of what is on the pool, and a new one would not know, or know otherwise.
    fn would_be_lost(&self, raw: &Raw, contents: &Contents) -> Result<Vec<String>> {
        let mut lost = Vec::new();
        // An inventory may be too long for the pool; its agent tells it again.
        let without_inventory =
            |record: &MachineRecord| MachineRecord { inventory: String::new(), ..record.clone() };
        for row in self.catalogue.machines()? {
            let known = without_inventory(&MachineRecord::of(&row));
            if !contents.machines.iter().any(|record| without_inventory(record) == known) {
                lost.push(format!("machine {} ({})", row.machine, row.name));
            }
        }
        let new: HashSet<&str> = contents.points.iter().map(|(point, _)| point.point.as_str()).collect();
        let on_pool: HashSet<&str> = raw.points.iter().map(|point| point.point.as_str()).collect();
        for row in self.catalogue.points(None)? {
            let id = row.point.to_string();
            // One that the pool does not have is rightly left out.
            let exists = on_pool.contains(id.as_str()) || raw.unlisted.contains_key(&row.machine.to_string());
            if exists && !new.contains(id.as_str()) {
                lost.push(format!("recovery point {id}"));
            }
        }
        Ok(lost)
    }
}

/// The reasons, for a person.
fn why_not(contents: &Contents) -> String {
    let reasons = contents.unreadable.iter().map(|one| format!("{}: {}", one.what, one.why));
    reasons.collect::<Vec<_>>().join("; ")
}
