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
mod job;
mod pairing;
mod people_calls;
mod point_record;
mod reconcile;
mod scheduler;
mod stand_in;
mod timekeeper;
mod timetable;

pub use scheduler::{Options, Scheduler};
