//! Boots images in QEMU and drives them: console, QMP, networks, disks, power.
//!
//! A test reads like a sentence; `README.md` beside this crate has one. Every wait has a [`Deadline`], every failure
//! names the files that tell more, and no QEMU outlives the process that launched it.

mod accelerator;
mod arguments;
mod builder;
mod bytes;
mod console;
mod deadline;
mod disk;
mod error;
mod firmware;
mod keyboard;
mod network;
mod process;
mod qemu;
mod screen;
mod seat;
mod serial_port;
mod snapshot;
mod vm;

pub use accelerator::Accelerator;
pub use arguments::DEVICES;
pub use builder::VmBuilder;
pub use bytes::Bytes;
pub use console::{Console, Match, Output, Pattern, Shell};
pub use deadline::Deadline;
pub use disk::{Bus, Cache, Disk, write_fat};
pub use error::Error;
pub use firmware::Firmware;
pub use keyboard::{Key, Layout};
pub use network::{Card, Mac, Network, Traffic, UserNic};
pub use qmp;
pub use screen::{Cell, Font, Glyph, Picture, Place, Rgb, Screen};
pub use seat::Seat;
pub use serial_port::SerialPort;
pub use snapshot::{FrozenDisk, zero_block_hash};
pub use vm::Vm;

/// What every call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
