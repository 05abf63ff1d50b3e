//! Makes a foreign disk boot on virtual hardware; looks at it only inside a helper VM.
//!
//! [`helper`] boots the helper and takes one answer from it, [`report`] believes nothing of that answer before it is checked,
//! [`dbus`] is the edge. What runs inside the helper is the crate in `inspect/`.

pub mod dbus;
pub mod helper;
pub mod report;
