//! A door: the program that stands at one terminal and passes bytes on to the console, and the place where the console waits for
//! doors. systemd opens the terminal for the door, so that nobody needs the right to open one; the terminal's size is never asked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::driver::Terminal;
use crate::hall::Place;

/// So much may be on its way to a slow line: it is shown soon what is so, and not what was so.
const ON_ITS_WAY: usize = 4096;
/// Names of terminals are shorter.
const LONGEST_NAME: usize = 32;

/// Stands at the terminal `tty`, which has this name, until it hangs up or the console ends.
pub fn stand_at(tty: OwnedFd, name: &str, socket: &Path) -> anyhow::Result<()> {
    let console = UnixStream::connect(socket).with_context(|| {
        format!(
            "the console is not there ({}); is understudy-setup-wizard.service running?",
            socket.display()
        )
    })?;
    (&console).write_all(format!("{name}\n").as_bytes()).context("the console does not listen")?;
    relay(tty, &console)
}

/// Passes on what is typed and what is shown. The terminal is raw meanwhile; its speed and its control lines stay as they are.
pub fn relay(tty: OwnedFd, console: &UnixStream) -> anyhow::Result<()> {
    let raw = Raw::enter(tty)?;
    let keys = raw.tty.try_clone().context("the terminal cannot be read")?;
    let to_console = console.try_clone().context("the console cannot be written to")?;
    std::thread::spawn(move || {
        let result = pass_on(&keys, &to_console);
        // The other direction ends by this, and with it the door.
        let _ = to_console.shutdown(Shutdown::Both);
        result
    });
    pass_on(console, &raw.tty).context("the terminal or the console is gone")
}

/// Byte by byte as they come: nothing waits for a buffer to fill.
fn pass_on(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = [0; 512];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A terminal in raw mode until it is dropped.
struct Raw {
    tty: File,
    before: Termios,
}

impl Raw {
    fn enter(tty: OwnedFd) -> anyhow::Result<Self> {
        let before =
            tcgetattr(&tty).context("standard input is no terminal; systemd's unit of the door opens one")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&tty, SetArg::TCSANOW, &raw).context("cannot switch the terminal to raw mode")?;
        Ok(Self { tty: tty.into(), before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; then nobody misses its settings.
        let _ = tcsetattr(self.tty.as_fd(), SetArg::TCSANOW, &self.before);
    }
}

/// Waits for doors at `socket`, which only this user can reach.
pub fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    // Left there by a process that was killed.
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old {}", socket.display()));
        }
        _ => {}
    }
    UnixListener::bind(socket).with_context(|| format!("cannot wait for terminals at {}", socket.display()))
}

/// Lets doors in, as long as the console runs.
pub async fn let_in(listener: UnixListener, console: mpsc::Sender<Terminal>) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await.context("cannot wait for terminals any more")?;
        let console = console.clone();
        // A door that says nothing must not keep the others waiting.
        tokio::spawn(async move {
            let name = tokio::time::timeout(Duration::from_secs(10), read_name(&mut stream)).await;
            match name {
                Ok(Ok(name)) => {
                    let place = Place::at(&name);
                    if let Err(error) = setsockopt(&stream, sockopt::SndBuf, &ON_ITS_WAY) {
                        tracing::warn!("the {} may lag behind: {error}", place.name);
                    }
                    // The receiver ends with the console.
                    let _ = console.send(Terminal { stream, place }).await;
                }
                Ok(Err(error)) => tracing::warn!("a door did not say where it is: {error}"),
                Err(_) => tracing::warn!("a door did not say where it is within 10 seconds"),
            }
        });
    }
}

/// The name of the terminal, which the door sends first.
async fn read_name(stream: &mut tokio::net::UnixStream) -> io::Result<String> {
    let mut name = String::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => break,
            byte if byte.is_ascii_graphic() && name.len() < LONGEST_NAME => name.push(char::from(byte)),
            _ => return Err(io::Error::other("its name is none of a terminal")),
        }
    }
    Ok(name)
}
