//! Starts backups when they are due. Sleeps until the next due time, a changed timetable, or a set clock.

use std::sync::Arc;

use understudy_bus::error::Error;

use crate::alarm::Alarm;
use crate::catalogue::Timetabled;
use crate::clock;
use crate::scheduler::Scheduler;
use crate::timetable::{Check, Timetable};

/// Runs as long as the service.
pub async fn run(scheduler: Arc<Scheduler>) {
    let alarm = match Alarm::new() {
        Ok(alarm) => alarm,
        Err(error) => return tracing::error!("no timetable can be kept: cannot make a timer: {error}"),
    };
    loop {
        // What is due while the catalogue is made anew starts after it, instead of being refused.
        let steady = scheduler.steady.read().await;
        let next = match scheduler.catalogue.timetables() {
            Ok(all) => all.iter().filter_map(|machine| look_at(&scheduler, machine)).min(),
            Err(error) => {
                tracing::error!("cannot read the timetables: {error}");
                // A minute from now, rather than never.
                Some(clock::utc() + 60)
            }
        };
        drop(steady);
        tokio::select! {
            rung = alarm.wait_until(next) => if let Err(error) = rung {
                return tracing::error!("no timetable can be kept: the timer failed: {error}");
            },
            () = scheduler.timetables_changed.notified() => {}
        }
    }
}

/// Starts what is due; when to look again.
fn look_at(scheduler: &Arc<Scheduler>, machine: &Timetabled) -> Option<u64> {
    let id = machine.machine;
    let check = Timetable::parse(&machine.timetable, &machine.time_zone)
        .and_then(|timetable| timetable.check(machine.due, clock::utc()));
    let due = match check {
        Ok(Check::NotYet { due }) => due,
        Ok(Check::Due { next }) => {
            start(scheduler, machine);
            next
        }
        Err(error) => {
            tracing::error!(machine = %id, "the timetable of machine {id} cannot be kept: {error}");
            return None;
        }
    };
    if due != machine.due
        && let Err(error) = scheduler.catalogue.set_due(machine, due)
    {
        tracing::error!(machine = %id, "cannot store when machine {id} is due next: {error}");
    }
    Some(due)
}

fn start(scheduler: &Arc<Scheduler>, machine: &Timetabled) {
    let id = machine.machine;
    match scheduler.start_job(id, "timetable") {
        Ok(job) => tracing::info!(machine = %id, %job, "the timetable starts job {job}"),
        Err(Error::Busy(why)) => tracing::warn!(machine = %id, "a due backup is skipped: {why}"),
        Err(error) => {
            tracing::error!(machine = %id, "a due backup cannot start: {}", error.message());
        }
    }
}
