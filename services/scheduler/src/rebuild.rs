//! The catalogue made anew from the pool, because a person asks for it.

use std::path::PathBuf;

use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::Rebuilt;

use crate::catalogue;
use crate::engines::explained;
use crate::pool_contents::{self, Contents};
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
