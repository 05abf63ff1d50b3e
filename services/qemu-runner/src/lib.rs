//! Starts QEMU in a systemd unit that can open nothing by itself, and hands it all it needs.
//!
//! A service that wants a virtual machine makes the listening sockets, describes the [`Machine`], and starts a template
//! unit whose only program is `understudy-qemu` (`main.rs`). That program receives QEMU's arguments and every open file
//! (disks, sockets, firmware variables) as an [`order::Order`] on its standard input, and becomes QEMU. So the
//! unit needs no device but `/dev/kvm`, no network and no path of the service's, and the service needs no privilege but
//! to start its own units.

mod console;
mod error;
mod fds;
mod files;
mod launch;
mod machine;
mod monitor;
pub mod order;
mod place;
mod processes;
mod said;
mod units;

pub use console::Console;
pub use error::{Error, Result};
pub use fds::replace_stdin_with_null;
pub use files::{Access, copy_to_memory, length};
pub use launch::{Guest, attach, end, hand, launch};
pub use machine::{Accelerator, Boot, Disk, MacAddress, Machine};
pub use monitor::{Events, Monitor};
pub use place::Place;
pub use processes::Processes;
pub use said::Said;
pub use units::{Change, Systemd, Units, change_unit};
