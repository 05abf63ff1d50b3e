//! Forks children from one thread that lives as long as we do, with the kernel's promise that they die with us.
//!
//! FFI module: `Command::pre_exec` runs between fork and exec.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};

struct Order {
    command: Command,
    kept: Vec<OwnedFd>,
    reply: mpsc::Sender<io::Result<Child>>,
}

/// Starts `command` in its own process group; it gets SIGKILL when our process ends, however it ends.
pub(super) fn spawn(command: Command, kept: Vec<OwnedFd>) -> io::Result<Child> {
    let (reply, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    let orders = orders()?.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    orders.send(Order { command, kept, reply }).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// The parent-death signal fires when the *thread* that forked ends, so a test's own thread must not fork.
fn orders() -> io::Result<&'static Mutex<mpsc::Sender<Order>>> {
    static ORDERS: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(orders) = ORDERS.get() {
        return Ok(orders);
    }
    let (sender, receiver) = mpsc::channel::<Order>();
    thread::Builder::new().name("process starter".to_owned()).spawn(move || {
        for order in receiver {
            let _ = order.reply.send(start(order.command, order.kept));
        }
    })?;
    Ok(ORDERS.get_or_init(|| Mutex::new(sender)))
}

fn start(mut command: Command, kept: Vec<OwnedFd>) -> io::Result<Child> {
    let parent = getpid();
    let prepare = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            return Err(Errno::ESRCH.into()); // our process ended before its child began
        }
        for descriptor in &kept {
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed, and no allocation: `prepare` makes the
    // system calls prctl, getppid and fcntl, and on failure turns an errno into an error that needs no memory.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}
