//! `understudy-qemu`: becomes QEMU with the arguments and open files the service hands it on standard input.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anyhow::{Context, bail};
use understudy_qemu_runner::order::Order;
use understudy_qemu_runner::replace_stdin_with_null;

fn main() -> anyhow::Result<()> {
    let input = std::io::stdin();
    if input.is_terminal() || std::env::args_os().len() > 1 {
        bail!(
            "understudy-qemu is started by the units understudy-vm@ and understudy-helper@; it takes no arguments, and its \
             orders come on a socket that is its standard input"
        );
    }
    let (order, fds) = Order::receive(input.as_fd()).context("cannot receive the order for QEMU")?;
    // QEMU has no business with the service's socket.
    replace_stdin_with_null().context("cannot put /dev/null in the place of the order's socket")?;
    let program = order.program.clone();
    Err(order.become_it(fds)).with_context(|| format!("cannot become {program}"))
}
