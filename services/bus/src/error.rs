//! The errors our services return, by D-Bus name: `org.understudy.Error.NAME`.

use zbus::DBusError;

/// A failed call. Every text says what, to what, why, and what next.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.understudy.Error")]
pub enum Error {
    /// The connection itself failed.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// The request makes no sense: an argument is malformed or impossible.
    InvalidArgument(String),
    /// What it names does not exist.
    NotFound(String),
    /// It exists already, with other properties than the ones asked for.
    Exists(String),
    /// Something else is at work there; trying again later may help.
    Busy(String),
    /// Not now: a condition is not met (no pool, not paired, not configured).
    NotReady(String),
    /// There is no room.
    NoSpace(String),
    /// Contents are not what they should be. Nothing was changed.
    Corrupt(String),
    /// The caller may not.
    Denied(String),
    /// A program or the kernel failed; the text carries its output.
    Failed(String),
}

/// The result of a call over the bus.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The text for a person, without the D-Bus name.
    pub fn message(&self) -> String {
        match self {
            Self::ZBus(error) => error.to_string(),
            Self::InvalidArgument(text)
            | Self::NotFound(text)
            | Self::Exists(text)
            | Self::Busy(text)
            | Self::NotReady(text)
            | Self::NoSpace(text)
            | Self::Corrupt(text)
            | Self::Denied(text)
            | Self::Failed(text) => text.clone(),
        }
    }
}
