//! `understudy-console serve SOCKET` is the console itself; `understudy-console door NAME SOCKET` stands at the terminal NAME, which is its
//! standard input.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use understudy_setup_wizard::{Bus, door, run};

fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", socket] => serve(socket.as_ref()),
        ["door", name, socket] => {
            let tty = std::io::stdin().as_fd().try_clone_to_owned().context("there is no standard input")?;
            door::stand_at(tty, name, socket.as_ref())
        }
        _ => bail!("only `serve SOCKET` and `door NAME SOCKET` are understood; systemd's units start both"),
    }
}

// One thread: requests reach the bus in the order they were made.
#[tokio::main(flavor = "current_thread")]
async fn serve(socket: &Path) -> anyhow::Result<()> {
    let connection = understudy_service::connect().await?;
    let appliance = Bus::new(connection).await.context("cannot listen to the services on the bus")?;
    let listener = door::listen(socket)?;
    let (sender, terminals) = tokio::sync::mpsc::channel(4);
    understudy_service::ready();
    tokio::select! {
        result = door::let_in(listener, sender) => result,
        () = run(Arc::new(appliance), terminals) => bail!("the connection to the bus is lost"),
        result = understudy_service::stopped() => result,
    }
}
