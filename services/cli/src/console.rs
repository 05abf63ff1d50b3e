//! Joins standard input and output to a console socket. The terminal, if there is one, is raw meanwhile, so that every key reaches
//! the machine; Ctrl-] (0x1d) is kept back and ends it, as telnet has it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

const LEAVE: u8 = 0x1d;

/// Returns when the machine hangs up, or the person leaves. The end of an input that is no terminal only ends the input: what the
/// machine still says is shown until it hangs up.
pub fn attach(socket: &UnixStream) -> anyhow::Result<()> {
    // Past the standard library's buffer: what lies in there, poll(2) does not see.
    let keys = io::stdin().as_fd().try_clone_to_owned().context("there is no standard input")?;
    let raw = RawTerminal::enter()?;
    let result = join(socket, &mut File::from(keys), &mut io::stdout().lock());
    drop(raw);
    result.context("the console is lost")
}

fn join(mut socket: &UnixStream, input: &mut (impl Read + AsFd), output: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut typing = true;
    loop {
        let (from_machine, from_person) = {
            let mut waiting = vec![PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            if typing {
                waiting.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut waiting, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let ready = |index: usize| {
                waiting.get(index).and_then(PollFd::revents).is_some_and(|events| !events.is_empty())
            };
            (ready(0), ready(1))
        };
        if from_machine {
            match socket.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    output.write_all(&buffer[..count])?;
                    output.flush()?;
                }
            }
        }
        if from_person {
            let count = input.read(&mut buffer)?;
            let typed = &buffer[..count];
            let (typed, leave) = match typed.iter().position(|byte| *byte == LEAVE) {
                Some(index) => (&typed[..index], true),
                None => (typed, false),
            };
            socket.write_all(typed)?;
            if leave {
                return Ok(());
            }
            typing = count > 0;
        }
    }
}

/// A terminal in raw mode until it is dropped.
struct RawTerminal(Option<Termios>);

impl RawTerminal {
    fn enter() -> anyhow::Result<Self> {
        let stdin = io::stdin();
        let before = match tcgetattr(&stdin) {
            Ok(before) => before,
            // A pipe or a file: there is nothing to switch.
            Err(_) => return Ok(Self(None)),
        };
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("cannot switch the terminal to raw mode")?;
        Ok(Self(Some(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be gone; then nobody misses its settings.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
            eprintln!("\nLeft the console.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_the_machine_up_to_the_one_that_leaves() {
        let (ours, mut machine) = UnixStream::pair().unwrap();
        let (mut keyboard, mut keys) = UnixStream::pair().unwrap();
        keyboard.write_all(b"root\n\x1dnever sent").unwrap();
        join(&ours, &mut keys, &mut Vec::new()).unwrap();
        drop(ours);
        let mut heard = Vec::new();
        machine.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"root\n");
    }

    #[test]
    fn what_the_machine_says_after_the_input_has_ended_is_still_shown() {
        let (ours, mut machine) = UnixStream::pair().unwrap();
        let (keyboard, mut keys) = UnixStream::pair().unwrap();
        drop(keyboard);
        machine.write_all(b"login: ").unwrap();
        drop(machine);
        let mut shown = Vec::new();
        join(&ours, &mut keys, &mut shown).unwrap();
        assert_eq!(shown, b"login: ");
    }
}
