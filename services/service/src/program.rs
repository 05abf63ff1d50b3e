//! Runs external programs in one way: logged with its time, its output kept when it fails.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A program that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` failed ({status}): {output}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said on standard error, or else on standard output.
        output: String,
    },
    /// It did not end in time and was killed.
    #[error("`{command}` did not end within {seconds} s and was killed")]
    TimedOut {
        /// Program and arguments.
        command: String,
        /// The deadline.
        seconds: u64,
    },
}

/// A program about to be run.
#[derive(Debug)]
pub struct Program {
    program: String,
    args: Vec<String>,
    deadline: Duration,
}

impl Program {
    /// `program` is looked up in `PATH`. It has two minutes unless told otherwise.
    pub fn new(program: &str) -> Self {
        Self { program: program.to_owned(), args: Vec::new(), deadline: Duration::from_secs(120) }
    }

    /// Adds an argument. Arguments are logged: none may be a secret.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_string_lossy().into_owned());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(self, args: I) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Gives it another deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end and returns its standard output.
    pub async fn run(self) -> Result<String, ProgramError> {
        let command = std::iter::once(&self.program)
            .chain(&self.args)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let begin = Instant::now();
        let child = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProgramError::Start { program: self.program.clone(), source })?;
        let output = match tokio::time::timeout(self.deadline, child.wait_with_output()).await {
            Ok(output) => {
                output.map_err(|source| ProgramError::Start { program: self.program.clone(), source })?
            }
            Err(_) => return Err(ProgramError::TimedOut { command, seconds: self.deadline.as_secs() }),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        tracing::debug!("`{command}` ended with {} after {:.2?}", output.status, begin.elapsed());
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = if output.stderr.is_empty() { text(&output.stdout) } else { text(&output.stderr) };
        Err(ProgramError::Failed { command, status: output.status, output: said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failing_program_is_reported_with_its_words() {
        let error = Program::new("sh").args(["-c", "echo no such pool >&2; exit 3"]).run().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no such pool") && text.contains("exit status: 3"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed() {
        let error =
            Program::new("sleep").arg("1000").deadline(Duration::from_millis(50)).run().await.unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Program::new("no-such-program-here").run().await.unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }
}
