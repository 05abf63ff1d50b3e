//! The edge: text from the bus becomes ids, names and addresses here, and nothing unparsed passes.

use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_bus::iscsi::{PATH, Request, Target};
use understudy_bus::wire::id::IdError;

use crate::engine::{Engine, Publication};

/// The D-Bus object.
pub struct Manager<E> {
    engine: Arc<E>,
}

/// Serves the manager on `connection`; its name is still to be taken.
pub async fn serve<E: Engine>(connection: &zbus::Connection, engine: Arc<E>) -> anyhow::Result<()> {
    connection.object_server().at(PATH, Manager { engine }).await?;
    Ok(())
}

fn id<T: std::str::FromStr<Err = IdError>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: IdError| Error::InvalidArgument(error.to_string()))
}

fn publication(request: &Request) -> Result<Publication> {
    let address: std::net::IpAddr = request.address.parse().map_err(|_| {
        Error::InvalidArgument(format!("{:?} is no IP address to open the firewall to", request.address))
    })?;
    Ok(Publication {
        job: id(&request.job)?,
        disk: id(&request.disk)?,
        device: request.device.parse()?,
        initiator: request.initiator.parse()?,
        // A socket listening on IPv6 for both families shows IPv4 callers in the mapped form; the firewall knows only the plain one.
        address: address.to_canonical(),
    })
}

#[zbus::interface(name = "org.understudy.Iscsi1.Manager")]
impl<E: Engine> Manager<E> {
    async fn publish(&self, request: Request) -> Result<Target> {
        self.engine.publish(publication(&request)?).await
    }

    async fn withdraw(&self, job: &str) -> Result<()> {
        self.engine.withdraw(id(job)?).await
    }

    async fn published(&self) -> Result<Vec<String>> {
        Ok(self.engine.published().await?.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests;
