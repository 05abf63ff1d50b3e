//! The edge: names and types to and from the bus.

mod agents;
mod manager;

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use understudy_bus::scheduler::PATH;

use crate::scheduler::{Event, Scheduler};
use agents::{Agents, AgentsSignals};
use manager::{Manager, ManagerSignals};

/// Serves both interfaces and sends signals as events are heard.
pub async fn serve(
    connection: &zbus::Connection,
    scheduler: &Arc<Scheduler>,
    mut heard: UnboundedReceiver<Event>,
) -> zbus::Result<()> {
    let server = connection.object_server();
    server.at(PATH, Manager(scheduler.clone())).await?;
    server.at(PATH, Agents(scheduler.clone())).await?;
    let manager = server.interface::<_, Manager>(PATH).await?;
    let agents = server.interface::<_, Agents>(PATH).await?;
    tokio::spawn(async move {
        while let Some(event) = heard.recv().await {
            let sent = match event {
                Event::Machines => manager.machines_changed().await,
                Event::Job(job) => manager.job_changed(&job.to_string()).await,
                Event::StandIn(vm) => manager.stand_in_changed(&vm.to_string()).await,
                Event::Agent(machine) => agents.changed(&machine.to_string()).await,
            };
            if let Err(error) = sent {
                tracing::warn!("cannot send a signal: {error}");
            }
        }
    });
    Ok(())
}
