//! What maintenance knows: sticks, and the update that is being installed.

/// A FAT file system on something that is not one of the box's own disks: a USB stick, mostly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stick {
    /// The kernel's name of the partition or disk it is on, such as `sdb1`.
    pub device: String,
    /// Its label; may be empty.
    pub label: String,
    /// Maker and model of the disk; may be empty.
    pub model: String,
    /// Size in bytes.
    pub size: u64,
    /// Names of the bundles in its root, in order.
    pub bundles: Vec<String>,
    /// Why it cannot be read, and what to do; empty if it can.
    pub unreadable: String,
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateState {
    /// There was none since the service started.
    #[default]
    None,
    /// The version that runs has not been found good yet.
    Waiting,
    /// From the stick to the box.
    Copying,
    /// Signature, hardware and contents.
    Checking,
    /// Into the slot that does not run.
    Installing,
    /// It starts with the next restart.
    Installed,
    /// The version that runs is untouched.
    Failed,
}

impl UpdateState {
    /// Whether it is at work.
    pub fn runs(self) -> bool {
        match self {
            Self::Waiting | Self::Copying | Self::Checking | Self::Installing => true,
            Self::None | Self::Installed | Self::Failed => false,
        }
    }
}

/// An update that is being installed, or how the last one ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// How far it is.
    pub state: UpdateState,
    /// How much of this state is done, in percent; 0 where it is not known.
    pub percent: u8,
    /// The version that is installed; empty while it is not known.
    pub version: String,
    /// What, why and what next, if it failed.
    pub message: String,
}
