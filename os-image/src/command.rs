//! The one way this crate runs an external program: the command, its time and its output go to a log
//! file; a failure shows the end of that output.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A program that could not be started or failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not installed or cannot be executed.
    #[error(
        "cannot start `{program}`, needed to {purpose}: {source}; `cargo xtask setup` installs what is missing"
    )]
    Start {
        /// The program.
        program: String,
        /// What it was to do.
        purpose: String,
        /// Why the system refused.
        source: std::io::Error,
    },
    /// It ran and failed.
    #[error("could not {purpose}: {status}\n{tail}\n(all of its output: {log})")]
    Failed {
        /// What it was to do.
        purpose: String,
        /// Its exit status.
        status: String,
        /// The last lines it printed.
        tail: String,
        /// Where everything it printed stands.
        log: PathBuf,
    },
    /// The log file itself could not be written.
    #[error("cannot write the log {log}: {source}")]
    Log {
        /// The log file.
        log: PathBuf,
        /// Why the system refused.
        source: std::io::Error,
    },
}

/// Lines of output shown with a failure.
const TAIL_LINES: usize = 30;

/// Where the commands of one stage are logged.
#[derive(Debug, Clone)]
pub struct Log(pub PathBuf);

impl Log {
    /// Runs `command` with its output in the log, and returns what it wrote to standard output.
    ///
    /// A [`tied`] child dies with this process, so that a killed build leaves nothing running.
    pub fn run(&self, purpose: &str, command: Command) -> Result<Vec<u8>, CommandError> {
        self.run_with_input(purpose, command, &[])
    }

    /// Like [`Log::run`], with `input` on the program's standard input.
    pub fn run_with_input(
        &self,
        purpose: &str,
        mut command: Command,
        input: &[u8],
    ) -> Result<Vec<u8>, CommandError> {
        let log_error = |source| CommandError::Log { log: self.0.clone(), source };
        let mut log = OpenOptions::new().create(true).append(true).open(&self.0).map_err(log_error)?;
        writeln!(log, "## {purpose}\n$ {command:?}").map_err(log_error)?;
        let before = log.metadata().map_err(log_error)?.len();
        let start_error = |command: &Command, source| CommandError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            purpose: purpose.into(),
            source,
        };
        let started = Instant::now();
        command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(log.try_clone().map_err(log_error)?);
        let mut child = command.spawn().map_err(|e| start_error(&command, e))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends early closes the pipe; its exit status tells the story better than EPIPE.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(|e| start_error(&command, e))?;
        log.write_all(&output.stdout).map_err(log_error)?;
        writeln!(log, "# {} after {:.1} s", output.status, started.elapsed().as_secs_f64())
            .map_err(log_error)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(CommandError::Failed {
            purpose: purpose.into(),
            status: output.status.to_string(),
            tail: self.tail(before),
            log: self.0.clone(),
        })
    }

    /// The last lines written behind `offset`.
    fn tail(&self, offset: u64) -> String {
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[(offset as usize).min(bytes.len())..]).into_owned();
        let lines: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// `program`, killed by the kernel when the thread that started it ends, and so when this process dies. [`Log::run`] waits for it in
/// that thread, which therefore does not end before (prctl(2), "PR_SET_PDEATHSIG").
pub fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// `text` as one word of a shell script.
pub fn quote(text: impl AsRef<Path>) -> String {
    format!("'{}'", text.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_end_of_the_output_and_names_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log(dir.path().join("log"));
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo 'disk is on fire' >&2; exit 3"]);
        let message = log.run("put it out", command).unwrap_err().to_string();
        assert!(message.contains("could not put it out"), "{message}");
        assert!(message.contains("disk is on fire") && message.contains("exit status: 3"), "{message}");
        assert!(message.contains(log.0.to_str().unwrap()), "{message}");
    }

    #[test]
    fn a_missing_program_is_named_with_what_it_was_for() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log(dir.path().join("log"));
        let message = log.run("make coffee", Command::new("no-such-tool")).unwrap_err().to_string();
        assert!(message.contains("no-such-tool") && message.contains("make coffee"), "{message}");
        assert!(message.contains("setup"), "{message}");
    }

    #[test]
    fn quoted_words_survive_the_shell() {
        let out = Command::new("sh").args(["-c", &format!("printf %s {}", quote("it's $HOME"))]).output();
        assert_eq!(out.unwrap().stdout, b"it's $HOME");
    }
}
