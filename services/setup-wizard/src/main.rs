//! `understudy-console` is the console itself; `understudy-console door NAME` stands at one terminal, which is its standard input.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use understudy_setup_wizard::{Bus, door, run};

/// Where doors find the console.
const SOCKET: &str = "/run/understudy-console/doors";

fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => console(),
        ["door", name] => {
            let tty = std::io::stdin().as_fd().try_clone_to_owned().context("there is no standard input")?;
            door::stand_at(tty, name, SOCKET.as_ref())
        }
        _ => bail!("only `door NAME` or nothing is understood; systemd's units start both"),
    }
}

// One thread: requests reach the bus in the order they were made.
#[tokio::main(flavor = "current_thread")]
async fn console() -> anyhow::Result<()> {
    let connection = understudy_service::connect().await?;
    let appliance = Arc::new(Bus::new(connection).await?);
    let listener = door::listen(&PathBuf::from(SOCKET))?;
    let (sender, terminals) = tokio::sync::mpsc::channel(4);
    understudy_service::ready();
    tokio::select! {
        result = door::let_in(listener, sender) => result,
        () = run(appliance, terminals) => bail!("the connection to the bus is lost"),
        result = understudy_service::stopped() => result,
    }
}
