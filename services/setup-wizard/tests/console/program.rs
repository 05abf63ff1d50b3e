//! The program as systemd starts it: the console on a bus, a door at a terminal.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use understudy_bus::settings::{NAME, PATH, Status};
use understudy_private_bus::PrivateBus;
use zbus::object_server::SignalEmitter;

use crate::terminal::{DEADLINE, Seat};

/// Settings that say how far the box is, and nothing else.
struct Settings(&'static str);

#[zbus::interface(name = "org.understudy.Settings1.Manager")]
impl Settings {
    fn status(&self) -> Status {
        Status {
            state: self.0.into(),
            message: String::new(),
            host_name: "box".into(),
            addresses: vec!["192.0.2.17/24".into()],
        }
    }

    #[zbus(signal)]
    async fn status_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Ends with the value.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Waits until it has ended by itself.
    fn ends(&mut self) {
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn console() -> Command {
    Command::new(env!("CARGO_BIN_EXE_understudy-console"))
}

fn wait_for(socket: &Path) {
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < DEADLINE, "{} does not appear", socket.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_console_waits_for_its_services_follows_them_and_takes_its_doors_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("doors");
    let bus = PrivateBus::start();
    let mut served =
        Program::start(console().arg("serve").arg(&socket).env("DBUS_SYSTEM_BUS_ADDRESS", bus.address()));
    wait_for(&socket);
    let (mut seat, slave) = Seat::new();
    let mut door = Program::start(console().args(["door", "tty1"]).arg(&socket).stdin(slave));
    seat.sees("org.understudy.Settings1 is not running yet");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let settings = runtime.block_on(async {
        let settings = bus.connect().await;
        settings.object_server().at(PATH, Settings("unconfigured")).await.unwrap();
        settings.request_name(NAME).await.unwrap();
        settings
    });
    seat.sees("Welcome").types("\r").sees("Keyboard (1 of 7)");
    runtime.block_on(async {
        settings.object_server().remove::<Settings, _>(PATH).await.unwrap();
        settings.object_server().at(PATH, Settings("ready")).await.unwrap();
        let emitter = SignalEmitter::new(&settings, PATH).unwrap();
        Settings::status_changed(&emitter).await.unwrap();
    });
    seat.sees("https://192.0.2.17/").types("m").sees("box: menu");

    // Without its bus the console ends, to be started anew; and its doors with it.
    drop(bus);
    served.ends();
    door.ends();
}

#[test]
fn a_door_without_a_console_or_without_a_terminal_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (_seat, slave) = Seat::new();
    let absent = folder.path().join("doors");
    let output = console().args(["door", "tty1"]).arg(&absent).stdin(slave).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the console is not there"), "{said}");
    let _listener = std::os::unix::net::UnixListener::bind(&absent).unwrap();
    let output =
        console().args(["door", "tty1"]).arg(&absent).stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("standard input is no terminal"), "{said}");
}
