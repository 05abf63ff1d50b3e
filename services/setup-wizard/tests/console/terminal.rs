//! The whole console on a pseudoterminal that says, as a serial line does, that it has no lines and no columns.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use tokio::sync::mpsc;
use understudy_answers::Pool;
use understudy_setup_wizard::door::{let_in, listen, relay, stand_at};
use understudy_setup_wizard::hall::Place;
use understudy_setup_wizard::simulated::{Simulated, World};
use understudy_setup_wizard::{Terminal, run};

use crate::play::PASSWORD;

/// Long enough for a machine that does much else.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal with somebody in front of it.
pub struct Seat {
    master: std::fs::File,
    screen: avt::Terminal,
    /// How much the console sent, and whether all of it was ASCII.
    sent: usize,
    ascii: bool,
}

impl Seat {
    pub fn new() -> (Self, OwnedFd) {
        let size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let screen = avt::Terminal::new(80, 24).unwrap();
        let seat = Self { master: master.into(), screen, sent: 0, ascii: true };
        (seat, slave)
    }

    fn shown(&self) -> String {
        let lines: Vec<_> = self.screen.screen().visible_lines().map(avt::Line::text).collect();
        lines.join("\n")
    }

    /// Waits until the screen shows a text.
    pub fn sees(&mut self, text: &str) -> &mut Self {
        let begin = Instant::now();
        let mut buffer = [0; 512];
        while !self.shown().contains(text) {
            let left =
                DEADLINE.checked_sub(begin.elapsed()).and_then(|left| PollTimeout::try_from(left).ok());
            let left =
                left.unwrap_or_else(|| panic!("{text:?} does not come; this is shown:\n{}", self.shown()));
            poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], left).unwrap();
            // Nothing there is told by the next round's deadline.
            let mut there = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            if poll(&mut there, PollTimeout::ZERO).unwrap() > 0 {
                let count = self.master.read(&mut buffer).unwrap();
                self.screen.feed([&*String::from_utf8_lossy(&buffer[..count])]);
                self.sent += count;
                self.ascii &= buffer[..count].is_ascii();
            }
        }
        self
    }

    pub fn types(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).unwrap();
        self
    }
}

/// Starts a console on these terminals; it ends with the process.
fn console(world: World, terminals: Vec<(OwnedFd, &'static str)>) -> Arc<Simulated> {
    let simulated = Arc::new(Simulated::new(world));
    let appliance = Arc::clone(&simulated);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(4);
            for (tty, terminal) in terminals {
                let (door, console) = UnixStream::pair().unwrap();
                console.set_nonblocking(true).unwrap();
                std::thread::spawn(move || relay(tty, &door));
                let stream = tokio::net::UnixStream::from_std(console).unwrap();
                sender.send(Terminal { stream, place: Place::at(terminal) }).await.unwrap();
            }
            drop(sender);
            run(appliance, receiver).await;
        });
    });
    simulated
}

/// Sets a box up. `down` moves to the next row, and `tab` to the next thing.
fn set_up(seat: &mut Seat, down: &str) {
    seat.sees("Welcome").types("\r").sees("Keyboard (1 of 7)");
    // French: found by typing; then the line to try it.
    seat.types("fr").sees("French").types("\rzy\r").sees("Host name (2 of 7)");
    seat.types("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7fbox\r").sees("Network (3 of 7)").sees("> (*) eth1");
    seat.types("\t")
        .types(down)
        .sees("> (*) The box has a fixed address")
        .types("\t10.0.0.2/24\t10.0.0.1\t\t\r");
    seat.sees("The network works").types("\r").sees("Time (4 of 7)");
    seat.types("eur\tber").sees("> (*) Berlin").types("\t\r").sees("Password (5 of 7)");
    seat.types(PASSWORD)
        .types("\r")
        .types(PASSWORD)
        .types("\r")
        .sees("Storage: disks (6 of 7)")
        .sees("[x] sda");
    seat.types("\r")
        .sees("Storage: layout")
        .sees("(*) mirror")
        .types("\r")
        .sees("Storage: encryption")
        .types("\r");
    seat.sees("8: ");
    let screen = seat.shown();
    let group = |number: usize| {
        let rest = screen.split(&format!("{number}: ")).nth(1).unwrap();
        rest.chars().take(6).collect::<String>()
    };
    let groups: Vec<String> = (1..=8).map(group).collect();
    seat.types("\r").sees("type groups ");
    let screen = seat.shown();
    let asked = screen.split("type groups ").nth(1).unwrap();
    let numbers: Vec<usize> = asked
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .take(2)
        .map(|n| n.parse().unwrap())
        .collect();
    for number in numbers {
        seat.types(&groups[number - 1]).types("\r");
    }
    seat.sees("Summary (7 of 7)")
        .sees("10.0.0.2/24")
        .types("\t\r")
        .sees("The box is set up")
        .sees("Pairing code: ");
    seat.types("\r").sees("Enter or m: menu").sees("No machine is protected yet");
}

fn check(simulated: &Simulated) {
    let answers = simulated.world().applied.unwrap();
    assert_eq!(answers.host_name.as_str(), "box");
    assert_eq!(answers.keyboard.as_str(), "fr");
    assert_eq!(answers.time_zone.as_str(), "Europe/Berlin");
    assert!(answers.network.to_string().contains("gateway = \"10.0.0.1\""), "{}", answers.network);
    assert!(matches!(answers.pool, Pool::New(pool) if pool.encryption && pool.disks.len() == 2));
    assert!(answers.password_hash.unwrap().as_str().starts_with("$argon2id$"));
    assert!(simulated.world().key.unwrap().1, "somebody has shown that the key is on paper");
}

#[test]
fn a_box_is_set_up_with_arrows() {
    let (mut seat, slave) = Seat::new();
    let simulated = console(World::new(), vec![(slave, "tty1")]);
    set_up(&mut seat, "\x1b[B");
    check(&simulated);
}

#[test]
fn a_box_is_set_up_on_a_terminal_that_has_letters_enter_and_tab() {
    let (mut seat, slave) = Seat::new();
    let simulated = console(World::new(), vec![(slave, "ttyS0")]);
    set_up(&mut seat, "n");
    check(&simulated);
    assert!(seat.ascii, "only 7-bit characters go over a serial line");
    assert!(seat.sent < 20_000, "{} bytes were sent for a whole set-up", seat.sent);
}

#[test]
fn an_escape_sequence_that_comes_in_parts_is_one_key_and_escape_alone_goes_back() {
    let (mut seat, slave) = Seat::new();
    console(World::new(), vec![(slave, "ttyS0")]);
    seat.sees("Welcome").types("\r").sees("> (*) us");
    seat.types("\x1b").types("[").types("A").sees("> (*) uk");
    seat.types("\x1b").sees("Welcome");
}

#[test]
fn what_scribbled_over_the_screen_is_gone_after_ctrl_l() {
    let (mut seat, slave) = Seat::new();
    console(World::new(), vec![(slave.try_clone().unwrap(), "tty1")]);
    seat.sees("Welcome");
    std::fs::File::from(slave).write_all(b"\x1b[HBUG: soft lockup\r\n\n\n\n").unwrap();
    seat.sees("soft lockup").types("\x0c");
    seat.sees("Understudy set-up").sees("Welcome");
    assert!(!seat.shown().contains("lockup"));
}

#[test]
fn the_other_door_takes_over_where_the_first_was() {
    let ((mut screen, first), (mut serial, second)) = (Seat::new(), Seat::new());
    console(World::new(), vec![(first, "tty1"), (second, "ttyS0")]);
    screen.sees("Welcome");
    serial.sees("Welcome").types("\r").sees("Keyboard (1 of 7)").types("\rzzz").sees("[zzz_");
    screen.sees("used at the serial line ttyS0 now").types("\x1b[21~").sees("[zzz_");
    serial.sees("used at the screen of the box now").types("t").sees("[zzz_");
}

#[test]
fn a_terminal_that_hangs_up_leaves_the_seat_to_another() {
    let ((mut screen, first), (mut serial, second)) = (Seat::new(), Seat::new());
    console(World::new(), vec![(first, "tty1"), (second, "ttyS0")]);
    screen.sees("Welcome").types("\r").sees("Keyboard (1 of 7)");
    serial.sees("used at the screen of the box now");
    drop(screen);
    serial.sees("is not connected any").types("t").sees("Keyboard (1 of 7)");
}

#[test]
fn doors_find_the_console_by_its_socket_and_say_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("doors");
    // A killed console leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (listening, ready) = std::sync::mpsc::channel();
    let path = socket.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = listen(&path).unwrap();
            listening.send(()).unwrap();
            let (sender, receiver) = mpsc::channel(4);
            tokio::spawn(let_in(listener, sender));
            run(Arc::new(Simulated::new(World::new())), receiver).await;
        });
    });
    ready.recv_timeout(DEADLINE).unwrap();
    // What gives no name of a terminal is not let in, and hears so by the line going dead.
    let mut stranger = UnixStream::connect(&socket).unwrap();
    stranger.write_all(b"\x1b[2J\n").unwrap();
    assert!(!matches!(stranger.read(&mut [0; 16]), Ok(1..)));
    let seat = |name: &'static str| {
        let (seat, slave) = Seat::new();
        let socket = socket.clone();
        std::thread::spawn(move || stand_at(slave, name, &socket));
        seat
    };
    let (mut screen, mut serial) = (seat("tty1"), seat("ttyS0"));
    serial.sees("Welcome");
    screen.sees("Welcome").types("\r").sees("Keyboard (1 of 7)");
    serial.sees("used at the screen of the box now").types("t").sees("Keyboard (1 of 7)");
    screen.sees("used at the serial line ttyS0 now");
}
