//! Network interfaces backed by hardware, and their addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context;
use nix::sys::socket::SockaddrStorage;
use understudy_wire::Interface;

use super::Root;

/// Addresses with prefix length by interface name.
pub type Addresses = BTreeMap<String, Vec<String>>;

/// What the kernel has now. Link-local IPv6 addresses are left out: they follow from the hardware address.
pub fn addresses() -> anyhow::Result<Addresses> {
    let mut addresses = Addresses::new();
    for found in nix::ifaddrs::getifaddrs().context("cannot ask for the addresses of the interfaces")? {
        let ip = |address: Option<SockaddrStorage>| {
            let address = address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        };
        let (Some(address), Some(mask)) = (ip(found.address), ip(found.netmask)) else { continue };
        if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            continue;
        }
        let name = addresses.entry(found.interface_name).or_default();
        name.push(format!("{address}/{}", prefix(mask)));
    }
    Ok(addresses)
}

fn prefix(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    }
}

/// The interfaces that have a device beneath them: no bridges, tunnels, or the loopback.
pub fn read(root: &Root, addresses: &Addresses) -> anyhow::Result<Vec<Interface>> {
    let directory = root.path("sys/class/net");
    let mut interfaces = Vec::new();
    for entry in
        std::fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let Ok(name) = entry.context("cannot list the interfaces")?.file_name().into_string() else {
            continue;
        };
        if !directory.join(&name).join("device").exists() {
            continue;
        }
        let Some(mac) = root.text(&format!("sys/class/net/{name}/address")) else { continue };
        let addresses = addresses.get(&name).cloned().unwrap_or_default();
        interfaces.push(Interface { name, mac, addresses });
    }
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_length_of_its_mask() {
        assert_eq!(prefix("255.255.240.0".parse().unwrap()), 20);
        assert_eq!(prefix("ffff:ffff:ffff:ffff::".parse().unwrap()), 64);
    }

    #[test]
    fn the_loopback_has_its_address() {
        assert!(addresses().unwrap()["lo"].contains(&"127.0.0.1/8".to_owned()));
    }
}
