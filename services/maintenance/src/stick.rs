//! `understudy-stick DEVICE`: becomes one of mtools' programs, with the arguments and open files that understudy-maintenance hands it on
//! standard input. It is the program of the units understudy-stick-list@, -read@ and -write@, each of which may touch that one device and
//! nothing else.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use understudy_maintenance::real::mtools;
use understudy_maintenance::sticks;
use understudy_qemu_runner::order::Order;

fn main() -> anyhow::Result<()> {
    let input = std::io::stdin();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [device] = &arguments[..] else {
        bail!("understudy-stick takes one argument: the kernel's name of a stick, such as sdb1");
    };
    ensure!(
        !input.is_terminal(),
        "understudy-stick is started by its units; its orders come on a socket that is its standard input"
    );
    ensure!(
        sticks::is_stick(Path::new("/"), device),
        "{device} is no stick that this box reads: it is part of the box itself, or has no FAT file system, or is not there"
    );
    let (order, fds) = Order::receive(input.as_fd()).context("cannot receive the order")?;
    let Ok([errors, from, to]) = <[_; 3]>::try_from(fds) else {
        bail!("an order for mtools comes with three files: for what it says, reads and writes");
    };
    let program = mtools::program(&order.program)?;
    // The socket goes: standard input is another file from here on.
    let error = Command::new(program)
        .args(["-i", &format!("/dev/{device}")])
        .args(&order.arguments)
        .stdin(Stdio::from(from))
        .stdout(Stdio::from(to))
        .stderr(Stdio::from(errors))
        .exec();
    Err(error).with_context(|| format!("cannot become {program}"))
}
