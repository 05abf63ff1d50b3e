//! The one way this crate runs an external program.

use std::ffi::OsStr;
use std::process::Command;

/// A program that is missing or failed. Never taken for "nothing found": what it would have found might be somebody's data.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed or cannot be executed.
    #[error("cannot start `{program}`, needed to {purpose}: {reason}; install the package {package}")]
    Start {
        /// The program.
        program: &'static str,
        /// What it was to do.
        purpose: &'static str,
        /// Debian package that brings it.
        package: &'static str,
        /// Why the system refused.
        reason: std::io::Error,
    },
    /// It ran and failed.
    #[error("cannot {purpose}: `{command}` failed ({status}): {words}; is the disk still there?")]
    Failed {
        /// What it was to do.
        purpose: &'static str,
        /// The whole command.
        command: String,
        /// Its exit status.
        status: String,
        /// What it said.
        words: String,
    },
    /// It printed something else than was expected.
    #[error(
        "cannot {purpose}: `{program}` of package {package} prints what is not understood ({reason}); is it 2.37 or newer?"
    )]
    Words {
        /// The program.
        program: &'static str,
        /// What it was to do.
        purpose: &'static str,
        /// Debian package that brings it.
        package: &'static str,
        /// Why.
        reason: serde_json::Error,
    },
}

/// A program of a Debian package, and what it is for.
pub(crate) struct Tool {
    pub program: &'static str,
    pub package: &'static str,
    pub purpose: &'static str,
}

impl Tool {
    /// Runs it and reads the JSON it prints.
    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<T, ToolError> {
        let &Self { program, package, purpose } = self;
        let arguments: Vec<_> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        // An ordinary user's path lacks the administrator's programs.
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into());
        let output = Command::new(program)
            .args(&arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .output()
            .map_err(|reason| ToolError::Start { program, purpose, package, reason })?;
        if !output.status.success() {
            return Err(ToolError::Failed {
                purpose,
                command: format!("{program} {}", arguments.join(OsStr::new(" ")).display()),
                status: output.status.to_string(),
                words: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        serde_json::from_slice(&output.stdout).map_err(|reason| ToolError::Words {
            program,
            purpose,
            package,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &'static str, argument: &str) -> String {
        let tool = Tool { program, package: "util-linux", purpose: "see what is on it" };
        tool.json::<serde_json::Value>(["-c", argument]).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_tool_is_an_error_that_names_its_package() {
        let message = run("no-such-tool", "");
        assert!(
            message.contains("no-such-tool") && message.contains("install the package util-linux"),
            "{message}"
        );
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let message = run("sh", "echo 'not a block device' >&2; exit 32");
        assert!(message.contains("not a block device") && message.contains("32"), "{message}");
    }

    #[test]
    fn silence_is_not_taken_for_nothing_found() {
        assert!(run("sh", "true").contains("not understood"));
    }
}
