//! Thaws file systems when nobody else does: a tiny program of its own, in a unit (and so a cgroup) of its own, that
//! goes on when the agent is stopped or killed.
//!
//! ```text
//! agent                          watchdog
//! "hold" + descriptor       ->             once per file system
//! "arm " milliseconds       ->   "armed"   from now on; nothing is frozen before this answer
//! "disarm"                  ->   "ok", or "late" when it has thawed
//! ```
//! It thaws when the deadline passes, when the connection ends while armed, and when it is itself told to stop; and
//! because it may be killed, too, it notes what it holds on a file system in memory and thaws that when it starts.

mod client;
mod server;

use std::path::PathBuf;

pub use client::Client;
pub use server::main;

/// Names another socket than [`SOCKET`], for tests.
pub const SOCKET_VARIABLE: &str = "UNDERSTUDY_WATCHDOG_SOCKET";

/// Where the watchdog listens; systemd does for it and starts it when the agent connects.
pub const SOCKET: &str = "/run/understudy-agent-watchdog/socket";

/// The socket in use.
pub fn socket() -> PathBuf {
    std::env::var_os(SOCKET_VARIABLE).map_or_else(|| PathBuf::from(SOCKET), PathBuf::from)
}
