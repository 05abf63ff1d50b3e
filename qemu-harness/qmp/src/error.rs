//! What can go wrong on a QMP connection.

use std::io;
use std::time::Duration;

/// Why a QMP call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU understood the command and said no. The connection stays usable.
    #[error("QEMU refused the command `{command}`: {desc} ({class})")]
    Refused {
        /// The command as it was sent, with its arguments.
        command: String,
        /// QMP's error class, such as `GenericError` or `CommandNotFound`.
        class: String,
        /// QEMU's own words.
        desc: String,
    },
    /// No answer, or no such event, in time. The connection stays usable: a late answer is dropped.
    #[error("QEMU gave no {waiting_for} within {} s", after.as_secs_f32())]
    Timeout {
        /// What was waited for.
        waiting_for: String,
        /// How long.
        after: Duration,
    },
    /// QEMU ended, or closed the connection.
    #[error(
        "QEMU closed the QMP connection while we waited for {waiting_for}; look at QEMU's own error output"
    )]
    Closed {
        /// What was waited for.
        waiting_for: String,
    },
    /// The connection itself failed.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, with the peer where there is one.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The other side does not speak QMP.
    #[error("{what}; is this a QMP socket? It sent: {message}")]
    Protocol {
        /// What is wrong with the message.
        what: &'static str,
        /// The message, cut after some hundred characters.
        message: String,
    },
}

impl Error {
    /// QMP's error class, where QEMU refused a command.
    pub fn class(&self) -> Option<&str> {
        match self {
            Error::Refused { class, .. } => Some(class),
            _ => None,
        }
    }

    /// Whether time ran out, rather than something failing.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Error::Timeout { .. })
    }

    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Io { doing: doing.into(), source }
    }

    pub(crate) fn protocol(what: &'static str, message: &str) -> Error {
        Error::Protocol { what, message: message.chars().take(400).collect() }
    }
}
