//! The backup engine on this host: real block devices, file systems, BPF programs, iSCSI, freezes. Needs root; what is
//! missing is a failure, never a skip. `cargo test -p understudy-agent --test host [-- PART OF A NAME]`.
//! With `bench ROUNDS` instead it measures, see [`bench`].

#![allow(clippy::unwrap_used)] // a test all over, which clippy cannot know without libtest

mod bench;
mod cases;
mod child;
mod disks;
mod lab;
mod local_box;
mod port;
mod shell;
mod target;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == child::FLAG) {
        child::main(&arguments[1..]);
        return ExitCode::FAILURE;
    }
    // What libtest understands and we need not: cases always run one after the other.
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--test-threads" => drop(rest.next()),
            option if option.starts_with('-') => {}
            name => names.push(name.to_owned()),
        }
    }
    if let Ok(filter) = std::env::var("RUST_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    if let Err(missing) = host_can_serve() {
        eprintln!("this host cannot run the agent's tests: {missing}");
        return ExitCode::FAILURE;
    }
    if let ["bench", rounds] = names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        bench::main(rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    for (name, case) in
        cases::ALL.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part)))
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
        return Err("it needs root; run it with sudo".into());
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err("its kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)".into());
    }
    for (program, option, package) in [
        ("losetup", "--version", "util-linux"),
        ("addpart", "--version", "util-linux"),
        ("mkfs.ext4", "-V", "e2fsprogs"),
        ("mkfs.xfs", "-V", "xfsprogs"),
        ("tgtd", "--version", "tgt"),
        ("tgtadm", "--version", "tgt"),
        ("qemu-img", "--version", "qemu-utils"),
    ] {
        shell::try_run(program, [option]).map_err(|error| format!("{error}; install {package}"))?;
    }
    shell::try_run("losetup", ["-f"]).map_err(|error| format!("no loop device can be had: {error}"))?;
    Ok(())
}
