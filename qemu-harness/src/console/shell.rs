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
    /// One command at a time.
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AtPrompt,
    /// A command was given up; who knows what the shell is doing.
    Lost,
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
        let shell = Shell { console, state: Mutex::new(State::AtPrompt) };
        shell.greet(deadline)?;
        shell.run("true", deadline)?;
        Ok(shell)
    }

    /// Runs a command to its end, whatever its status. It sees no input and no terminal, and leaves the shell itself as
    /// it was. What it leaves running must not hold its output, or the next command waits for that.
    pub fn run(&self, command: &str, deadline: impl Into<Deadline>) -> Result<Output> {
        let deadline = deadline.into();
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let frame = Frame::new();
        let lines = frame.typed(command).map_err(|refused| {
            Error::Asked(format!("`{command}` cannot be typed: {:?} would be taken as a key", refused.0))
        })?;
        if *state == State::Lost {
            self.greet(deadline)?;
            *state = State::AtPrompt;
        }
        for line in lines {
            self.type_line(&line)?;
        }
        let waiting_for = format!("the end of `{command}`");
        let ended = self.console.wait_for(&waiting_for, deadline, |text, old| frame.find(text, old));
        if ended.is_err() {
            *state = State::Lost;
            let _ = self.console.send(INTERRUPT);
        }
        let (status, stdout) = ended?;
        Ok(Output { status, stdout })
    }

    /// Types until the shell answers; then makes it quiet.
    fn greet(&self, deadline: Deadline) -> Result<()> {
        let frame = Frame::new();
        let ready = frame.ready();
        let found = |text: &str, _| text.find(&ready).map(|at| ((), at + ready.len()));
        loop {
            self.type_line(&format!("{KILL_LINE}{}", frame.greeting()))?;
            let one_try = deadline.at_most(ONE_TRY);
            match self.console.wait_for("a shell's answer", one_try, found) {
                Ok(()) => break,
                Err(_) if one_try.passed() && !deadline.passed() => {}
                // Says the whole time instead of that of the last try.
                Err(_) => break self.console.wait_for("a shell's answer", deadline, found)?,
            }
        }
        // Each on a line of its own, as a shell may not know an option and give the line up: no line editor, which
        // would treat tabs as a wish; no colours; no kernel messages between the lines of output.
        for line in ["set +o emacs", "set +o vi", "export TERM=dumb SYSTEMD_COLORS=0", "dmesg -n 1"] {
            self.type_line(line)?;
        }
        Ok(())
    }

    /// With a newline: a line editor like bash's switches the terminal's translation of Enter off and on again, so that
    /// what is typed ahead with Enter would never become a line.
    fn type_line(&self, line: &str) -> Result<()> {
        self.console.send(format!("{line}\n").as_bytes())
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
