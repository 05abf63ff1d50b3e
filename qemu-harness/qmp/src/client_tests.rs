//! The client against a scripted QEMU at the other end of a socket pair.

use std::io::{BufRead, BufReader, Write};
use std::thread::{self, JoinHandle};

use super::*;

const GREETING: &str =
    r#"{"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}}, "capabilities": []}}"#;
const SOON: Duration = Duration::from_millis(30);
const ENOUGH: Duration = Duration::from_secs(20);

/// Plays QEMU: greets, then answers each command with the lines `script` makes from its name and id.
fn qemu(
    script: impl Fn(&str, &Value) -> Vec<String> + Send + 'static,
) -> (UnixStream, JoinHandle<Vec<Value>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let served = thread::spawn(move || {
        let mut writer = theirs.try_clone().unwrap();
        writeln!(writer, "{GREETING}").unwrap();
        let mut seen = Vec::new();
        for line in BufReader::new(theirs).lines().map_while(std::result::Result::ok) {
            let command: Value = serde_json::from_str(&line).unwrap();
            let name = command["execute"].as_str().unwrap();
            let lines = match name {
                "qmp_capabilities" => vec![json!({"return": {}, "id": command["id"]}).to_string()],
                name => script(name, &command["id"]),
            };
            seen.push(command);
            for line in lines {
                writeln!(writer, "{line}").unwrap();
            }
        }
        seen
    });
    (ours, served)
}

fn connected(script: impl Fn(&str, &Value) -> Vec<String> + Send + 'static) -> Client {
    Client::negotiate(qemu(script).0, ENOUGH, None).unwrap()
}

fn event(name: &str, data: Value) -> String {
    json!({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 2}}).to_string()
}

#[test]
fn a_command_is_negotiated_sent_and_answered() {
    let (stream, served) = qemu(|_, id| vec![json!({"return": {"running": true}, "id": id}).to_string()]);
    let mut client = Client::negotiate(stream, ENOUGH, None).unwrap();
    assert_eq!(client.version(), Some((10, 0, 2)));
    assert_eq!(client.execute("query-status", json!({"deep": 1})).unwrap(), json!({"running": true}));
    drop(client);
    let seen = served.join().unwrap();
    assert_eq!(seen[0]["execute"], "qmp_capabilities");
    assert_eq!(seen[1], json!({"execute": "query-status", "arguments": {"deep": 1}, "id": 1}));
}

#[test]
fn unknown_events_before_a_reply_are_kept_and_harm_nothing() {
    let mut client = connected(|_, id| {
        vec![
            event("FROM_THE_FUTURE", json!({"x": [1, 2]})),
            event("STOP", Value::Null),
            json!({"return": {}, "id": id}).to_string(),
        ]
    });
    client.execute("stop", None).unwrap();
    let deadline = Instant::now() + ENOUGH;
    assert_eq!(client.wait_event("STOP", deadline).unwrap().name, "STOP");
    let unknown = client.wait_event("FROM_THE_FUTURE", deadline).unwrap();
    assert_eq!(unknown.data, json!({"x": [1, 2]}));
    assert_eq!(unknown.raw["timestamp"]["seconds"], 1);
    assert!(client.take_events().is_empty());
}

#[test]
fn a_refusal_names_the_command_the_class_and_the_reason() {
    let mut client = connected(|_, id| {
        vec![json!({"error": {"class": "DeviceNotFound", "desc": "No disk0"}, "id": id}).to_string()]
    });
    let error = client.execute("eject", json!({"id": "disk0"})).unwrap_err();
    assert_eq!(error.class(), Some("DeviceNotFound"));
    let said = error.to_string();
    assert_eq!(said, r#"QEMU refused the command `eject {"id":"disk0"}`: No disk0 (DeviceNotFound)"#);
}

#[test]
fn a_late_reply_is_not_taken_for_the_next_command() {
    let mut client = connected(|name, id| match name {
        "slow" => vec![],
        // The answer to `slow` comes just before this command's own.
        _ => vec![
            json!({"return": "late", "id": id.as_u64().unwrap() - 1}).to_string(),
            json!({"return": "mine", "id": id}).to_string(),
        ],
    });
    assert!(client.execute_within("slow", None, SOON).unwrap_err().is_timeout());
    assert_eq!(client.execute("quick", None).unwrap(), json!("mine"));
}

#[test]
fn an_event_that_does_not_come_is_a_timeout_that_names_it() {
    let mut client = connected(|_, _| vec![]);
    let error = client.wait_event("SHUTDOWN", Instant::now() + SOON).unwrap_err();
    assert!(error.is_timeout());
    assert!(error.to_string().contains("no event SHUTDOWN within 0.0"), "{error}");
}

#[test]
fn qemu_going_away_is_said_as_such() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let error = Client::negotiate(ours, ENOUGH, None).err().unwrap();
    assert!(matches!(&error, Error::Closed { waiting_for } if waiting_for == "QMP greeting"), "{error}");
}

#[test]
fn something_that_is_no_qmp_is_recognised() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap();
    let error = Client::negotiate(ours, ENOUGH, None).err().unwrap();
    assert!(error.to_string().contains("is this a QMP socket? It sent: SSH-2.0-OpenSSH"), "{error}");
}

#[test]
fn events_nobody_takes_do_not_pile_up_for_ever() {
    let mut client = connected(|_, id| {
        let mut lines: Vec<String> = (0..EVENTS_KEPT + 10).map(|n| event("TICK", json!(n))).collect();
        lines.push(json!({"return": {}, "id": id}).to_string());
        lines
    });
    client.execute("noise", None).unwrap();
    let events = client.take_events();
    assert_eq!(events.len(), EVENTS_KEPT);
    assert_eq!(events[0].data, json!(10));
}

#[test]
fn the_observer_sees_both_directions() {
    let (stream, _) = qemu(|_, id| vec![json!({"return": {}, "id": id}).to_string()]);
    let (sender, seen) = std::sync::mpsc::channel();
    let observer: Observer =
        Box::new(move |direction, line| sender.send((direction, line.to_owned())).unwrap());
    let mut client = Client::negotiate(stream, ENOUGH, Some(observer)).unwrap();
    client.execute("cont", None).unwrap();
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen[0], (Direction::Received, GREETING.to_owned()));
    assert_eq!(seen.last().unwrap().0, Direction::Received);
    assert!(seen.iter().any(|(way, line)| *way == Direction::Sent && line.contains("\"cont\"")));
}
