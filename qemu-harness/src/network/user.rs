//! QEMU's user-mode network: the one way for the host to reach a guest, where a test asks for it.

use crate::network::Mac;

/// A card on QEMU's own network (10.0.2.0/24, DHCP), through which the host reaches ports of the guest on loopback.
#[derive(Debug, Clone)]
pub struct UserNic {
    pub(crate) mac: Mac,
    pub(crate) guest_ports: Vec<u16>,
    pub(crate) outbound: bool,
}

impl UserNic {
    /// A card that carries nothing yet: the guest cannot reach out either.
    pub fn new(mac: Mac) -> Self {
        UserNic { mac, guest_ports: Vec::new(), outbound: false }
    }

    /// Makes a TCP port of the guest reachable; [`crate::Vm::forwarded`] tells at which port on 127.0.0.1.
    pub fn forward(mut self, guest_port: u16) -> Self {
        self.guest_ports.push(guest_port);
        self
    }

    /// Lets the guest reach what the host reaches.
    pub fn outbound(mut self) -> Self {
        self.outbound = true;
        self
    }

    /// The `-netdev` argument. Port 0: the kernel picks a free one, so that parallel tests do not meet.
    pub(crate) fn netdev(&self, id: &str) -> String {
        let restrict = if self.outbound { "off" } else { "on" };
        let forwards: String =
            self.guest_ports.iter().map(|port| format!(",hostfwd=tcp:127.0.0.1:0-:{port}")).collect();
        format!("user,id={id},restrict={restrict}{forwards}")
    }
}

/// Finds the host's port for `guest_port` in the answer to QEMU's `info usernet`.
///
/// ```text
///   Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
///   TCP[HOST_FORWARD]  12       127.0.0.1 35121       10.0.2.15    22     0     0
/// ```
pub(crate) fn forwarded_port(usernet: &str, guest_port: u16) -> Option<u16> {
    usernet.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (host, guest) = (columns.get(3)?, columns.get(5)?);
        (columns[0] == "TCP[HOST_FORWARD]" && guest.parse() == Ok(guest_port)).then(|| host.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reaches_out_only_when_told() {
        let nic = UserNic::new(Mac::numbered(1)).forward(22);
        assert_eq!(nic.netdev("n0"), "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22");
        assert_eq!(nic.outbound().netdev("n0"), "user,id=n0,restrict=off,hostfwd=tcp:127.0.0.1:0-:22");
    }

    #[test]
    fn the_port_the_kernel_picked_is_found() {
        let usernet = "Hub -1 (n0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
            TCP[HOST_FORWARD]  12       127.0.0.1 35121       10.0.2.15    22     0     0\r\n";
        assert_eq!(forwarded_port(usernet, 22), Some(35121));
        assert_eq!(forwarded_port(usernet, 443), None);
    }
}
