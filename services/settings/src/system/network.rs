//! Gives the box a network through systemd-networkd.

use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;
use tokio::sync::watch;
use understudy_answers::Network;
use understudy_bus::settings::Port;
use understudy_service::Program;

use super::netlink::Monitor;
use super::resolver::Resolver;
use super::{ThisBox, files, ports, settle};
use crate::render;

#[zbus::proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1",
    gen_blocking = false
)]
trait Networkd {
    fn reload(&self) -> zbus::Result<()>;
}

/// Passes on that something of the network changed, and keeps `/etc/resolv.conf` true; without end.
pub async fn watch(
    connection: zbus::Connection,
    monitor: Monitor,
    changes: Arc<watch::Sender<()>>,
    resolver: Arc<Resolver>,
) {
    let watching = async {
        // What the network gave besides addresses, only systemd-networkd knows.
        let networkd = zbus::fdo::PropertiesProxy::builder(&connection)
            .destination("org.freedesktop.network1")?
            .path("/org/freedesktop/network1")?
            .build()
            .await?;
        let mut given = networkd.receive_properties_changed().await?;
        loop {
            tokio::select! {
                changed = monitor.changed() => changed?,
                changed = given.next() => {
                    changed.context("the bus is gone")?;
                    resolver.refresh();
                }
            }
            changes.send_replace(());
        }
    };
    let end: anyhow::Result<()> = watching.await;
    if let Err(error) = end {
        tracing::error!("changes of the network are not seen any more: {error:#}");
    }
}

impl ThisBox {
    /// Gives the box this network, or none.
    pub(super) async fn set_network(&self, network: Option<&Network>) -> anyhow::Result<()> {
        let Some(network) = network else {
            self.resolver.set(&[]);
            return self.write_network(&[], None).await;
        };
        self.resolver.set(&network.dns);
        let mac = match &network.mac {
            Some(mac) => Some(mac.as_str().to_owned()),
            None => self.first_port().await?.map(|port| port.mac),
        };
        let Some(mac) = mac else {
            tracing::warn!("this box has no Ethernet port, and so no network");
            return self.write_network(&[], None).await;
        };
        self.write_network(
            &render::network(network, &mac, true),
            Some((&render::interface(network, ""), &mac)),
        )
        .await
    }

    /// The first port, once one has appeared; nothing if none has when all devices are known.
    async fn first_port(&self) -> anyhow::Result<Option<Port>> {
        let mut changes = self.changes.subscribe();
        let known = settle();
        tokio::pin!(known);
        loop {
            if let Some(port) = ports::ports()?.into_iter().next() {
                return Ok(Some(port));
            }
            tokio::select! {
                () = &mut known => return Ok(ports::ports()?.into_iter().next()),
                changed = changes.changed() => changed.context("network changes are not seen")?,
            }
        }
    }

    /// Makes these the files of the box's network, and no others. Of virtual networks only the one is left that `keep` names, with the
    /// hardware address of its port.
    pub(super) async fn write_network(
        &self,
        network: &[(&'static str, String)],
        keep: Option<(&str, &str)>,
    ) -> anyhow::Result<()> {
        let mut unread = self.unread.lock().await;
        for name in render::NETWORK_FILES {
            let text = network.iter().find(|(file, _)| *file == name).map(|(_, text)| text.as_str());
            *unread |= files::set(&format!("{}/{name}", render::NETWORK_FOLDER), text)?;
        }
        // What systemd-networkd made it does not take away.
        for old in ports::names() {
            let number = old.strip_prefix(render::VLAN_PREFIX).map(str::parse::<u16>);
            let kept =
                keep.is_some_and(|(name, mac)| name == old && ports::mac(name).as_deref() == Some(mac));
            if matches!(number, Some(Ok(_))) && !kept {
                let delete = Program::new("ip").args(["link", "delete", &old]).run().await;
                delete.with_context(|| format!("cannot remove the virtual network {old}"))?;
            }
        }
        // At boot it starts after us and reads the files by itself.
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await?;
        if *unread && bus.name_has_owner("org.freedesktop.network1".try_into()?).await? {
            let networkd = NetworkdProxy::new(&self.connection).await?;
            networkd.reload().await.context("cannot reload the network")?;
            *unread = false;
        }
        Ok(())
    }
}
