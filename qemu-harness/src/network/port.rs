//! One machine's place at the switch, as the other machines write to it.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, send};

/// How long a sender is held back by a receiver that takes nothing, before frames are dropped. Long enough for a busy
/// emulated guest, so that TCP meets no losses; short enough that a paused machine does not stall the others.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: u64,
    pub(super) machine: String,
    pub(super) cut: AtomicBool,
    out: Mutex<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    stream: UnixStream,
    /// What was left when patience ran out. It must go first, or the stream would be out of step.
    rest: Vec<u8>,
}

impl Port {
    pub(super) fn new(id: u64, machine: &str, stream: UnixStream) -> io::Result<Port> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let out = Mutex::new(Outgoing { stream, rest: Vec::new() });
        Ok(Port { id, machine: machine.to_owned(), cut: AtomicBool::new(false), out })
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Sends whole frames; `false` where they were dropped. A broken connection is noticed by the port's reader.
    pub(super) fn send(&self, frames: &[u8]) -> bool {
        let mut out = self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        out.flush_rest() && out.send(frames)
    }
}

impl Outgoing {
    /// Without waiting: who has been patient once need not be again.
    fn flush_rest(&mut self) -> bool {
        while !self.rest.is_empty() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.stream.as_raw_fd(), &self.rest, flags) {
                Ok(count) => drop(self.rest.drain(..count)),
                Err(_) => return false,
            }
        }
        true
    }

    fn send(&mut self, mut frames: &[u8]) -> bool {
        let whole = frames.len();
        while !frames.is_empty() {
            match self.stream.write(frames) {
                Ok(count) => frames = &frames[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if frames.len() == whole => return false,
                Err(_) => {
                    self.rest = frames.to_vec();
                    return true;
                }
            }
        }
        true
    }
}
