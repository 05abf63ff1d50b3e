//! The whole scheduler, as the program it is, on a private bus, with simulated services around it.
//!
//! `stage` sets it up, `world` is what the simulated services hold, `agent` plays an agent. Nothing here needs privileges; the
//! only tool is dbus-daemon.

mod agent;
mod backup;
mod failover;
mod failure;
mod pairing;
mod restart;
mod stage;
mod timetable;
mod world;
