//! The agent's end of the connection.

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// How long the watchdog may take for an answer. It does nothing else.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection over which the watchdog holds the file systems.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects and hands over the mount points.
    pub fn connect<'a>(socket: &Path, mounts: impl Iterator<Item = BorrowedFd<'a>>) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| {
            format!(
                "no watchdog listens on {}, and without one nothing is frozen; start it with `systemctl start \
                 understudy-agent-watchdog.socket`",
                socket.display()
            )
        })?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut client = Self { stream };
        for mount in mounts {
            let fds = [mount.as_raw_fd()];
            let message = [IoSlice::new(b"hold\n")];
            sendmsg::<()>(
                client.stream.as_raw_fd(),
                &message,
                &[ControlMessage::ScmRights(&fds)],
                MsgFlags::empty(),
                None,
            )
            .context("cannot hand a mount point to the watchdog")?;
            client.expect(b"held\n")?;
        }
        Ok(client)
    }

    /// The watchdog thaws after `deadline` from now on.
    pub fn arm(&mut self, deadline: Duration) -> anyhow::Result<()> {
        self.stream
            .write_all(format!("arm {}\n", deadline.as_millis()).as_bytes())
            .context("the watchdog is gone")?;
        self.expect(b"armed\n")
    }

    /// The file systems are thawed. An error if the watchdog thawed them before.
    pub fn disarm(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(b"disarm\n").context("the watchdog ended while file systems were frozen")?;
        self.expect(b"ok\n")
    }

    fn expect(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        let mut line = [0; 16];
        let mut len = 0;
        while len < line.len() && (len == 0 || line[len - 1] != b'\n') {
            match self.stream.read(&mut line[len..len + 1]).context("the watchdog does not answer")? {
                0 => bail!("the watchdog ended; see `journalctl -u understudy-agent-watchdog`"),
                read => len += read,
            }
        }
        match &line[..len] {
            line if line == answer => Ok(()),
            b"late\n" => bail!(
                "the file systems were frozen for too long and the watchdog thawed them; what was read meanwhile is \
                 not of one instant. The next backup tries again"
            ),
            other => bail!("the watchdog answered {:?}", String::from_utf8_lossy(other)),
        }
    }
}
