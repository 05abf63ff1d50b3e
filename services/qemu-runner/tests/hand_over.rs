//! `understudy-qemu` as a unit starts it, with a shell in the place of QEMU that shows what it was given.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use understudy_qemu_runner::order::Order;

fn order(script: &str, numbers: Vec<i32>) -> Order {
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    Order { program: "/bin/sh".to_owned(), arguments, numbers }
}

/// Starts `understudy-qemu`; gives the service's end of its order socket.
fn start() -> (std::process::Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_understudy-qemu"))
        .stdin(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, ours)
}

fn read_all(mut source: impl Read) -> String {
    let mut text = String::new();
    source.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_program_has_each_file_under_its_number_and_only_there() {
    let (mut child, socket) = start();
    let mut disk = tempfile::NamedTempFile::new().unwrap();
    disk.write_all(b"the disk\n").unwrap();
    let open = disk.reopen().unwrap();
    let (result, theirs) = std::io::pipe().unwrap();
    // The descriptors arrive with low numbers; 5 and 6 are among them, so that placing them must not overwrite them.
    let script = "cat <&6 >&5; for f in /proc/$$/fd/*; do echo \"${f##*/} $(readlink $f)\" >&5; done";
    order(script, vec![6, 5, 2]).send(&socket, &[open.as_fd(), theirs.as_fd(), theirs.as_fd()]).unwrap();
    drop(theirs);
    let said = read_all(result);
    assert!(child.wait().unwrap().success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "the disk");
    assert!(lines.contains(&"0 /dev/null"), "{said}");
    let path = disk.path().to_str().unwrap();
    let copies: Vec<_> = lines.iter().filter(|line| line.ends_with(path)).collect();
    assert_eq!(copies, [&format!("6 {path}")], "no second descriptor of the disk stays behind: {said}");
}

#[test]
fn a_program_that_cannot_be_started_is_named_on_the_standard_error_it_would_have_had() {
    let (mut child, socket) = start();
    let (said, theirs) = std::io::pipe().unwrap();
    let mut order = order("", vec![2]);
    order.program = "/no/such/qemu".to_owned();
    order.send(&socket, &[theirs.as_fd()]).unwrap();
    drop(theirs);
    let said = read_all(said);
    assert!(!child.wait().unwrap().success());
    assert!(said.contains("cannot become /no/such/qemu"), "{said}");
}

#[test]
fn without_an_order_it_says_what_it_waits_for() {
    let (mut child, socket) = start();
    drop(socket);
    let said = read_all(child.stderr.take().unwrap());
    assert!(!child.wait().unwrap().success());
    assert!(said.contains("cannot receive the order for QEMU"), "{said}");
}
