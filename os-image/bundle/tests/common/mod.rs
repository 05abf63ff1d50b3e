//! Programs of others that tests compare with.

use std::path::Path;
use std::process::{Command, Output};

/// A program, also when `PATH` lacks the folders of administrators.
pub fn command(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it, whatever its outcome.
///
/// # Panics
/// When it is not installed: a test that could not compare has not passed.
pub fn output(command: &mut Command, package: &str) -> Output {
    command.output().unwrap_or_else(|error| {
        let program = Path::new(command.get_program()).display();
        panic!("cannot run {program} ({error}); install the Debian package {package}")
    })
}

/// Runs it and returns what it prints.
///
/// # Panics
/// When it is not installed, and when it fails.
pub fn run(command: &mut Command, package: &str) -> String {
    let output = output(command, package);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}
