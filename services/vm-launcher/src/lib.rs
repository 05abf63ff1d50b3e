//! One isolated QEMU per virtual machine.
//!
//! [`spec`] checks what the scheduler asks for, [`launcher`] keeps the machines, [`state`] knows what their events mean, and
//! [`dbus`] is the edge. How QEMU is confined stands in `understudy-vm@.service` and the crate `understudy-qemu-runner`.

pub mod dbus;
pub mod launcher;
pub mod spec;
pub mod state;
