//! Every short-lived external program runs through here: logged with its time, and with its output where it fails.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::how_it_ended;
use crate::{Error, Result};

/// An external program to be run to its end.
pub(crate) struct Program {
    command: Command,
    shown: String,
    package: &'static str,
}

impl Program {
    /// `package` is the Debian package to name where the program is missing.
    pub(crate) fn new(name: &'static str, package: &'static str) -> Self {
        let mut command = Command::new(name);
        command.stdin(Stdio::null());
        // File system tools live there, and it is not on an ordinary user's path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        Program { command, shown: name.to_owned(), package }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&shell_quoted(&arg.as_ref().to_string_lossy()));
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Program::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it and gives its standard output.
    pub(crate) fn run(mut self) -> Result<String> {
        let started = Instant::now();
        let failed =
            |how: String, output: String| Error::Program { command: self.shown.clone(), how, output };
        let output = self.command.output().map_err(|error| {
            let package = self.package;
            failed(format!("could not be started: {error}. Debian's package {package} has it"), String::new())
        })?;
        let milliseconds = started.elapsed().as_millis();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        tracing::debug!(command = self.shown, milliseconds, status = %output.status, "ran a program");
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(failed(
                format!("failed after {milliseconds} ms ({}):", how_it_ended(output.status)),
                text(&output.stdout) + &text(&output.stderr),
            )),
        }
    }
}

/// One word for a POSIX shell.
pub(crate) fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_command_status_and_output() {
        let failed = Program::new("sh", "dash").args(["-c", "echo so much; exit 3"]).run().unwrap_err();
        let said = failed.to_string();
        assert!(said.starts_with("`sh -c 'echo so much; exit 3'` failed after "), "{said}");
        assert!(said.contains("exit status 3") && said.ends_with("| so much"), "{said}");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let said = Program::new("no-such-program", "no-such").run().unwrap_err().to_string();
        assert!(said.contains("Debian's package no-such has it"), "{said}");
    }

    #[test]
    fn words_survive_a_shell() {
        for word in ["plain", "", "two words", "it's", "$HOME `id` \"x\" \\ *"] {
            let printed = Program::new("sh", "dash")
                .args(["-c", &format!("printf %s {}", shell_quoted(word))])
                .run()
                .unwrap();
            assert_eq!(printed, word);
        }
    }
}
