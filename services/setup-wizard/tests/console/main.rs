//! The console as a person meets it: screens, keys, terminals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod invariants;
mod maintenance;
mod play;
mod program;
mod screens;
mod terminal;
mod ways;
