//! QEMU's monitors: one for our commands, one that only tells events, so that neither waits for the other.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use qmp::{Client, Event, Transport};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Error, Result, fds, files};

/// Descriptors to go with the next command.
type Outgoing = Arc<Mutex<Vec<OwnedFd>>>;

/// A QMP connection that can carry descriptors, as QEMU's `add-fd` takes them.
struct Stream {
    socket: UnixStream,
    outgoing: Outgoing,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fds = std::mem::take(&mut *self.outgoing.lock().unwrap_or_else(PoisonError::into_inner));
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        fds::send(self.socket.as_fd(), bytes, &borrowed)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Stream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }
}

/// The monitor that takes commands.
#[derive(Clone)]
pub struct Monitor {
    client: Arc<Mutex<Client<Stream>>>,
    outgoing: Outgoing,
}

impl Monitor {
    /// Connects to QEMU's command socket and waits for its greeting.
    pub(crate) async fn connect(path: &Path, timeout: Duration) -> Result<Self> {
        let socket = open(path)?;
        let outgoing = Outgoing::default();
        let stream = Stream { socket, outgoing: outgoing.clone() };
        let client = blocking(move || Ok(Client::negotiate(stream, timeout, None)?)).await?;
        Ok(Self { client: Arc::new(Mutex::new(client)), outgoing })
    }

    /// Runs a command and gives what it returns.
    pub async fn execute(&self, command: &'static str, arguments: impl Into<Option<Value>>) -> Result<Value> {
        self.execute_with(command, arguments.into(), None).await
    }

    async fn execute_with(
        &self,
        command: &'static str,
        arguments: Option<Value>,
        fd: Option<OwnedFd>,
    ) -> Result<Value> {
        let this = self.clone();
        blocking(move || {
            let mut client = this.client.lock().unwrap_or_else(PoisonError::into_inner);
            this.outgoing.lock().unwrap_or_else(PoisonError::into_inner).extend(fd);
            Ok(client.execute(command, arguments)?)
        })
        .await
    }

    /// The guest's screen as a PNG, in a file in memory, at its beginning.
    pub async fn screenshot(&self) -> Result<OwnedFd> {
        let picture = files::memory("screenshot")?;
        let set = self.execute_with("add-fd", None, Some(files::write_only(&picture)?)).await?;
        let set = set["fdset-id"].clone();
        let name = format!("/dev/fdset/{set}");
        let taken = self.execute("screendump", json!({"filename": name, "format": "png"})).await;
        self.execute("remove-fd", json!({"fdset-id": set})).await?;
        taken.map(|_| picture)
    }
}

/// What QEMU reports by itself.
pub struct Events {
    received: mpsc::Receiver<Event>,
    socket: UnixStream,
}

impl Events {
    /// The next event; `None` when QEMU has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.received.recv().await
    }
}

impl Drop for Events {
    /// QEMU talks to one at a time: the thread must let go before somebody else can listen.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Listens to QEMU's socket for events.
pub(crate) async fn events(path: &Path, timeout: Duration) -> Result<Events> {
    let socket = open(path)?;
    let ours = socket.try_clone().map_err(Error::io("keep a hold on QEMU's events"))?;
    let mut client = blocking(move || Ok(Client::negotiate(socket, timeout, None)?)).await?;
    let (sender, received) = mpsc::channel(64);
    // A thread of its own: it waits for as long as the machine lives, and must not keep the runtime from ending.
    std::thread::spawn(move || {
        loop {
            let turn = Instant::now() + Duration::from_secs(3600);
            match client.wait_event_where("event", turn, |_| true) {
                Ok(event) => {
                    if sender.blocking_send(event).is_err() {
                        return;
                    }
                }
                Err(error) if error.is_timeout() => {}
                Err(_) => return,
            }
        }
    });
    Ok(Events { received, socket: ours })
}

fn open(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).map_err(Error::io(format!("connect to {}", path.display())))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::io("talk to QEMU")(io::Error::other(error))),
    }
}
