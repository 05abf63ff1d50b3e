//! `understudy.toml`: what a box is told when it is set up.
//!
//! One form for every way: a person writes it on a disk labelled `UNDERSTUDY`, the wizard on the console composes it from what
//! is typed, and settings keeps it. So what is shown, what is applied and what is kept cannot differ.
//!
//! ```toml
//! version = 1
//! host_name = "box"
//! keyboard = "de"                      # us if absent
//! time_zone = "Europe/Berlin"          # UTC if absent
//! time_servers = ["ntp.example.org"]   # those of the image if absent
//! password_hash = "$argon2id$v=19$…"   # without it the administrator has no password until one is set on the console
//! [network]
//! mac = "52:54:00:12:34:56"            # first Ethernet interface if absent
//! vlan = 12                            # untagged if absent
//! address = "10.0.0.2/24"              # or "dhcp"
//! gateway = "10.0.0.1"                 # may be absent
//! dns = ["10.0.0.1"]                   # may be absent
//! [pool]
//! layout = "mirror"                    # mirror, raidz1, raidz2 or single
//! disks = ["SERIAL", "SERIAL"]         # serial numbers, or names as in /dev/disk/by-id
//! erase = ["SERIAL"]                   # those of them whose contents may be lost
//! encryption = true                    # false if absent
//! ```
//!
//! Instead of new disks, `[pool]` may name a pool that another box made: `import = "only"` if there is just one, or
//! `import = "GUID"` with the number that `zpool import` shows. An encrypted one is imported on the console, where its recovery key
//! is typed: no secret stands in this file in the clear.

mod answers;
mod place;
mod read;
mod values;
mod write;

pub use answers::{Address, Answers, Import, Network, NewPool, Pool};
pub use place::line_of;
pub use read::{Mistake, parse, parse_network};
pub use values::{
    DiskName, Fixed, HostName, Keyboard, Layout, Mac, PasswordHash, Reason, TimeServer, TimeZone, Vlan,
    check_disks, check_gateway,
};

/// Name of the file.
pub const FILE: &str = "understudy.toml";
/// Label of the disk it stands on.
pub const LABEL: &str = "UNDERSTUDY";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: i64 = 1;

#[cfg(test)]
mod tests;
