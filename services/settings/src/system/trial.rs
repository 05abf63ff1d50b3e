//! Tries a network: what works of it, in words.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::sync::watch;
use understudy_answers::{Address, Fixed, Network};
use understudy_bus::settings::{Check, Port, Trial};
use understudy_service::Program;

use super::{ThisBox, name_server, neighbour, ports, resolver};
use crate::check::no_port;
use crate::render;

/// A port that negotiates its speed takes a few seconds.
const LINK_WITHIN: Duration = Duration::from_secs(10);
/// systemd-networkd is told, and IPv6 looks for a second holder first.
const FIXED_WITHIN: Duration = Duration::from_secs(10);
/// A switch may pass nothing for 30 s after a link comes up (spanning tree).
const DHCP_WITHIN: Duration = Duration::from_secs(45);
/// A network may have no router: its absence is soon believed.
const GATEWAY_WITHIN: Duration = Duration::from_secs(3);

/// An interface, as `ip -j addr` has it; ip-address(8).
#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    addr_info: Vec<Assigned>,
}

#[derive(Deserialize)]
struct Assigned {
    local: Option<IpAddr>,
    prefixlen: Option<u8>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    dynamic: bool,
    #[serde(default)]
    tentative: bool,
    #[serde(default)]
    dadfailed: bool,
}

/// A way to other networks, as `ip -j route` has it.
#[derive(Deserialize)]
struct Route {
    gateway: Option<IpAddr>,
}

async fn ip<T: for<'a> Deserialize<'a>>(args: &[&str]) -> anyhow::Result<Vec<T>> {
    let text = Program::new("ip").arg("-j").args(args).run().await?;
    // It says nothing at all where there is nothing.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).with_context(|| format!("cannot read what `ip -j {}` says", args.join(" ")))
}

async fn assigned(interface: &str) -> anyhow::Result<Vec<Assigned>> {
    let found: Vec<Interface> = ip(&["addr", "show", "dev", interface]).await?;
    let all = found.into_iter().flat_map(|interface| interface.addr_info);
    Ok(all.filter(|address| address.scope == "global").collect())
}

/// The routers that the network gave.
async fn gateways(interface: &str) -> anyhow::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let routes: Vec<Route> = ip(&[family, "route", "show", "default", "dev", interface]).await?;
        found.extend(routes.into_iter().filter_map(|route| route.gateway));
    }
    Ok(found)
}

/// Waits for what may change something.
struct Patience {
    changes: watch::Receiver<()>,
    end: tokio::time::Instant,
}

impl Patience {
    /// Waits for the next change; false once it is at its end. What changed before the first call, but after it was made, counts.
    async fn again(&mut self) -> anyhow::Result<bool> {
        match tokio::time::timeout_at(self.end, self.changes.changed()).await {
            Ok(changed) => changed.map(|()| true).context("network changes are not seen"),
            Err(_) => Ok(false),
        }
    }
}

/// What trying has shown so far.
#[derive(Default)]
struct Findings(Trial);

impl Findings {
    fn add(&mut self, what: &str, ok: bool, said: String) {
        self.0.checks.push(Check { what: what.to_owned(), ok, said });
    }
}

impl ThisBox {
    /// To look again at every change, at most so long.
    fn patience(&self, within: Duration) -> Patience {
        Patience { changes: self.changes.subscribe(), end: tokio::time::Instant::now() + within }
    }

    /// Gives the box this network and looks what works.
    pub(super) async fn trial(&self, network: &Network) -> anyhow::Result<Trial> {
        let mut findings = Findings::default();
        if let Some(port) = self.linked(network, &mut findings).await? {
            let interface = render::interface(network, &port.name);
            if self.addressed(network, &port, &interface, &mut findings).await? {
                self.surroundings(network, &interface, &mut findings).await?;
            }
        }
        Ok(findings.0)
    }

    /// The port, if it has a link.
    async fn linked(&self, network: &Network, findings: &mut Findings) -> anyhow::Result<Option<Port>> {
        let find = || -> anyhow::Result<Option<Port>> {
            let mac = network.mac.as_ref();
            Ok(ports::ports()?.into_iter().find(|port| mac.is_none_or(|mac| mac.as_str() == port.mac)))
        };
        let Some(port) = find()? else {
            match &network.mac {
                Some(mac) => bail!(no_port(mac.as_str(), &ports::ports()?).unwrap_or_default()),
                None => bail!("this box has no Ethernet port"),
            }
        };
        let name = port.name;
        let mut patience = self.patience(LINK_WITHIN);
        let linked = loop {
            let linked = find()?.filter(|port| port.link);
            if linked.is_some() || !patience.again().await? {
                break linked;
            }
        };
        let said = match &linked {
            Some(Port { speed_mbit: 0, .. }) => format!("{name} has a link"),
            Some(port) => format!("{name} has a link, at {} Mbit/s", port.speed_mbit),
            None => format!("{name} has no link; check the cable, and that its other end is on"),
        };
        findings.add("link", linked.is_some(), said);
        Ok(linked)
    }

    /// Whether the box has got its address.
    async fn addressed(
        &self,
        network: &Network,
        port: &Port,
        interface: &str,
        findings: &mut Findings,
    ) -> anyhow::Result<bool> {
        if let Address::Static { address, .. } = &network.address
            && let Some(other) = self.holder(network, port, interface, *address).await?
        {
            let said = format!(
                "{} is taken: the device with the hardware address {other} has it",
                address.address()
            );
            findings.add("address", false, said);
            return Ok(false);
        }
        self.write_network(&render::network(network, &port.mac, true), Some((interface, &port.mac))).await?;
        match &network.address {
            Address::Static { address, .. } => self.fixed(*address, interface, findings).await,
            Address::Dhcp => self.given(interface, findings).await,
        }
    }

    /// Who else has a fixed address of IPv4. For IPv6 the kernel itself looks, once it is assigned (RFC 4862, section 5.4).
    async fn holder(
        &self,
        network: &Network,
        port: &Port,
        interface: &str,
        address: Fixed,
    ) -> anyhow::Result<Option<String>> {
        let ours = ports::addresses()?
            .iter()
            .any(|(_, ours)| ours.split('/').next() == Some(&address.address().to_string()));
        if ours || address.address().is_ipv6() {
            return Ok(None);
        }
        let mut patience = self.patience(FIXED_WITHIN);
        self.write_network(&render::network(network, &port.mac, false), Some((interface, &port.mac))).await?;
        while !ports::exists(interface) {
            if !patience.again().await? {
                bail!(
                    "the virtual network {interface} did not come up; `journalctl -u systemd-networkd` says why"
                );
            }
        }
        neighbour::ask(interface, address.address()).await
    }

    async fn fixed(&self, address: Fixed, interface: &str, findings: &mut Findings) -> anyhow::Result<bool> {
        let mut patience = self.patience(FIXED_WITHIN);
        let found = loop {
            let found = assigned(interface).await?;
            let found = found.into_iter().find(|found| found.local == Some(address.address()));
            let found = found.filter(|found| found.dadfailed || !found.tentative);
            if found.is_some() || !patience.again().await? {
                break found;
            }
        };
        let (ok, said) = match found {
            Some(Assigned { dadfailed: true, .. }) => {
                (false, format!("{} is taken: another device has it", address.address()))
            }
            Some(_) => (true, format!("{interface} has {address}")),
            None => (
                false,
                format!("{interface} did not get {address}; `journalctl -u systemd-networkd` says why"),
            ),
        };
        findings.add("address", ok, said);
        if ok {
            findings.0.addresses = vec![address.to_string()];
        }
        Ok(ok)
    }

    async fn given(&self, interface: &str, findings: &mut Findings) -> anyhow::Result<bool> {
        let mut patience = self.patience(DHCP_WITHIN);
        let got: Vec<_> = loop {
            let found = if ports::exists(interface) { assigned(interface).await? } else { Vec::new() };
            let found: Vec<_> = found.into_iter().filter(|found| !found.tentative).collect();
            // IPv6 may make itself an address long before DHCP answers, and a fixed one of before may still be there. They are told where
            // nothing else comes.
            let lease = |found: &Assigned| found.dynamic && found.local.is_some_and(|ip| ip.is_ipv4());
            let complete = found.iter().any(lease);
            if complete || !patience.again().await? {
                break found;
            }
        };
        let got: Vec<_> =
            got.iter().filter_map(|found| Some(format!("{}/{}", found.local?, found.prefixlen?))).collect();
        let said = if got.is_empty() {
            format!(
                "the network gave no address within {} s; check that it has a DHCP server, or set an address",
                DHCP_WITHIN.as_secs()
            )
        } else {
            format!("the network gave {}", got.join(", "))
        };
        let ok = !got.is_empty();
        findings.add("address", ok, said);
        findings.0.addresses = got;
        Ok(ok)
    }

    /// The router that the network gave: it is set a moment after the address.
    async fn given_gateway(&self, interface: &str) -> anyhow::Result<Option<IpAddr>> {
        let mut patience = self.patience(GATEWAY_WITHIN);
        loop {
            let gateway = gateways(interface).await?.into_iter().next();
            if gateway.is_some() || !patience.again().await? {
                return Ok(gateway);
            }
        }
    }

    /// Gateway and name servers.
    async fn surroundings(
        &self,
        network: &Network,
        interface: &str,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let gateway = match &network.address {
            Address::Static { gateway, .. } => *gateway,
            Address::Dhcp => self.given_gateway(interface).await?,
        };
        if let Some(gateway) = gateway {
            findings.0.gateway = gateway.to_string();
            let answers = neighbour::ask(interface, gateway).await?;
            let said = match &answers {
                Some(hardware) => {
                    format!("the gateway {gateway} answers; its hardware address is {hardware}")
                }
                None => format!("the gateway {gateway} does not answer; check its address"),
            };
            findings.add("gateway", answers.is_some(), said);
        } else {
            findings.add("gateway", true, "there is none: the box reaches its own network only".to_owned());
        }
        let mut servers = network.dns.clone();
        if servers.is_empty() && network.address == Address::Dhcp {
            servers = given_servers(interface);
        }
        // All at once: each that is silent takes its time.
        let asked: Vec<_> = servers.iter().map(|server| tokio::spawn(name_server::ask(*server))).collect();
        for (server, answer) in servers.iter().zip(asked) {
            let answer = answer.await.context("a name server could not be asked")?;
            let said = match &answer {
                Ok(()) => format!("the name server {server} answers"),
                Err(error) => format!("the name server {server} does not answer: {error}"),
            };
            findings.add("name server", answer.is_ok(), said);
        }
        if servers.is_empty() {
            findings.add(
                "name server",
                true,
                "there is none: names of other machines are not found".to_owned(),
            );
        }
        Ok(())
    }
}

/// The name servers that the network at an interface gave.
fn given_servers(interface: &str) -> Vec<IpAddr> {
    let index = std::fs::read_to_string(format!("/sys/class/net/{interface}/ifindex")).unwrap_or_default();
    resolver::given(&format!("/run/systemd/netif/links/{}", index.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ip_says_of_an_address_is_understood() {
        let text = r#"[{"ifname":"eth0","addr_info":[
            {"family":"inet","local":"10.0.0.2","prefixlen":24,"scope":"global","label":"eth0"},
            {"family":"inet6","local":"fd00::2","prefixlen":64,"scope":"global","tentative":true,"dadfailed":true},
            {"family":"inet6","local":"fe80::2","prefixlen":64,"scope":"link"}]}]"#;
        let found: Vec<Interface> = serde_json::from_str(text).unwrap();
        let [first, second, third] = &found[0].addr_info[..] else { panic!("three were expected") };
        assert_eq!((first.local, first.tentative), (Some("10.0.0.2".parse().unwrap()), false));
        assert!(second.tentative && second.dadfailed && third.scope == "link");
    }
}
