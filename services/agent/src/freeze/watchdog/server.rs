//! The watchdog itself. One thread, few calls, memory locked.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::super::ioctl;

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const LISTEN_FD: RawFd = 3;

/// The longest an agent may freeze: its own limit and what a test waits at the instant.
const LONGEST: Duration = Duration::from_secs(120);

/// `understudy-agent watchdog`: serves one agent after the other until it is told to stop.
pub fn main() -> anyhow::Result<()> {
    let socket = super::socket();
    let note = socket.with_file_name("frozen");
    thaw_noted(&note);
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTERM);
    stop.add(Signal::SIGINT);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stop), None).context("cannot hold signals back")?;
    let stop = SignalFd::with_flags(&stop, SfdFlags::SFD_CLOEXEC).context("cannot listen for signals")?;
    let listener = listen(&socket)?;
    // Its memory must not have to come from, or go to, a disk that is frozen.
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
        .context("cannot keep the watchdog in memory")?;
    sd_notify::notify(false, &[sd_notify::NotifyState::Ready])
        .context("cannot tell systemd that it is ready")?;
    loop {
        let mut fds =
            [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is begun again.
        if poll(&mut fds, PollTimeout::NONE).is_err() {
            continue;
        }
        if ready(&fds[1]) {
            return Ok(());
        }
        let (stream, _) = listener.accept().context("cannot accept the agent's connection")?;
        let mut guard = Guard { held: Vec::new(), deadline: None, late: false, note: &note };
        let stopped = guard.serve(&stream, &stop);
        guard.release();
        if stopped? {
            return Ok(());
        }
    }
}

fn ready(fd: &PollFd) -> bool {
    fd.revents().is_some_and(|events| !events.is_empty())
}

fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if ours && std::env::var("LISTEN_FDS").is_ok_and(|count| count == "1") {
        // SAFETY: systemd passes exactly this descriptor, and nothing else in this process has taken it.
        return Ok(UnixListener::from(unsafe { OwnedFd::from_raw_fd(LISTEN_FD) }));
    }
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // Left over from an earlier watchdog; absent as a rule.
    let _ = fs::remove_file(socket);
    let listener =
        UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Thaws what an earlier watchdog held when it was killed.
fn thaw_noted(note: &Path) {
    let Ok(text) = fs::read_to_string(note) else { return };
    for point in text.lines() {
        if File::open(point).is_ok_and(|root| ioctl::thaw(root.as_fd()).is_ok()) {
            tracing::warn!("thawed {point}, which an earlier watchdog left frozen");
        }
    }
    let _ = fs::remove_file(note);
}

/// What is held for one agent.
struct Guard<'a> {
    held: Vec<OwnedFd>,
    deadline: Option<Instant>,
    late: bool,
    note: &'a Path,
}

impl Guard<'_> {
    /// Serves until the agent is gone (false) or the watchdog is to stop (true).
    fn serve(&mut self, stream: &UnixStream, stop: &SignalFd) -> anyhow::Result<bool> {
        let mut line = Vec::with_capacity(64);
        loop {
            let timeout = match self.deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
                    PollTimeout::try_from(left.min(LONGEST.as_millis()) as u64).unwrap_or(PollTimeout::ZERO)
                }
            };
            let mut fds = [
                PollFd::new(stream.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            let polled = poll(&mut fds, timeout);
            let (said, stopped) = (ready(&fds[0]), ready(&fds[1]));
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.thaw("they were frozen for too long");
            }
            if polled.is_err() {
                continue;
            }
            if stopped {
                return Ok(true);
            }
            if !said {
                continue;
            }
            if !self.receive(stream, &mut line)? {
                return Ok(false);
            }
            while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let request: Vec<u8> = line.drain(..=end).collect();
                let answer = self.answer(request.trim_ascii_end())?;
                (&*stream).write_all(answer).context("the agent does not listen")?;
            }
        }
    }

    /// Reads what was sent, with descriptors; false at the end.
    fn receive(&mut self, stream: &UnixStream, line: &mut Vec<u8>) -> anyhow::Result<bool> {
        let mut bytes = [0; 64];
        let mut control = nix::cmsg_space!([RawFd; 4]);
        let mut space = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut space, Some(&mut control), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control {
                // SAFETY: the kernel has just made these descriptors for us.
                self.held.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        let len = message.bytes;
        line.extend_from_slice(&bytes[..len]);
        if line.len() > 256 {
            bail!("the agent sends something else than requests");
        }
        Ok(len > 0)
    }

    fn answer(&mut self, request: &[u8]) -> anyhow::Result<&'static [u8]> {
        match request {
            b"hold" => Ok(b"held\n"),
            b"disarm" => {
                let late = std::mem::take(&mut self.late);
                self.deadline = None;
                let _ = fs::remove_file(self.note);
                Ok(if late { b"late\n" } else { b"ok\n" })
            }
            arm => {
                let text = std::str::from_utf8(arm).ok().and_then(|text| text.strip_prefix("arm "));
                let deadline = text.and_then(|text| text.parse().ok()).map(Duration::from_millis);
                let Some(deadline) = deadline.filter(|deadline| *deadline <= LONGEST) else {
                    bail!("the agent asks for something unknown: {:?}", String::from_utf8_lossy(arm));
                };
                self.note()?;
                self.late = false;
                self.deadline = Some(Instant::now() + deadline);
                Ok(b"armed\n")
            }
        }
    }

    /// Writes down what is about to be frozen, beside the socket, in memory.
    fn note(&self) -> anyhow::Result<()> {
        let points: Vec<PathBuf> = self
            .held
            .iter()
            .map(|fd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())))
            .collect::<Result<_, _>>()?;
        let text: String = points.iter().map(|point| format!("{}\n", point.display())).collect();
        fs::write(self.note, text).with_context(|| format!("cannot write {}", self.note.display()))
    }

    /// Thaws all that is held. First everything, then words: the log may lie on a frozen disk.
    fn thaw(&mut self, why: &str) {
        let thawed = self.held.iter().rev().filter(|mount| ioctl::thaw(mount.as_fd()).is_ok()).count();
        self.deadline = None;
        self.late = true;
        let _ = fs::remove_file(self.note);
        tracing::warn!("thawed {thawed} of {} file systems: {why}", self.held.len());
    }

    /// The connection has ended.
    fn release(&mut self) {
        if self.deadline.is_some() {
            self.thaw("the agent or the watchdog ended while they were frozen");
        }
    }
}
