//! Private layer-2 networks between machines, without root: a switch inside this process.
//!
//! Each network card is one end of a socket pair that QEMU gets as `-netdev stream`; frames travel on it with their
//! length in front (u32, big-endian). The host has no part in such a network.

mod frames;
mod hub;
mod port;
mod user;

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use hub::Hub;
pub use user::UserNic;
pub(crate) use user::forwarded_port;

use crate::{Error, Result};

/// A network card's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `52:54:00:00:…` (QEMU's prefix) with a number that must be the machine's own on its network.
    pub const fn numbered(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        Mac([0x52, 0x54, 0x00, 0x00, high, low])
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl std::fmt::Debug for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mac({self})")
    }
}

/// A kind of network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Card {
    /// virtio-net: fast, and it takes a network's MTU over by itself.
    #[default]
    Virtio,
    /// Intel 82574L, as real machines have it.
    E1000e,
}

impl Card {
    /// QEMU's name of it.
    pub(crate) const fn device(self) -> &'static str {
        match self {
            Card::Virtio => "virtio-net-pci",
            Card::E1000e => "e1000e",
        }
    }
}

/// A switch to which machines are connected. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct Network {
    name: Arc<str>,
    mtu: u16,
    hub: Arc<Hub>,
}

/// What a network has carried so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Frames that came from machines.
    pub frames: u64,
    /// Their bytes, without the length fields.
    pub bytes: u64,
    /// Frames that were thrown away because the receiver took none, or a cable was cut.
    pub dropped: u64,
}

impl Network {
    /// A network with nobody on it, and frames of Ethernet's usual size.
    pub fn new(name: &str) -> Self {
        Network { name: name.into(), mtu: 1500, hub: Arc::default() }
    }

    /// Lets guests send larger packets (they are told by virtio-net); an emulated guest's throughput grows with it.
    pub fn mtu(mut self, bytes: u16) -> Self {
        self.mtu = bytes;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pulls a machine's cable: nothing passes in either direction until [`Network::restore`]. The guest's card still
    /// shows a link, as with a switch that died; where it is to see the link go, see [`crate::Vm::unplug_cable`].
    pub fn cut(&self, machine: impl AsRef<str>) -> Result<()> {
        self.set_cut(machine.as_ref(), true)
    }

    /// Puts the cable back.
    pub fn restore(&self, machine: impl AsRef<str>) -> Result<()> {
        self.set_cut(machine.as_ref(), false)
    }

    /// What it has carried.
    pub fn traffic(&self) -> Traffic {
        self.hub.traffic()
    }

    pub(crate) fn guest_mtu(&self) -> u16 {
        self.mtu
    }

    /// Connects a machine; the stream given back is the other end, for QEMU.
    pub(crate) fn attach(&self, machine: &str) -> Result<UnixStream> {
        self.hub.attach(machine).map_err(Error::io(format!("connect {machine} to the network {}", self.name)))
    }

    fn set_cut(&self, machine: &str, cut: bool) -> Result<()> {
        self.hub.set_cut(machine, cut).map_err(|there| {
            Error::Asked(format!(
                "no machine `{machine}` is on the network {}; there {}",
                self.name,
                match there.is_empty() {
                    true => "is none at all".to_owned(),
                    false => format!("are: {}", there.join(", ")),
                }
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_mac_is_local_to_qemu() {
        assert_eq!(Mac::numbered(0x102).to_string(), "52:54:00:00:01:02");
    }

    #[test]
    fn cutting_a_stranger_is_an_error_that_lists_who_is_there() {
        let network = Network::new("lan");
        assert!(network.cut("box").unwrap_err().to_string().ends_with("there is none at all"));
        let _stream = network.attach("machine").unwrap();
        assert!(network.cut("box").unwrap_err().to_string().ends_with("there are: machine"));
    }
}
