//! The update that is being installed.

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
