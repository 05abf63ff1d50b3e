//! Pools, volumes, recovery points and clones on ZFS, as `org.understudy.Zfs1` on the system bus.
//!
//! A library, so that those who call the service are tested with its edge and its simulated engine.

pub mod dbus;
pub mod engine;
mod importable;
mod layout;
mod machine_record;
mod memory;
pub mod real;
mod record;
#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
