//! What this host asks a guest, through a port that QEMU's user network forwards.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{bail, ensure};
use qemu_harness::{Deadline, Vm};

/// How long one attempt may wait for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// Connects to `guest_port` and talks, until `talk` succeeds. While nothing listens in the guest, QEMU takes connections and drops
/// them: asking again is the only way to learn of it.
pub fn ask<T>(
    vm: &Vm,
    guest_port: u16,
    limit: Duration,
    talk: impl Fn(&mut TcpStream) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let port = vm.forwarded(guest_port)?;
    let attempt = || {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(ANSWER))?;
        talk(&mut connection)
    };
    let deadline = Deadline::after(limit);
    loop {
        ensure!(vm.is_running(), "{} ended; see {}", vm.name(), vm.folder().display());
        match attempt() {
            Ok(answer) => return Ok(answer),
            Err(error) if deadline.passed() => bail!(
                "{} gives no answer at port {guest_port} within {} s: {error:#}; see {}",
                vm.name(),
                limit.as_secs(),
                vm.folder().display()
            ),
            Err(_) => std::thread::park_timeout(Duration::from_secs(1)),
        }
    }
}
