//! The checked form.

use std::net::IpAddr;

use crate::values::{
    DiskName, Fixed, HostName, Keyboard, Layout, Mac, PasswordHash, TimeServer, TimeZone, Vlan,
};

/// All a box is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Its name.
    pub host_name: HostName,
    /// Layout of a keyboard at its console.
    pub keyboard: Keyboard,
    /// Where it stands.
    pub time_zone: TimeZone,
    /// Whom it asks for the time; those of the image if empty.
    pub time_servers: Vec<TimeServer>,
    /// The administrator's password; none until one is set.
    pub password_hash: Option<PasswordHash>,
    /// How it is reached.
    pub network: Network,
    /// What it stores on.
    pub pool: Pool,
}

/// How the box is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The port's hardware address; the first Ethernet port if absent.
    pub mac: Option<Mac>,
    /// Tag of its frames (IEEE 802.1Q); none if absent.
    pub vlan: Option<Vlan>,
    /// Its address.
    pub address: Address,
    /// Name servers.
    pub dns: Vec<IpAddr>,
}

/// Where the address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// From the network.
    Dhcp,
    /// Fixed.
    Static {
        /// The box's address and the length of its network's prefix.
        address: Fixed,
        /// Router to other networks; a neighbour of `address`.
        gateway: Option<IpAddr>,
    },
}

/// What the box stores on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pool {
    /// A new pool.
    New(NewPool),
    /// A pool that another box made.
    Import(Import),
}

/// A pool to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPool {
    /// How its disks stand for each other.
    pub layout: Layout,
    /// Its disks; as many as the layout takes, none twice.
    pub disks: Vec<DiskName>,
    /// Those of `disks` whose contents may be lost.
    pub erase: Vec<DiskName>,
    /// Whether all on it is encrypted (ZFS native encryption).
    pub encryption: bool,
}

/// Which pool is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// The only one there is.
    Only,
    /// The one with this GUID.
    Guid(u64),
}
