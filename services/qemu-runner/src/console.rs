//! A guest's serial console: kept in a bounded log, and shown to any number of clients.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How much a new client sees of what was before.
const KEPT: usize = 64 << 10;
/// Pieces of output a client may lag behind before it is cut off: the guest must never wait for one.
const LAG: usize = 256;

#[derive(Debug, Default)]
struct Log {
    bytes: VecDeque<u8>,
    clients: Vec<mpsc::Sender<Vec<u8>>>,
    ended: bool,
}

/// The console of one guest.
#[derive(Debug)]
pub struct Console {
    log: Arc<Mutex<Log>>,
    to_guest: mpsc::Sender<Vec<u8>>,
    reader: AbortHandle,
}

impl Drop for Console {
    /// QEMU serves one connection at a time: this one must end before somebody else's begins.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Console {
    /// Serves the console behind a connected socket until the socket ends.
    pub fn serve(socket: UnixStream) -> Self {
        let (mut from_guest, mut into_guest) = socket.into_split();
        let (to_guest, mut typed) = mpsc::channel::<Vec<u8>>(16);
        let log = Arc::new(Mutex::new(Log::default()));
        let kept = log.clone();
        let reader = tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from_guest.read(&mut piece).await {
                lock(&kept).add(&piece[..count]);
            }
            let mut log = lock(&kept);
            log.ended = true;
            log.clients.clear();
        })
        .abort_handle();
        tokio::spawn(async move {
            while let Some(bytes) = typed.recv().await {
                if into_guest.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
        Self { log, to_guest, reader }
    }

    /// A new client's end of a socket: the last 64 KiB of output first, then what comes; what it writes is typed into the
    /// guest.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let (theirs, ours) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let (sender, pieces) = mpsc::channel(LAG);
        let mut log = lock(&self.log);
        let before: Vec<u8> = log.bytes.iter().copied().collect();
        if !log.ended {
            log.clients.push(sender);
        }
        tokio::spawn(serve_client(ours, before, pieces, self.to_guest.clone()));
        Ok(theirs.into())
    }

    /// The last lines of output, for an error message, without control characters.
    pub fn last_lines(&self, count: usize) -> String {
        let bytes: Vec<u8> = lock(&self.log).bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(count)..].join("; ")
    }
}

impl Log {
    fn add(&mut self, piece: &[u8]) {
        self.bytes.extend(piece);
        let excess = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..excess);
        self.clients.retain(|client| client.try_send(piece.to_vec()).is_ok());
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve_client(
    client: UnixStream,
    before: Vec<u8>,
    mut pieces: mpsc::Receiver<Vec<u8>>,
    to_guest: mpsc::Sender<Vec<u8>>,
) {
    let (mut input, mut output) = client.into_split();
    let show = async move {
        let mut piece = Some(before);
        while let Some(bytes) = piece {
            output.write_all(&bytes).await?;
            piece = pieces.recv().await;
        }
        io::Result::Ok(())
    };
    let type_in = async move {
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = input.read(&mut piece).await {
            if to_guest.send(piece[..count].to_vec()).await.is_err() {
                break;
            }
        }
        // A client that only closed its writing side still reads.
        std::future::pending::<()>().await
    };
    // Ends when the guest's console ends, the client lags too far behind, or it has gone, which its next piece shows.
    tokio::select! {
        _ = show => {}
        () = type_in => {}
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
