//! How the box is reached, filled in; for the wizard and for the menu.

use std::net::IpAddr;

use understudy_answers::{Address, Fixed, Mac, Network, Vlan, check_gateway};

use crate::appliance::Port;
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::column;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    Port,
    Way,
    Address,
    Gateway,
    Dns,
    Vlan,
    Try,
    Without,
    Look,
    Back,
}

#[derive(Debug, Clone)]
pub(crate) struct NetworkForm {
    pub form: Form<Id>,
    macs: Vec<String>,
    /// The port that is chosen as soon as it is known.
    wanted: Option<String>,
    pub message: String,
}

impl NetworkForm {
    /// `without` offers to go on without a network.
    pub fn new(without: bool) -> Self {
        let ways = ["The network gives the box its address (DHCP)", "The box has a fixed address"];
        let form = Form::new()
            .rows(Id::Port, "Network port", Rows::pick(Vec::new()).height(4))
            .rows(Id::Way, "Address", Rows::pick(ways.map(Row::new).to_vec()))
            .field(Id::Address, "Address/prefix", "")
            .field(Id::Gateway, "Router", "")
            .field(Id::Dns, "Name servers", "")
            .field(Id::Vlan, "VLAN (mostly none)", "")
            .button(Id::Try, "Try it")
            .button(Id::Without, "Go on without network")
            .button(Id::Look, "Look again")
            .button(Id::Back, "Back");
        let mut network = Self { form, macs: Vec::new(), wanted: None, message: String::new() };
        network.form.show(Id::Without, without);
        network.show_fields();
        network
    }

    fn show_fields(&mut self) {
        let fixed = self.form.chosen(Id::Way) == 1;
        for id in [Id::Address, Id::Gateway, Id::Dns] {
            self.form.show(id, fixed);
        }
    }

    /// Fills in what is set now, so that whoever wants to change one thing types only that.
    pub fn fill(&mut self, network: &Network) {
        let (way, address, gateway) = match &network.address {
            Address::Dhcp => (0, String::new(), None),
            Address::Static { address, gateway } => (1, address.to_string(), gateway.as_ref()),
        };
        if let Some(ways) = self.form.list_mut(Id::Way) {
            ways.choose(way);
        }
        let dns: Vec<_> = network.dns.iter().map(ToString::to_string).collect();
        self.form.set_text(Id::Address, &address);
        self.form.set_text(Id::Gateway, &gateway.map_or(String::new(), ToString::to_string));
        self.form.set_text(Id::Dns, &dns.join(" "));
        self.form.set_text(Id::Vlan, &network.vlan.map_or(String::new(), |vlan| vlan.to_string()));
        self.wanted = network.mac.as_ref().map(ToString::to_string);
        let wanted = self.macs.iter().position(|mac| Some(mac) == self.wanted.as_ref());
        if let (Some(at), Some(ports)) = (wanted, self.form.list_mut(Id::Port)) {
            ports.choose(at);
        }
        self.show_fields();
    }

    /// Takes what the box says of its ports; the chosen one stays chosen. Before one was, it is the first that has a link.
    pub fn set_ports(&mut self, ports: &[Port]) {
        let chosen = || self.macs.get(self.form.chosen(Id::Port)).cloned();
        let before = self.wanted.clone().or_else(chosen);
        self.macs = ports.iter().map(|port| port.mac.clone()).collect();
        let chosen = before
            .and_then(|mac| self.macs.iter().position(|other| *other == mac))
            .or_else(|| ports.iter().position(|port| port.link))
            .unwrap_or(0);
        let mut rows = Rows::pick(ports.iter().map(row).collect()).height(4);
        rows.choose(chosen);
        if let Some(list) = self.form.list_mut(Id::Port) {
            *list = rows;
        }
    }

    pub fn key(&mut self, key: Key) -> Did<Id> {
        let did = self.form.key(key);
        self.show_fields();
        if did != Did::Nothing {
            self.message.clear();
            self.wanted = None;
        }
        did
    }

    /// What is filled in, checked; if something is wrong, it has the focus and the message says what.
    pub fn checked(&mut self) -> Option<Network> {
        match self.network() {
            Ok(network) => Some(network),
            Err((id, message)) => {
                self.form.focus(id);
                self.message = message;
                None
            }
        }
    }

    fn network(&self) -> Result<Network, (Id, String)> {
        let text = |id| self.form.text(id);
        let wrong = |id: Id| move |error: &dyn std::fmt::Display| (id, error.to_string());
        let Some(mac) = self.macs.get(self.form.chosen(Id::Port)) else {
            let message = "The box has no network port that can be used. Put in a network card, or go on without network.";
            return Err((Id::Port, message.to_owned()));
        };
        let mac: Mac = mac.parse().map_err(|error| wrong(Id::Port)(&error))?;
        let vlan = match text(Id::Vlan) {
            "" => None,
            vlan => Some(vlan.parse::<Vlan>().map_err(|error| wrong(Id::Vlan)(&error))?),
        };
        if self.form.chosen(Id::Way) == 0 {
            return Ok(Network { mac: Some(mac), vlan, address: Address::Dhcp, dns: Vec::new() });
        }
        let address: Fixed = text(Id::Address).parse().map_err(|error| wrong(Id::Address)(&error))?;
        let ip = |id, text: &str| {
            let message = || format!("{text:?} is no IP address; one like 10.0.0.1 is expected");
            text.parse::<IpAddr>().map_err(|_| (id, message()))
        };
        let gateway = match text(Id::Gateway) {
            "" => None,
            gateway => {
                let gateway = ip(Id::Gateway, gateway)?;
                check_gateway(address, gateway).map_err(|error| wrong(Id::Gateway)(&error))?;
                Some(gateway)
            }
        };
        let dns = words(text(Id::Dns)).map(|server| ip(Id::Dns, server)).collect::<Result<_, _>>()?;
        Ok(Network { mac: Some(mac), vlan, address: Address::Static { address, gateway }, dns })
    }
}

/// What is separated by blanks or commas.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', ';']).filter(|word| !word.is_empty())
}

fn row(port: &Port) -> Row {
    let link = match (port.link, port.speed_mbit) {
        (false, _) => "no link".to_owned(),
        (true, 0) => "link".to_owned(),
        (true, speed) if speed % 1000 == 0 => format!("link, {} Gbit/s", speed / 1000),
        (true, speed) => format!("link, {speed} Mbit/s"),
    };
    let addresses = port.addresses.join(" ");
    Row::new(format!(
        "{} {} {} {}",
        column(&port.name, 8),
        column(&port.mac, 17),
        column(&link, 16),
        column(&addresses, 26)
    ))
}

/// How a network is told in a summary.
pub(crate) fn told(network: &Network) -> Vec<String> {
    let port = network.mac.as_ref().map_or("the first port".to_owned(), |mac| format!("port {mac}"));
    let vlan = network.vlan.map_or(String::new(), |vlan| format!(", VLAN {vlan}"));
    let mut lines = match &network.address {
        Address::Dhcp => vec![format!("Address from the network (DHCP), {port}{vlan}")],
        Address::Static { address, gateway } => {
            let gateway = gateway.map_or("no router".to_owned(), |gateway| format!("router {gateway}"));
            vec![format!("{address}, {gateway}"), format!("on {port}{vlan}")]
        }
    };
    if !network.dns.is_empty() {
        let servers: Vec<_> = network.dns.iter().map(ToString::to_string).collect();
        lines.push(format!("name servers {}", servers.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Vec<Port> {
        let port = |name: &str, mac: &str, link| Port {
            name: name.into(),
            mac: mac.into(),
            link,
            ..Port::default()
        };
        vec![port("eth0", "52:54:00:00:00:01", false), port("eth1", "52:54:00:00:00:02", true)]
    }

    #[test]
    fn the_port_with_a_link_is_suggested_and_a_chosen_one_stays() {
        let mut network = NetworkForm::new(true);
        network.set_ports(&ports());
        let mac = |network: &mut NetworkForm| network.checked().unwrap().mac.unwrap().to_string();
        assert_eq!(mac(&mut network), "52:54:00:00:00:02");
        network.form.focus(Id::Port);
        network.key(Key::Up);
        network.set_ports(&ports());
        assert_eq!(mac(&mut network), "52:54:00:00:00:01");
    }

    #[test]
    fn what_is_set_is_filled_in_whether_the_ports_are_known_or_not() {
        let set = |address: Address, vlan: Option<&str>, mac: &str, dns: &[&str]| Network {
            mac: Some(mac.parse().unwrap()),
            vlan: vlan.map(|vlan| vlan.parse().unwrap()),
            address,
            dns: dns.iter().map(|server| server.parse().unwrap()).collect(),
        };
        let fixed = |gateway: Option<&str>| Address::Static {
            address: "192.0.2.17/24".parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        };
        for network in [
            set(fixed(Some("192.0.2.1")), Some("7"), "52:54:00:00:00:01", &["192.0.2.1", "2001:db8::1"]),
            set(fixed(None), None, "52:54:00:00:00:02", &[]),
            set(Address::Dhcp, Some("4094"), "52:54:00:00:00:01", &[]),
        ] {
            let mut early = NetworkForm::new(false);
            early.fill(&network);
            early.set_ports(&ports());
            assert_eq!(early.checked(), Some(network.clone()), "{}", early.message);
            let mut late = NetworkForm::new(false);
            late.set_ports(&ports());
            late.fill(&network);
            assert_eq!(late.checked(), Some(network), "{}", late.message);
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_has_the_focus() {
        let mut network = NetworkForm::new(true);
        assert_eq!(network.checked(), None);
        assert!(network.message.contains("no network port"), "{}", network.message);
        network.set_ports(&ports());
        network.form.focus(Id::Way);
        network.key(Key::Down);
        for (id, text, said) in [
            (Id::Address, "10.0.0.2", "prefix"),
            (Id::Gateway, "10.0.1.1", "no neighbour"),
            (Id::Dns, "10.0.0.1 nowhere", "\"nowhere\" is no IP address"),
            (Id::Vlan, "4095", "no VLAN"),
        ] {
            network.form.set_text(id, text);
            assert_eq!(network.checked(), None);
            assert_eq!(network.form.focused(), Some(id));
            assert!(network.message.contains(said), "{}", network.message);
            let right = match id {
                Id::Address => "10.0.0.2/24",
                Id::Gateway => "10.0.0.1",
                Id::Dns => "10.0.0.1, 10.0.0.3",
                _ => "12",
            };
            network.form.set_text(id, right);
        }
        let network = network.checked().unwrap();
        assert_eq!(
            told(&network),
            [
                "10.0.0.2/24, router 10.0.0.1",
                "on port 52:54:00:00:00:02, VLAN 12",
                "name servers 10.0.0.1, 10.0.0.3"
            ]
        );
    }
}
