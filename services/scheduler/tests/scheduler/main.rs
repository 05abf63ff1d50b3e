//! The whole scheduler, as the program it is, on a private bus, with simulated services around it.
//!
//! `stage` sets it up, `world` is what the simulated services hold, `agent` plays an agent. Nothing here needs privileges; the
//! only tool is dbus-daemon.

#![allow(
    clippy::unwrap_used,
    reason = "all of it is test code; clippy knows only functions marked #[test] as such"
)]

mod agent;
mod backup;
mod catalogue;
mod failover;
mod failure;
mod other_box;
mod overview;
mod pairing;
mod policy;
mod restart;
mod rows;
mod stage;
mod timetable;
mod world;
