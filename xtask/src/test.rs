//! `cargo xtask test`: what CI runs.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{demo, lint, paths, process, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out what boots virtual machines or needs root: lints, unit tests, services on a private bus
    #[arg(long)]
    fast: bool,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    lint::run()?;
    if arguments.fast {
        // The harness's own tests and those of the QEMU runner boot small guests.
        let guests = ["qemu-harness", "understudy-qemu-runner", "understudy-vm-launcher"];
        let mut words = vec!["test", "--workspace", "--locked"];
        guests.iter().for_each(|package| words.extend(["--exclude", package]));
        return process::run("cargo", &words);
    }
    process::run("cargo", &["test", "--workspace", "--locked"])?;
    as_root("understudy-agent", "host")?;
    as_root("os-flash", "host")?;
    demo::play(true)?;
    Ok(())
}

/// What needs this host's kernel and root: the agent's whole backups on loop devices (tracker, freeze, watchdog and iSCSI for real), and
/// flashing them.
fn as_root(package: &str, test: &str) -> Result<()> {
    let program = built(package, test, &[])?;
    if nix::unistd::geteuid().is_root() {
        process::run(&program, &[])
    } else {
        process::run("sudo", &["--preserve-env", &program])
    }
}

/// Builds a test without running it, and gives its program.
pub fn built(package: &str, test: &str, options: &[&str]) -> Result<String> {
    let output = Command::new("cargo")
        .args(["test", "--locked", "-p", package, "--test", test, "--no-run", "--message-format=json"])
        .args(options)
        .current_dir(paths::workspace())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the test {test} of {package} does not compile; cargo's words stand above");
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == test)
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .with_context(|| format!("cargo names no program for the test {test} of {package}"))
}
