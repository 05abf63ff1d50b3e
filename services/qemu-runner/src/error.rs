//! What can go wrong around a virtual machine.

use std::io;

/// Why a virtual machine could not be started, reached or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, to what.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There is one already.
    #[error("a virtual machine {0} exists already; stop it first")]
    Exists(String),
    /// systemd could not start or stop the unit.
    #[error("systemd cannot {verb} {unit}: {reason}; `journalctl -u {unit}` may say more")]
    Unit {
        /// `start` or `stop`.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// What systemd said.
        reason: String,
    },
    /// QEMU ended although it should run.
    #[error("QEMU ended while we waited for {waiting_for}; it said: {said}")]
    Ended {
        /// What was waited for.
        waiting_for: &'static str,
        /// QEMU's last words on standard error.
        said: String,
    },
    /// Something took too long.
    #[error("{what} did not happen within {seconds} s; QEMU said: {said}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// QEMU's last words on standard error.
        said: String,
    },
    /// QEMU refused a command.
    #[error(transparent)]
    Qmp(#[from] qmp::Error),
    /// Someone else than systemd asked for the order that belongs to a unit.
    #[error("user {uid} connected to {socket} in systemd's place; nothing was handed over")]
    Stranger {
        /// Who it was.
        uid: u32,
        /// Where.
        socket: String,
    },
}

/// What every call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
