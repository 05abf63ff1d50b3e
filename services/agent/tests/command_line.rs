//! What a person sees who types `understudy-agent`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::Path;
use std::process::{Command, Output};

fn agent(state: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_understudy-agent"))
        .args(["--state", state.to_str().unwrap()])
        .args(args)
        .env("RUNTIME_DIRECTORY", state)
        .output()
        .unwrap()
}

fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[test]
fn an_unpaired_machine_is_told_how_to_pair() {
    let dir = tempfile::tempdir().unwrap();
    let output = agent(dir.path(), &["status"]);
    assert!(output.status.success());
    assert!(words(&output.stdout).contains("understudy-agent pair ADDRESS CODE"), "{output:?}");

    let output = agent(dir.path(), &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["version"], &status["paired"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn a_code_or_address_that_is_none_is_refused_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let output = agent(dir.path(), &["pair", "192.0.2.1", "12345"]);
    assert!(!output.status.success() && words(&output.stderr).contains("not a pairing code"), "{output:?}");
    let output = agent(dir.path(), &["pair", "https://box/", "7K4P-9QXM-2HTA"]);
    assert!(!output.status.success() && words(&output.stderr).contains("not an address"), "{output:?}");
}

#[test]
fn a_box_that_does_not_answer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = agent(dir.path(), &["pair", &format!("127.0.0.1:{port}"), "7K4P-9QXM-2HTA"]);
    assert!(!output.status.success());
    let text = words(&output.stderr);
    assert!(text.contains(&format!("the box at 127.0.0.1:{port} cannot be reached")), "{text}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is stored");
}
