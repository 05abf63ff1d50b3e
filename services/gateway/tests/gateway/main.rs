//! The gateway between real agents and a simulated scheduler on a private bus.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod certificates;
mod jobs;
mod limits;
mod machine;
mod pairing;
mod polling;
mod scheduler;
mod service;
mod world;
