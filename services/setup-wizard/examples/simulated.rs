//! The console on this terminal, in front of a box in memory: `new` (the default) is one at its first boot, `set-up` one that is set up.
//! It is left by closing the terminal, or with `kill`: on the box nobody leaves it.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use understudy_setup_wizard::hall::Place;
use understudy_setup_wizard::simulated::{Simulated, World, stick};
use understudy_setup_wizard::{Terminal, door, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let world = match std::env::args().nth(1).as_deref() {
        None | Some("new") => World::new(),
        Some("set-up") => {
            let mut world = World::set_up();
            world.maintenance.sticks = vec![stick("sdc1", "UPDATES", &["appliance-1.2.0.raucb"])];
            world
        }
        Some(other) => anyhow::bail!("{other:?} is no state of a box; `new` and `set-up` are"),
    };
    let tty = io::stdin().as_fd().try_clone_to_owned()?;
    let (door, console) = std::os::unix::net::UnixStream::pair()?;
    console.set_nonblocking(true)?;
    std::thread::spawn(move || door::relay(tty, &door));
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let stream = tokio::net::UnixStream::from_std(console)?;
    sender.send(Terminal { stream, place: Place::at("tty1") }).await?;
    drop(sender);
    let simulated = Arc::new(Simulated::new(world));
    let clock = Arc::clone(&simulated);
    tokio::spawn(async move {
        // As long as an update takes on a box, more or less.
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            if clock.world().maintenance.update.state.runs() {
                clock.change(World::go_on);
            }
        }
    });
    run(simulated, receiver).await;
    Ok(())
}
