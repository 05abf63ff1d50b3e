//! The only door from the network: HTTPS for agents.

use std::path::PathBuf;

use anyhow::Context;
use understudy_gateway::authority::Authority;
use understudy_gateway::scheduler::Scheduler;
use understudy_gateway::server::Limits;
use understudy_gateway::{Gateway, listen, server};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).context(
        "STATE_DIRECTORY is not set; the gateway is started by systemd as understudy-gateway.service",
    )?;
    let listener = listen::from_systemd()?;
    let authority = Authority::load_or_create(&state)?;
    let connection = understudy_service::connect().await?;
    let scheduler = Scheduler::connect(&connection).await?;
    let lost = scheduler.lost();
    let gateway = Gateway::new(authority, scheduler);
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let serving = tokio::spawn(server::serve(listener, gateway, Limits::default(), stopping));
    understudy_service::ready();
    let end = tokio::select! {
        stopped = understudy_service::stopped() => stopped,
        () = lost => Err(anyhow::anyhow!("the connection to the system bus is lost; systemd starts the gateway again")),
    };
    stop.send_replace(true);
    serving.await.context("the accept loop panicked")??;
    end
}
