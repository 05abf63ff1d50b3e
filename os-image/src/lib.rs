//! Recipe to plan to bootable image; knows nothing of Understudy.
//!
//! [`Builder::build`] takes a recipe file through its stages. Each stage is a folder in the cache, named
//! after the hash of its inputs, and is built once. Packages come from the host's own mirror by
//! mmdebstrap; every tool that writes bytes of the image runs in a root of the image's release, inside a
//! user namespace: nothing needs root, a loop device, or a container engine.

mod apt;
mod builder;
mod cache;
mod command;
mod error;
pub mod host;
mod key;
mod mirror;
mod namespace;
mod overlay;
pub mod recipe;
pub mod service;
mod sparse;
mod stages;
mod workspace;

pub use apt::Mirrors;
pub use builder::{Builder, Firmware, Image};
pub use cache::StageReport;
pub use error::{Error, Result};
pub use stages::payload::Payload;
