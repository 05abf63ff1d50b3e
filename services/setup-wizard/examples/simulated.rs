//! The console on this terminal, in front of a box in memory: `new` (the default) is one at its first boot, `set-up` one that is set up.
//! It is left by closing the terminal, or with `kill`: on the box nobody leaves it.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use understudy_setup_wizard::simulated::{Simulated, World};
use understudy_setup_wizard::{Terminal, door, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let world = match std::env::args().nth(1).as_deref() {
        None | Some("new") => World::new(),
        Some("set-up") => World::set_up(),
        Some(other) => anyhow::bail!("{other:?} is no state of a box; `new` and `set-up` are"),
    };
    let tty = io::stdin().as_fd().try_clone_to_owned()?;
    let (door, console) = std::os::unix::net::UnixStream::pair()?;
    console.set_nonblocking(true)?;
    std::thread::spawn(move || door::relay(tty, &door));
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let stream = tokio::net::UnixStream::from_std(console)?;
    sender.send(Terminal { stream, name: "terminal".into() }).await?;
    drop(sender);
    run(Arc::new(Simulated::new(world)), receiver).await;
    Ok(())
}
