//! A console against a real shell on a pseudo-terminal, and against a script.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::*;

const ENOUGH: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(50);

/// A console whose other end the test plays.
fn scripted() -> (Console, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Console::open("box ttyS0".to_owned(), ours, "/run/box/ttyS0.log".into()).unwrap(), theirs)
}

/// A console with a shell behind a real line discipline: echo on, prompts, and a noisy start. Tests that run in the background of a
/// script have SIGINT ignored, and all below them would.
fn with_shell(shell: &str) -> (Console, std::process::Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let shell = format!("exec env --default-signal=INT {shell}");
    let (input, output) = (theirs.try_clone().unwrap(), theirs);
    let child = Command::new("script")
        .args(["-q", "-f", "-E", "always", "-c", &shell, "/dev/null"])
        .env("PS1", "\\e[1mroot@box\\e[m:~# ")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)))
        .spawn()
        .expect("script of Debian's bsdutils starts");
    (Console::open("box hvc0".to_owned(), ours, "/run/box/hvc0.log".into()).unwrap(), child)
}

fn runs_commands(shell: &str) {
    let (console, mut child) = with_shell(shell);
    let shell = console.shell(ENOUGH).unwrap();
    let output = |command: &str| shell.run(command, ENOUGH).unwrap();
    assert_eq!(output("echo hello"), Output { status: 0, stdout: "hello\n".to_owned() });
    assert_eq!(output("printf 'no newline'; exit 7"), Output { status: 7, stdout: "no newline".to_owned() });
    assert_eq!(output("echo oops >&2; false"), Output { status: 1, stdout: "oops\n".to_owned() });
    assert_eq!(output("for i in 1 2; do\n\techo \"it's $i\"\ndone").stdout, "it's 1\nit's 2\n");
    assert_eq!(output("cat").stdout, "", "a command that reads gets nothing");
    assert_eq!(output("sh -c 'kill -9 $$'").status, 137);
    let much = output("seq 1 200000").stdout;
    assert_eq!(much, (1..=200_000).map(|n| format!("{n}\n")).collect::<String>());
    let long = format!("printf %s '{}' | wc -c", "x".repeat(20_000));
    assert_eq!(output(&long).stdout.trim(), "20000");
    assert!(shell.succeed("echo why; exit 2", ENOUGH).unwrap_err().to_string().contains("| why"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn bash_runs_commands_and_gives_exact_output() {
    runs_commands("bash --norc -i");
}

#[test]
fn dash_runs_commands_and_gives_exact_output() {
    runs_commands("dash -i");
}

#[test]
fn a_command_that_takes_too_long_is_interrupted_and_the_shell_goes_on() {
    for shell in ["bash --norc -i", "dash -i"] {
        let (console, mut child) = with_shell(shell);
        let shell = console.shell(ENOUGH).unwrap();
        let said = shell.run("echo started; sleep 1000", SOON).unwrap_err().to_string();
        assert!(said.contains("the end of `echo started; sleep 1000` within 0.05 s"), "{said}");
        assert_eq!(shell.run("echo again", ENOUGH).unwrap().stdout, "again\n");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_shell_that_comes_late_is_found() {
    let (console, mut machine) = scripted();
    let answering = std::thread::spawn(move || {
        // Boot messages, and what was typed meanwhile is lost.
        machine.write_all(b"booting...\r\n").unwrap();
        let mut typed = String::new();
        let mut chunk = [0; 4096];
        loop {
            let count = machine.read(&mut chunk).unwrap();
            typed.push_str(&String::from_utf8_lossy(&chunk[..count]));
            if let Some((_, second)) = typed.match_indices("ready>").nth(1).map(|(at, _)| typed.split_at(at))
            {
                assert!(!second.is_empty());
                break;
            }
        }
    });
    let said = console.shell(Duration::from_secs(5)).unwrap_err().to_string();
    answering.join().expect("it was asked twice");
    assert!(said.contains("nothing matched a shell's answer"), "{said}");
}

#[test]
fn matches_follow_one_another() {
    let (console, mut machine) = scripted();
    machine.write_all(b"\x1b[32mok\x1b[m one\r\nok two\r\nbox login: ").unwrap();
    assert_eq!(console.expect("ok", ENOUGH).unwrap().before(), "");
    let second = console.expect(r"ok (\w+)", ENOUGH).unwrap();
    assert_eq!((second.before(), second.text(), second.group(1)), (" one\n", "ok two", "two"));
    console.expect("login: ", ENOUGH).unwrap();
    assert!(console.text().starts_with("ok one\n"));
    machine.write_all(b"one more prompt\r\n").unwrap();
    console.expect("one more", ENOUGH).unwrap();
    console.skip_shown();
    assert!(console.expect("prompt", SOON).is_err());
    machine.write_all(b"box login: ").unwrap();
    console.expect(Pattern::text("box login: "), ENOUGH).unwrap();
    assert!(console.screen().text().ends_with("box login:"), "{}", console.screen());
}

#[test]
fn what_does_not_come_is_an_error_with_the_last_lines_and_the_log() {
    let (console, mut machine) = scripted();
    machine.write_all(b"starting network\r\nno carrier\r\n").unwrap();
    console.expect("network\n", ENOUGH).unwrap();
    let said = console.expect("login:", SOON).unwrap_err().to_string();
    assert_eq!(
        said,
        "box ttyS0: nothing matched /login:/ within 0.05 s; the last lines of /run/box/ttyS0.log:\n    \
         | starting network\n    | no carrier"
    );
}

#[test]
fn a_panic_or_the_machines_end_is_not_waited_out() {
    let (console, mut machine) = scripted();
    machine.write_all(b"Kernel panic - not syncing: Attempted to kill init!\r\n").unwrap();
    let said = console.expect("login:", ENOUGH).unwrap_err().to_string();
    assert!(said.contains("but the kernel panicked"), "{said}");
    console.expect("Kernel panic", ENOUGH).expect("who waits for the panic gets it");
    drop(machine);
    let said = console.expect("login:", ENOUGH).unwrap_err().to_string();
    assert!(said.contains("and the machine has ended"), "{said}");
}

#[test]
fn only_a_terminal_that_is_attended_answers() {
    let (console, mut machine) = scripted();
    machine.write_all(b"\x1b[6n?").unwrap();
    console.expect(Pattern::text("?"), ENOUGH).unwrap();
    console.attend();
    machine.write_all(b"\x1b[999;999H\x1b[6n").unwrap();
    let mut answer = [0; 8];
    machine.set_read_timeout(Some(ENOUGH)).unwrap();
    machine.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x1b[24;80R");
}

#[test]
fn keys_are_sent_as_the_machine_wants_them() {
    let (console, mut machine) = scripted();
    console.press(Key::Up).unwrap();
    machine.write_all(b"\x1b[?1hmenu").unwrap();
    console.expect("menu", ENOUGH).unwrap();
    console.press(Key::Up).unwrap();
    assert!(console.press(Key::CtrlAltDelete).is_err());
    console.press(Key::Enter).unwrap();
    let mut sent = [0; 7];
    machine.set_read_timeout(Some(ENOUGH)).unwrap();
    machine.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"\x1b[A\x1bOA\r");
}
