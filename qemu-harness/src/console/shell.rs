//! Commands on a console with a shell.

use std::sync::Mutex;
use std::time::Duration;

use super::Console;
use super::frame::Frame;
use crate::{Deadline, Error, Result};

/// A shell that was not there yet did not get what was typed; ask again this often.
const ONE_TRY: Duration = Duration::from_secs(3);
const INTERRUPT: &[u8] = b"\x03";
/// Forgets a half-typed line.
const KILL_LINE: &str = "\x15";

/// A POSIX shell (bash, dash) on a console, to run commands in one after the other.
#[derive(Debug)]
pub struct Shell {
    console: Console,
    one_at_a_time: Mutex<()>,
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status as the shell tells it; 128 and more for a signal.
    pub status: i32,
    /// Standard output and standard error as they came, with `\n` as line end and without escape sequences.
    pub stdout: String,
}

impl Shell {
    pub(super) fn begin(console: Console, deadline: Deadline) -> Result<Shell> {
        let frame = Frame::new();
        let ready = frame.ready();
        loop {
            type_line(&console, &format!("{KILL_LINE}{}", frame.greeting()))?;
            let found = |text: &str, _| text.find(&ready).map(|at| ((), at + ready.len()));
            let one_try = deadline.at_most(ONE_TRY);
            match console.wait_for("a shell's answer", one_try, found) {
                Ok(()) => break,
                Err(_) if one_try.passed() && !deadline.passed() => {}
                // Says the whole time instead of that of the last try.
                Err(_) => break console.wait_for("a shell's answer", deadline, found)?,
            }
        }
        let shell = Shell { console, one_at_a_time: Mutex::new(()) };
        // Each on a line of its own, as a shell may not know an option and give the line up: no line editor, which
        // would treat tabs as a wish; no colours; no kernel messages between the lines of output.
        type_line(&shell.console, "set +o emacs")?;
        type_line(&shell.console, "set +o vi")?;
        type_line(&shell.console, "export TERM=dumb PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0")?;
        type_line(&shell.console, "dmesg -n 1")?;
        shell.run("true", deadline)?;
        Ok(shell)
    }

    /// Runs a command to its end, whatever its status. It sees no input, and leaves the shell itself as it was.
    pub fn run(&self, command: &str, deadline: impl Into<Deadline>) -> Result<Output> {
        let deadline = deadline.into();
        let _one_at_a_time = self.one_at_a_time.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let frame = Frame::new();
        let lines = frame.typed(command).map_err(|refused| {
            Error::Asked(format!("`{command}` cannot be typed: {:?} would be taken as a key", refused.0))
        })?;
        for line in lines {
            type_line(&self.console, &line)?;
        }
        let waiting_for = format!("the end of `{command}`");
        let ended = self.console.wait_for(&waiting_for, deadline, |text, old| frame.find(text, old));
        if ended.is_err() {
            // So that the next command finds a prompt.
            let _ = self.console.send(INTERRUPT);
        }
        let (status, stdout) = ended?;
        Ok(Output { status, stdout })
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub fn succeed(&self, command: &str, deadline: impl Into<Deadline>) -> Result<String> {
        let output = self.run(command, deadline)?;
        match output.status {
            0 => Ok(output.stdout),
            status => Err(Error::Program {
                command: command.to_owned(),
                how: format!("on {} ended with status {status}:", self.console.inner.place),
                output: output.stdout,
            }),
        }
    }

    /// The console it runs on.
    pub fn console(&self) -> &Console {
        &self.console
    }
}

/// With a newline: a line editor like bash's switches the terminal's translation of Enter off and on again, so that what
/// is typed ahead with Enter would never become a line.
fn type_line(console: &Console, line: &str) -> Result<()> {
    console.send(format!("{line}\n").as_bytes())
}
