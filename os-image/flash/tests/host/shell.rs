//! External programs.

use std::ffi::OsStr;
use std::process::Command;

/// Runs a program and returns what it printed; panics with its words if it fails.
pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(program: &str, arguments: I) -> String {
    try_run(program, arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// The same without panic.
pub fn try_run<I: IntoIterator<Item: AsRef<OsStr>>>(program: &str, arguments: I) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
