//! What can go wrong when a machine is driven from outside. Every message names the file that tells more.

use std::io;
use std::path::PathBuf;

use crate::Deadline;

/// Why the harness could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host's system refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, and with which file.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// What the test asked for cannot be built.
    #[error("{0}")]
    Asked(String),
    /// A program could not be started, or failed.
    #[error("`{command}` {how}{}", indented(output))]
    Program {
        /// The command line.
        command: String,
        /// How it ended.
        how: String,
        /// What it wrote.
        output: String,
    },
    /// The host cannot serve.
    #[error("{0}")]
    Host(String),
    /// QEMU said no, or the connection to it broke.
    #[error("{vm}: {source} (all of the conversation is in {log})")]
    Qmp {
        /// The machine.
        vm: String,
        /// QEMU's answer.
        source: qmp::Error,
        /// Where every command and event is written down.
        log: PathBuf,
    },
    /// QEMU is gone although it should run.
    #[error(
        "{vm}: QEMU ended ({how}) while we waited for {waiting_for}; its own output, in {log}, ends with:{}",
        indented(last_words)
    )]
    Ended {
        /// The machine.
        vm: String,
        /// Exit status or signal.
        how: String,
        /// What was waited for.
        waiting_for: String,
        /// The end of QEMU's standard error.
        last_words: String,
        /// Where all of it is.
        log: PathBuf,
    },
    /// Something did not happen in time, or can no longer happen.
    #[error("{place}: {what}; the last lines of {log}:{}", indented(last_lines))]
    Console {
        /// Machine and console.
        place: String,
        /// What was waited for, how long, and why it was given up.
        what: String,
        /// The end of what the console showed.
        last_lines: String,
        /// Where all of it is.
        log: PathBuf,
    },
    /// A person at a screen would not see what the test waits for.
    #[error("{place}: {what}; the screen:{}", indented(screen))]
    Screen {
        /// Machine, and what the screen is one of.
        place: String,
        /// What was waited for, how long, and why it was given up.
        what: String,
        /// All that it shows.
        screen: String,
    },
    /// Something did not happen in time.
    #[error("{place}: no {waiting_for} within {} s{hint}", limit.as_secs_f32())]
    Late {
        /// Machine, and part of it.
        place: String,
        /// What was waited for.
        waiting_for: String,
        /// How long.
        limit: std::time::Duration,
        /// Where to look.
        hint: String,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }

    pub(crate) fn late(place: &str, waiting_for: &str, deadline: Deadline, hint: impl Into<String>) -> Error {
        Error::Late {
            place: place.to_owned(),
            waiting_for: waiting_for.to_owned(),
            limit: deadline.limit(),
            hint: hint.into(),
        }
    }
}

/// Output below a message, so that nobody takes it for the message.
fn indented(text: &str) -> String {
    match text.trim_end() {
        "" => " (nothing)".to_owned(),
        text => text.lines().map(|line| format!("\n    | {line}")).collect(),
    }
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
