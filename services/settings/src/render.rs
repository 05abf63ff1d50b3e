//! Settings as the system's own files.

use std::net::IpAddr;

use understudy_answers::{Address, Network, TimeServer};

/// The packet filter. Everything is refused but what is named here.
///
/// iscsi-manager puts the initiators of running backups into the two sets, and removes them. Loading this again keeps what
/// is in the sets: `flush table` empties chains only.
pub const FIREWALL: &str = "\
add table inet understudy
flush table inet understudy
table inet understudy {
    set iscsi_initiators_v4 { type ipv4_addr; }
    set iscsi_initiators_v6 { type ipv6_addr; }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        ct state invalid drop
        ip protocol icmp accept
        meta l4proto ipv6-icmp accept
        udp sport 67 udp dport 68 accept
        udp sport 547 udp dport 546 accept
        tcp dport 443 accept
        tcp dport 3260 ip saddr @iscsi_initiators_v4 accept
        tcp dport 3260 ip6 saddr @iscsi_initiators_v6 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
";

/// Where systemd-networkd looks.
pub const NETWORK_FOLDER: &str = "/etc/systemd/network";
/// The box's port.
const PORT: &str = "10-understudy.network";
/// Its virtual network, if it has one, and the address in it.
const VLAN_DEVICE: &str = "10-understudy-vlan.netdev";
const VLAN: &str = "10-understudy-vlan.network";
/// All files that a network may be made of.
pub const NETWORK_FILES: [&str; 3] = [PORT, VLAN_DEVICE, VLAN];
/// How interfaces of virtual networks begin.
pub const VLAN_PREFIX: &str = "vlan";

/// Nothing of an address, not even what IPv6 makes by itself.
const SILENT: &str = "LinkLocalAddressing=no\nIPv6AcceptRA=no\n";

/// The interface that gets the address, for a port of this name.
pub fn interface(network: &Network, port: &str) -> String {
    network.vlan.map_or_else(|| port.to_owned(), |vlan| format!("{VLAN_PREFIX}{vlan}"))
}

/// Files of a network (systemd.network(5), systemd.netdev(5)) for the port with this hardware address: name in [`NETWORK_FOLDER`], and
/// text. Without `address` the interface stands and has none.
pub fn network(network: &Network, mac: &str, address: bool) -> Vec<(&'static str, String)> {
    let addressed = if address { addressing(network) } else { SILENT.to_owned() };
    // A VLAN has its port's hardware address; it is no hardware itself, which is what "no kind" means.
    let port = format!("[Match]\nMACAddress={mac}\nType=ether\nKind=!*\n\n[Network]\n");
    let Some(vlan) = network.vlan else { return vec![(PORT, port + &addressed)] };
    let name = interface(network, "");
    vec![
        (PORT, format!("{port}{SILENT}VLAN={name}\n")),
        (VLAN_DEVICE, format!("[NetDev]\nName={name}\nKind=vlan\n\n[VLAN]\nId={vlan}\n")),
        (VLAN, format!("[Match]\nName={name}\n\n[Network]\n{addressed}")),
    ]
}

fn addressing(network: &Network) -> String {
    let mut text = String::new();
    match &network.address {
        Address::Dhcp => text += "DHCP=yes\n",
        Address::Static { address, gateway } => {
            text += &format!("Address={address}\nIPv6AcceptRA=no\n");
            if let Some(gateway) = gateway {
                text += &format!("Gateway={gateway}\n");
            }
        }
    }
    network.dns.iter().for_each(|server| text += &format!("DNS={server}\n"));
    text
}

/// `/etc/resolv.conf`.
pub fn resolver(servers: &[IpAddr]) -> String {
    servers.iter().map(|server| format!("nameserver {server}\n")).collect()
}

/// Where systemd-timesyncd looks.
pub const TIME_SERVERS_FILE: &str = "/etc/systemd/timesyncd.conf.d/10-understudy.conf";

/// Its text (timesyncd.conf(5)); nothing where those of the image hold.
pub fn time_servers(servers: &[TimeServer]) -> Option<String> {
    let names: Vec<_> = servers.iter().map(TimeServer::as_str).collect();
    (!names.is_empty()).then(|| format!("[Time]\nNTP={}\n", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Network {
        understudy_answers::parse_network(&format!("[network]\n{text}\n")).unwrap()
    }

    const MATCH: &str = "[Match]\nMACAddress=52:54:00:00:00:01\nType=ether\nKind=!*\n\n[Network]\n";
    const MAC: &str = "52:54:00:00:00:01";

    #[test]
    fn a_fixed_address_asks_the_network_for_nothing() {
        let fixed = section("address = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"\ndns = [\"10.0.0.53\"]");
        let text = "Address=10.0.0.2/24\nIPv6AcceptRA=no\nGateway=10.0.0.1\nDNS=10.0.0.53\n";
        assert_eq!(network(&fixed, MAC, true), [(PORT, format!("{MATCH}{text}"))]);
        assert_eq!(resolver(&fixed.dns), "nameserver 10.0.0.53\n");
        assert_eq!(network(&fixed, MAC, false), [(PORT, format!("{MATCH}{SILENT}"))]);
    }

    #[test]
    fn dhcp_brings_everything_by_itself() {
        let files = network(&section("address = \"dhcp\""), MAC, true);
        assert_eq!(files, [(PORT, format!("{MATCH}DHCP=yes\n"))]);
    }

    #[test]
    fn a_virtual_network_has_the_address_and_its_port_has_none() {
        let tagged = section("address = \"dhcp\"\nvlan = 12");
        let files = network(&tagged, MAC, true);
        assert_eq!(files[0], (PORT, format!("{MATCH}{SILENT}VLAN=vlan12\n")));
        assert_eq!(files[1], (VLAN_DEVICE, "[NetDev]\nName=vlan12\nKind=vlan\n\n[VLAN]\nId=12\n".to_owned()));
        assert_eq!(files[2], (VLAN, "[Match]\nName=vlan12\n\n[Network]\nDHCP=yes\n".to_owned()));
        assert!(files.iter().all(|(name, _)| NETWORK_FILES.contains(name)));
        assert_eq!(
            (interface(&tagged, "eth0").as_str(), interface(&section("address = \"dhcp\""), "eth0").as_str()),
            ("vlan12", "eth0")
        );
    }

    #[test]
    fn time_servers_replace_those_of_the_image_only_where_there_are_some() {
        let servers = ["ntp.example.org", "10.0.0.1"].map(|server| server.parse().unwrap());
        assert_eq!(time_servers(&servers).as_deref(), Some("[Time]\nNTP=ntp.example.org 10.0.0.1\n"));
        assert_eq!(time_servers(&[]), None);
    }
}
