//! Writes a disk image to a disk or a file, and proves it; knows nothing of recipes or Understudy.
//!
//! [`find`] looks at a target and changes nothing. What it finds is a plain value, and whether that may be overwritten is decided
//! on that value alone ([`Disk::judge`], [`Place::judge`]). [`Device::claim`] and [`FileTarget::create`] take hold of the target;
//! [`flash`] erases its ends, writes what lies between, reads that back, and writes the partition table last.

mod buffer;
mod device;
mod disk;
mod error;
mod file;
mod flash;
mod image;
mod ioctl;
mod judge;
mod lock;
mod look;
mod lsblk;
mod place;
mod plan;
mod report;
mod size;
mod system;
mod table;
mod target;
mod tool;

pub use device::Device;
pub use disk::{Disk, Edges, Hold, Part};
pub use error::{Error, Result};
pub use file::FileTarget;
pub use flash::flash;
pub use image::Image;
pub use judge::Refusal;
pub use look::{Found, find, list};
pub use place::{Place, PlaceRefusal};
pub use report::{PhaseReport, Report};
pub use target::{Phase, Target, Watch};
