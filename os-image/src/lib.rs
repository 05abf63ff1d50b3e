//! Recipe to plan to bootable image; knows nothing of Understudy.
//!
//! [`Builder::build`] takes a recipe file through its stages. Each stage is a folder in the cache, named
//! after the hash of its inputs, and is built once. Packages come from the host's own mirror by
//! mmdebstrap; every tool that writes bytes of the image runs in a root of the image's release, inside a
//! user namespace: nothing needs root, a loop device, or a container engine. Stages that need nothing of each other are built at the
//! same time, and one builder serves several threads.
//!
//! [`explain()`] takes the same way and only tells what it would do; [`Builder::sizes`] tells what fills an image.

mod apt;
mod builder;
mod cache;
mod command;
pub mod divergence;
mod error;
mod explain;
pub mod host;
mod key;
mod mirror;
mod namespace;
mod overlay;
mod packages;
mod parts;
pub mod recipe;
pub mod service;
mod sha256;
mod sizes;
mod sparse;
mod stages;
mod toolbox;
mod workspace;

pub use apt::Mirrors;
pub use builder::{Builder, Firmware, Image};
pub use cache::StageReport;
pub use error::{Error, Result};
pub use explain::{Change, Difference, Explanation, Outcome, Reason, StageForecast, explain};
pub use packages::update::{LockUpdate, check_locks};
pub use parts::both;
pub use sha256::sha256;
pub use sizes::{Contributor, Origin, Sizes};
pub use stages::emulator::devices as emulated_devices;
pub use stages::payload::Payload;
pub use toolbox::Toolbox;
