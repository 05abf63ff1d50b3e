//! `org.understudy.Maintenance1`: what somebody in front of the box does for the box itself: updates, support bundles, and a shell for
//! support. Called by the console's menu and by root, and by nobody else.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::Type;

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Maintenance1";
/// Object path.
pub const PATH: &str = "/org/understudy/Maintenance1";

/// A FAT file system on something that is not one of the box's own disks: a USB stick, mostly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Stick {
    /// The kernel's name of the partition or disk it is on, such as `sdb1`; what the other calls take.
    pub device: String,
    /// Its label; may be empty.
    pub label: String,
    /// Maker and model of the disk, as far as it says.
    pub model: String,
    /// Bytes of the partition or disk.
    pub size: u64,
    /// Names of the bundles (`*.raucb`) in its root, in order.
    pub bundles: Vec<String>,
    /// Why it cannot be read, and what to do, in words; empty if it can.
    pub unreadable: String,
}

/// An update that is being installed, or how the last one since the service started ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Update {
    /// * `none`: there was none.
    /// * `copying`: from the stick to the box; first of all, where it comes from one.
    /// * `waiting`: the version that runs has not been found good yet.
    /// * `checking`: signature, hardware and contents.
    /// * `installing`: into the slot that does not run.
    /// * `installed`: it starts with the next restart.
    /// * `failed`: the message says why; the version that runs is untouched.
    pub state: String,
    /// How much of this state is done, from 0 to 100, or 0 where it is not known.
    pub percent: u8,
    /// Version that is being installed, or was; empty while it is not known, and if it failed.
    pub version: String,
    /// What, why and what next, if it failed; empty otherwise.
    pub message: String,
}

/// What a person does for the box.
#[proxy(
    interface = "org.understudy.Maintenance1.Manager",
    default_service = "org.understudy.Maintenance1",
    default_path = "/org/understudy/Maintenance1"
)]
pub trait Maintenance {
    /// Sticks that are there, by device. Foreign file systems are read by a user made for the moment, never by the kernel.
    fn sticks(&self) -> Result<Vec<Stick>>;

    /// A stick came or went.
    #[zbus(signal)]
    fn sticks_changed(&self) -> zbus::Result<()>;

    /// Begins to install a bundle from a stick: copies it to the box first. Returns at once; [`Self::update`] tells the rest. `Busy` while
    /// another is being installed, by whomever; `NotFound` if there is no such stick or file, `NotReady` if the stick cannot be read,
    /// `InvalidArgument` if the file's name has letters that mtools and FAT may take otherwise: the text says to rename it.
    fn install_from_stick(&self, device: &str, bundle: &str) -> Result<()>;

    /// The same for a URL (`http` or `https`), of which only what changed is downloaded. `InvalidArgument` if it is none.
    fn install_from_url(&self, url: &str) -> Result<()>;

    /// How the update is.
    fn update(&self) -> Result<Update>;

    /// It is otherwise now.
    #[zbus(signal)]
    fn update_changed(&self, update: Update) -> zbus::Result<()>;

    /// Writes a support bundle to a stick, reads it back, and gives its file name. It holds what happened on this box and how it is, and no
    /// secrets. Takes up to some minutes. `Failed` says why it could not be written, such as a stick that is full; nothing half-written
    /// stays. `NotFound` if there is no such stick, `Busy` while another bundle is being written, `NoSpace` if the box itself has no room to
    /// make it.
    fn write_support_bundle(&self, device: &str) -> Result<String>;

    /// Switches support mode on for so many minutes, 1 to 480 (`InvalidArgument` otherwise); on again, from now. While it is on, [`Self::open_shell`] works, and every
    /// terminal says that it is on.
    fn start_support_mode(&self, minutes: u32) -> Result<()>;

    /// Switches it off, and ends its shells.
    fn end_support_mode(&self) -> Result<()>;

    /// When it ends by itself, seconds since 1970-01-01 UTC, as the clock is now: the time that is left does not change when that is set. 0
    /// while it is off.
    fn support_mode(&self) -> Result<u64>;

    /// It was switched on, or off, or has ended.
    #[zbus(signal)]
    fn support_mode_changed(&self, until: u64) -> zbus::Result<()>;

    /// Gives a terminal (`tty1` or `ttyS0`) to a shell of root's until that ends; then the console has it again. `Denied` while support mode is
    /// off, `InvalidArgument` for another terminal.
    fn open_shell(&self, terminal: &str) -> Result<()>;
}
