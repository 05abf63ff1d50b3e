//! The brain of the box: catalogue, timetables, jobs, stand-ins.
//!
//! [`Scheduler`] holds what is shared; `dbus` is the edge; the engines behind it are the other services, met on the bus, so that
//! tests put simulated ones on a private bus and everything else is as on the box. `job` and `stand_in` hold one file a step.

mod agent_calls;
mod alarm;
mod catalogue;
mod clock;
mod dbus;
mod engines;
mod files;
mod job;
mod machine_record;
mod overview;
mod pairing;
mod pairing_calls;
mod people_calls;
mod point_record;
mod pool_contents;
mod rebuild;
mod reconcile;
mod record;
mod record_keeper;
#[cfg(test)]
mod samples;
mod scheduler;
mod stand_in;
mod timekeeper;
mod timetable;

pub use scheduler::{Options, Scheduler};
