//! Runs external programs in one way: with a deadline, logged with its time, its output kept when it fails.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
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
        status: ExitStatus,
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

/// How often a running program is looked after. There is no portable wait with a deadline.
const LOOK: Duration = Duration::from_millis(5);

/// Runs a program, looked up in `PATH`, to its end and returns its standard output. Arguments are logged: none may be a secret.
pub fn run<I>(program: &str, args: I, deadline: Duration) -> Result<String, ProgramError>
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    let words = args.iter().map(|arg| arg.to_string_lossy());
    let command = std::iter::once(program.into()).chain(words).collect::<Vec<_>>().join(" ");
    let begin = Instant::now();
    let start = |source| ProgramError::Start { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .args(&args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    // Read beside the wait, or a program with much to say would never end.
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = loop {
        match child.try_wait().map_err(start)? {
            Some(status) => break status,
            None if begin.elapsed() < deadline => std::thread::sleep(LOOK),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ProgramError::TimedOut { command, seconds: deadline.as_secs() });
            }
        }
    };
    let text =
        |said: JoinHandle<Vec<u8>>| String::from_utf8_lossy(&said.join().unwrap_or_default()).into_owned();
    let (stdout, stderr) = (text(stdout), text(stderr));
    tracing::debug!("`{command}` ended with {status} after {:.2?}", begin.elapsed());
    if status.success() {
        return Ok(stdout);
    }
    let output = if stderr.trim().is_empty() { stdout } else { stderr }.trim().to_owned();
    Err(ProgramError::Failed { command, status, output })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could be read until the pipe broke is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_failing_program_is_reported_with_its_words() {
        let error = run("sh", ["-c", "echo no such disk >&2; exit 3"], LONG).unwrap_err().to_string();
        assert!(error.contains("no such disk") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let error = run("sleep", ["1000"], Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_program_with_much_to_say_is_heard_out() {
        let said = run("sh", ["-c", "yes | head -c 1000000"], LONG).unwrap();
        assert_eq!(said.len(), 1_000_000);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run("no-such-program-here", [""; 0], LONG).unwrap_err().to_string();
        assert!(error.contains("no-such-program-here"), "{error}");
    }
}
