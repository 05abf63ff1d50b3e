//! Processes that never outlive us.

mod program;
mod spawn;

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

pub(crate) use program::{Program, shell_quoted};

use crate::Deadline;

/// A running child in a process group of its own. It is killed when this value is dropped, and by the kernel when our
/// process ends in any other way.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct Fate {
    status: Mutex<Option<ExitStatus>>,
    known: Condvar,
}

impl Process {
    /// Starts `command`; the child inherits `kept` under the same descriptor numbers, we keep none of them.
    pub(crate) fn spawn(command: Command, kept: Vec<OwnedFd>) -> io::Result<Process> {
        let child = spawn::spawn(command, kept)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let fate = Arc::new(Fate { status: Mutex::new(None), known: Condvar::new() });
        let told = fate.clone();
        thread::Builder::new().name(format!("wait for {pid}")).spawn(move || wait(child, pid, &told))?;
        Ok(Process { pid, fate })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// How it ended, where it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        *self.fate.lock()
    }

    /// Waits for the end; `None` where the deadline came first.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<ExitStatus> {
        let status = self.fate.lock();
        let (status, _) = self
            .fate
            .known
            .wait_timeout_while(status, deadline.remaining(), |status| status.is_none())
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *status
    }

    /// SIGKILL, and waits until the kernel has taken everything back.
    pub(crate) fn kill(&self) {
        let mut status = self.fate.lock();
        if status.is_none() {
            // The child is reaped under this lock only, so the pid is still its own. The group, so that what it
            // started goes as well.
            let _ = kill(Pid::from_raw(-self.pid.as_raw()), Signal::SIGKILL);
        }
        while status.is_none() {
            status = self.fate.known.wait(status).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Fate {
    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Waits without reaping first: while the lock is not held, the pid must stay the child's.
fn wait(mut child: Child, pid: Pid, fate: &Fate) {
    while let Err(nix::errno::Errno::EINTR) =
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {}
    let mut status = fate.lock();
    *status = Some(child.wait().unwrap_or_default());
    fate.known.notify_all();
}

/// How a process ended, in words.
pub(crate) fn how_it_ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        _ => "no status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = Process::spawn(sleeper(), vec![]).unwrap();
        let pid = process.pid;
        assert!(kill(pid, None).is_ok(), "it runs");
        drop(process);
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }

    #[test]
    fn a_process_outlives_the_thread_that_asked_for_it() {
        let process = thread::spawn(|| Process::spawn(sleeper(), vec![]).unwrap()).join().unwrap();
        assert!(process.wait(Deadline::after(std::time::Duration::from_millis(100))).is_none());
    }

    #[test]
    fn the_end_of_a_process_is_seen_with_its_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 7"]);
        let process = Process::spawn(command, vec![]).unwrap();
        let status = process.wait(Deadline::seconds(20)).expect("sh ends by itself");
        assert_eq!(how_it_ended(status), "exit status 7");
        process.kill();
        assert_eq!(process.ended(), Some(status));
    }
}
