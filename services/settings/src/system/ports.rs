//! The box's Ethernet ports and addresses, as the kernel shows them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use understudy_bus::settings::Port;

/// Where the kernel shows interfaces.
const INTERFACES: &str = "/sys/class/net";

/// Addresses with prefix length, each with its interface; without loopback and link-local ones.
pub fn addresses() -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for interface in nix::ifaddrs::getifaddrs().context("cannot list the box's addresses")? {
        let (Some(address), Some(mask)) = (interface.address, interface.netmask) else { continue };
        let (address, prefix) =
            if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
                (IpAddr::V4(address.ip()), u32::from(mask.ip()).count_ones())
            } else if let (Some(address), Some(mask)) = (address.as_sockaddr_in6(), mask.as_sockaddr_in6()) {
                (IpAddr::V6(address.ip()), u128::from(mask.ip()).count_ones())
            } else {
                continue;
            };
        let near = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        if !near && !address.is_loopback() {
            found.push((interface.interface_name, format!("{address}/{prefix}")));
        }
    }
    Ok(found)
}

/// The Ethernet ports made of hardware, in the kernel's order.
pub fn ports() -> anyhow::Result<Vec<Port>> {
    let addresses = addresses()?;
    list(Path::new(INTERFACES), &addresses).context("cannot list network interfaces")
}

/// Whether there is an interface of that name.
pub fn exists(name: &str) -> bool {
    Path::new(INTERFACES).join(name).exists()
}

/// The hardware address of an interface, in lower case.
pub fn mac(name: &str) -> Option<String> {
    text(&Path::new(INTERFACES).join(name), "address")
}

/// Names of all interfaces.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(INTERFACES).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn list(folder: &Path, addresses: &[(String, String)]) -> std::io::Result<Vec<Port>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if let Ok(name) = entry.file_name().into_string()
            && let Some(index) = number(&path, "ifindex")
            && let Some(port) = port(&path, name, addresses)
        {
            found.push((index, port));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, port)| port).collect())
}

fn text(path: &Path, name: &str) -> Option<String> {
    Some(std::fs::read_to_string(path.join(name)).ok()?.trim().to_owned())
}

fn number(path: &Path, name: &str) -> Option<i64> {
    text(path, name)?.parse().ok()
}

fn port(path: &Path, name: String, addresses: &[(String, String)]) -> Option<Port> {
    // What is not made of hardware has no device; radio says so. 1 is ARPHRD_ETHER.
    if !path.join("device").exists() || path.join("phy80211").exists() || number(path, "type") != Some(1) {
        return None;
    }
    let above = uppers(path);
    let mine = addresses.iter().filter(|(interface, _)| *interface == name || above.contains(interface));
    let driver = path.join("device/driver").canonicalize().unwrap_or_else(|_| PathBuf::new());
    Some(Port {
        mac: text(path, "address")?.to_ascii_lowercase(),
        // Reading it fails while the port is down.
        link: number(path, "carrier") == Some(1),
        // -1 where the hardware does not say.
        speed_mbit: number(path, "speed").and_then(|speed| u32::try_from(speed).ok()).unwrap_or(0),
        driver: driver.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        addresses: mine.map(|(_, address)| address.clone()).collect(),
        name,
    })
}

/// Interfaces that lie upon it, such as VLANs.
fn uppers(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_prefix("upper_")?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel shows of a port, as files.
    fn interface(folder: &Path, name: &str, files: &[(&str, &str)], hardware: bool) {
        let path = folder.join(name);
        std::fs::create_dir(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
        if hardware {
            let driver = folder.join("../drivers/e1000e");
            std::fs::create_dir_all(&driver).unwrap();
            std::fs::create_dir(path.join("device")).unwrap();
            std::os::unix::fs::symlink(driver, path.join("device/driver")).unwrap();
        }
    }

    #[test]
    fn ports_are_what_is_hardware_in_the_kernels_order() {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("net");
        std::fs::create_dir(&net).unwrap();
        let mac = "52:54:00:AB:34:56";
        interface(
            &net,
            "eth1",
            &[("ifindex", "3"), ("type", "1"), ("address", mac), ("carrier", "1"), ("speed", "1000")],
            true,
        );
        std::fs::write(net.join("eth1/upper_vlan12"), "").unwrap();
        // Down: neither link nor speed can be read.
        interface(&net, "eth0", &[("ifindex", "2"), ("type", "1"), ("address", mac), ("speed", "-1")], true);
        interface(&net, "tap0", &[("ifindex", "4"), ("type", "1"), ("address", mac)], false);
        interface(&net, "ib0", &[("ifindex", "5"), ("type", "32"), ("address", mac)], true);
        let addresses =
            [("vlan12", "10.0.0.2/24"), ("tap0", "10.0.1.1/24")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let ports = list(&net, &addresses).unwrap();
        assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["eth0", "eth1"]);
        assert_eq!((ports[0].link, ports[0].speed_mbit, ports[0].addresses.len()), (false, 0, 0));
        assert_eq!((ports[1].link, ports[1].speed_mbit), (true, 1000));
        assert_eq!((ports[1].driver.as_str(), ports[1].mac.as_str()), ("e1000e", "52:54:00:ab:34:56"));
        assert_eq!(ports[1].addresses, ["10.0.0.2/24"]);
    }
}
