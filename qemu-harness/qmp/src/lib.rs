//! A QMP client that survives unknown events (QEMU Machine Protocol specification).
//!
//! Blocking, over any connected [`Transport`] such as a [`std::os::unix::net::UnixStream`]. Nothing of QEMU's
//! schema is compiled in: arguments and results are JSON, and an event this code has never heard of is queued
//! like any other instead of ending the connection.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//! let mut qmp = qmp::Client::connect("/run/vm/qmp.sock".as_ref(), Duration::from_secs(10))?;
//! qmp.execute("cont", None)?;
//! let event = qmp.wait_event("SHUTDOWN", Instant::now() + Duration::from_secs(60))?;
//! println!("the guest went down: {}", event.data["reason"]);
//! # Ok::<(), qmp::Error>(())
//! ```

mod client;
mod error;
mod event;
mod lines;
mod transport;

pub use client::{Client, Direction, Observer};
pub use error::Error;
pub use event::Event;
pub use transport::Transport;

/// What every call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
