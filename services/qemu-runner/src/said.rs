//! What QEMU says on its standard error: into the log, and its last words kept for the error message.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use understudy_wire::VmId;

use crate::{Error, Result};

const LINES: usize = 8;
/// A guest that has taken QEMU over shall not fill the journal or our memory with one line.
const LONGEST: usize = 1000;

/// QEMU's last lines.
#[derive(Debug, Clone)]
pub struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: watch::Receiver<bool>,
}

impl Said {
    /// Nothing, of a QEMU whose standard error went to an earlier process.
    pub(crate) fn nothing() -> Self {
        Self { lines: Arc::default(), ended: watch::channel(true).1 }
    }

    /// Makes the pipe; the returned end is QEMU's.
    pub(crate) fn listen(vm: VmId) -> Result<(Self, OwnedFd)> {
        let doing = "make a pipe for QEMU's standard error";
        let (ours, theirs) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| Error::io(doing)(e.into()))?;
        let ours = pipe::Receiver::from_owned_fd(ours).map_err(Error::io(doing))?;
        let (end, ended) = watch::channel(false);
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        tokio::spawn(keep(ours, vm, lines.clone(), end));
        Ok((Self { lines, ended }, theirs))
    }

    /// The last lines. Waits a moment for QEMU to close the pipe: what it says last is what matters.
    pub async fn last_words(&self) -> String {
        let _ =
            tokio::time::timeout(Duration::from_secs(2), self.ended.clone().wait_for(|ended| *ended)).await;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            "(nothing)".to_owned()
        } else {
            lines.iter().cloned().collect::<Vec<_>>().join("; ")
        }
    }
}

async fn keep(
    pipe: pipe::Receiver,
    vm: VmId,
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: watch::Sender<bool>,
) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        let byte = pipe.read_u8().await;
        match byte {
            Ok(byte) if byte != b'\n' && line.len() < LONGEST => line.push(byte),
            _ if !line.is_empty() => {
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                tracing::info!(%vm, "QEMU says: {text}");
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == LINES {
                    lines.pop_front();
                }
                lines.push_back(text);
                line.clear();
            }
            _ => {}
        }
        if byte.is_err() {
            let _ = ended.send(true);
            return;
        }
    }
}
