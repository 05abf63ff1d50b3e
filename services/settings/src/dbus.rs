//! The edge on the bus.

use std::sync::Arc;

use understudy_bus::error::Result;
use understudy_bus::settings::{PATH, Status};

use crate::status::Shared;

/// The D-Bus object.
pub struct Manager {
    status: Arc<Shared>,
}

/// Serves the manager on `connection`; its name is still to be taken.
pub async fn serve(connection: &zbus::Connection, status: Arc<Shared>) -> anyhow::Result<()> {
    connection.object_server().at(PATH, Manager { status }).await?;
    Ok(())
}

#[zbus::interface(name = "org.understudy.Settings1.Manager")]
impl Manager {
    async fn status(&self) -> Result<Status> {
        Ok(self.status.get())
    }
}

#[cfg(test)]
mod tests;
