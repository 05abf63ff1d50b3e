//! Flashes to real block devices: loop devices, with mounts, swap and partitions on them. Needs root; what is missing is a failure,
//! never a skip. `cargo test -p os-flash --test host [-- PART OF A NAME]`.

#![allow(clippy::unwrap_used)] // a test all over, which clippy cannot know without libtest

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod disks;
mod shell;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let parts: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Err(missing) = host_can_serve() {
        eprintln!("this host cannot run the tests on block devices: {missing}");
        return ExitCode::FAILURE;
    }
    let mut failed = Vec::new();
    for (name, case) in
        cases::ALL.iter().filter(|(name, _)| parts.is_empty() || parts.iter().any(|part| name.contains(part)))
    {
        let begin = Instant::now();
        println!("test {name} ...");
        let passed = catch_unwind(case).is_ok();
        println!("test {name} ... {} ({:.1?})", if passed { "ok" } else { "FAILED" }, begin.elapsed());
        if !passed {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("failed: {failed:?}");
        ExitCode::FAILURE
    }
}

fn host_can_serve() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("they need root; run them with sudo".into());
    }
    for (program, package) in [
        ("losetup", "mount"),
        ("mount", "mount"),
        ("swapon", "mount"),
        ("addpart", "util-linux"),
        ("unshare", "util-linux"),
        ("mkfs.ext4", "e2fsprogs"),
    ] {
        shell::try_run(program, ["-V"]).map_err(|error| format!("{error}; install {package}"))?;
    }
    shell::try_run("losetup", ["-f"]).map_err(|error| format!("no loop device can be had: {error}"))?;
    Ok(())
}
