//! The other end of the instant port: a pseudo-terminal in place of virtio-serial.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

pub struct InstantPort {
    /// What the agent opens.
    pub path: PathBuf,
    frozen: Receiver<String>,
    answer: File,
    /// Kept open, so that the terminal stays when the agent closes it.
    _agent_end: OwnedFd,
}

impl InstantPort {
    pub fn new() -> Self {
        let pty = openpty(None, None).unwrap();
        let mut raw = tcgetattr(&pty.slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &raw).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        let answer = File::from(pty.master);
        let mut lines = BufReader::new(answer.try_clone().unwrap()).lines();
        let (say, frozen) = channel();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        Self { path, frozen, answer, _agent_end: pty.slave }
    }

    /// Waits until the agent says that all is frozen; `None` when it has not within `patience`.
    pub fn frozen(&self, patience: Duration) -> Option<String> {
        self.frozen.recv_timeout(patience).ok()
    }

    pub fn thaw(&self) {
        (&self.answer).write_all(b"thaw\n").unwrap();
    }
}
