//! What somebody in front of the box does for the box itself: updates from a stick or a URL, support bundles, and a shell for support.
//!
//! [`dbus`] is the edge (`org.understudy.Maintenance1`), [`updates`] and [`support`] are what it does, [`engine`] is what that needs of the
//! box, [`real`] is this box. `understudy-stick` (`stick.rs`) is the program of the units that touch sticks.

pub mod dbus;
pub mod engine;
mod names;
pub mod real;
#[cfg(test)]
mod simulated;
pub mod sticks;
pub mod support;
pub mod updates;
