//! `/etc/resolv.conf`: the name servers that are set, or else those that the network gave by DHCP.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::files;
use crate::render;

/// Where it goes.
const FILE: &str = "/etc/resolv.conf";
/// Where systemd-networkd tells what the networks gave.
const GIVEN: &str = "/run/systemd/netif/state";

/// The name servers that are set.
#[derive(Default)]
pub struct Resolver(Mutex<Vec<IpAddr>>);

impl Resolver {
    /// Sets name servers; none: as the network says.
    pub fn set(&self, servers: &[IpAddr]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = servers.to_vec();
        self.refresh();
    }

    /// Writes the file anew if it would be another.
    pub fn refresh(&self) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if servers.is_empty() {
            servers = given(GIVEN);
        }
        if let Err(error) = files::put(FILE, &render::resolver(&servers)) {
            tracing::warn!("names cannot be looked up: {error:#}");
        }
    }
}

/// The name servers in a state file of systemd-networkd: those of one interface, beneath `/run/systemd/netif/links`, or of all.
pub fn given(file: &str) -> Vec<IpAddr> {
    servers(&std::fs::read_to_string(file).unwrap_or_default())
}

fn servers(state: &str) -> Vec<IpAddr> {
    let line = state.lines().find_map(|line| line.strip_prefix("DNS="));
    // Each may carry a port, an interface and a name: ADDRESS:PORT%INTERFACE#NAME. Those with a port are none for resolv.conf(5).
    line.unwrap_or_default()
        .split_whitespace()
        .filter_map(|server| server.split(['%', '#']).next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_name_servers_are_read() {
        let state =
            "# private\nOPER_STATE=routable\nDNS=10.0.0.1 fe80::1%2 10.0.0.2#dns.example.org\nNTP=10.0.0.3\n";
        let expected: Vec<IpAddr> =
            ["10.0.0.1", "fe80::1", "10.0.0.2"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(servers(state), expected);
        assert!(servers("OPER_STATE=off\n").is_empty());
    }
}
