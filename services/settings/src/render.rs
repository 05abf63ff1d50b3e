//! Settings as the system's own files.

use crate::configuration::{Address, Network};

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

/// `/etc/systemd/network/10-understudy.network` (systemd.network(5)) for the interface with this hardware address.
pub fn network(network: &Network, mac: &str) -> String {
    let mut text = format!("[Match]\nMACAddress={mac}\n\n[Network]\n");
    match &network.address {
        Address::Dhcp => text += "DHCP=yes\n",
        Address::Static { address, prefix, gateway } => {
            text += &format!("Address={address}/{prefix}\nIPv6AcceptRA=no\n");
            if let Some(gateway) = gateway {
                text += &format!("Gateway={gateway}\n");
            }
        }
    }
    network.dns.iter().for_each(|server| text += &format!("DNS={server}\n"));
    text
}

/// `/etc/resolv.conf`; nothing if no name server is set.
pub fn resolver(network: &Network) -> Option<String> {
    if network.dns.is_empty() {
        return None;
    }
    Some(network.dns.iter().map(|server| format!("nameserver {server}\n")).collect())
}

/// The line that says how the box is reached.
pub fn ready_line(host_name: &str, addresses: &[String]) -> String {
    let bare: Vec<_> = addresses.iter().map(|address| address.split('/').next().unwrap_or(address)).collect();
    format!("Understudy {host_name} is ready at {}", bare.join(","))
}

/// The line that says why the box does not serve. One line, whatever the reason looks like.
pub fn not_set_up_line(reason: &str) -> String {
    format!("Understudy is not set up: {}", reason.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_address_asks_the_network_for_nothing() {
        let settings = Network {
            mac: None,
            address: Address::Static {
                address: "10.0.0.2".parse().unwrap(),
                prefix: 24,
                gateway: Some("10.0.0.1".parse().unwrap()),
            },
            dns: vec!["10.0.0.53".parse().unwrap()],
        };
        assert_eq!(
            network(&settings, "52:54:00:00:00:01"),
            "[Match]\nMACAddress=52:54:00:00:00:01\n\n[Network]\nAddress=10.0.0.2/24\nIPv6AcceptRA=no\n\
             Gateway=10.0.0.1\nDNS=10.0.0.53\n"
        );
        assert_eq!(resolver(&settings).as_deref(), Some("nameserver 10.0.0.53\n"));
    }

    #[test]
    fn dhcp_brings_everything_by_itself() {
        let settings = Network { mac: None, address: Address::Dhcp, dns: vec![] };
        assert!(network(&settings, "m").ends_with("[Network]\nDHCP=yes\n"));
        assert_eq!(resolver(&settings), None);
    }

    #[test]
    fn each_state_is_one_line() {
        assert_eq!(
            ready_line("box", &["10.0.0.2/24".into(), "fd00::2/64".into()]),
            "Understudy box is ready at 10.0.0.2,fd00::2"
        );
        assert_eq!(not_set_up_line("a\n  b"), "Understudy is not set up: a b");
    }
}
