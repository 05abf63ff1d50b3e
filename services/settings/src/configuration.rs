//! `understudy.toml`, as a person writes it on the configuration disk and as it is kept. Raw form first, then checked
//! form; whatever is wrong is refused with its line.
//!
//! ```toml
//! version = 1
//! host_name = "box"
//! time_zone = "Europe/Berlin"          # UTC if absent
//! [network]
//! mac = "52:54:00:12:34:56"            # first Ethernet interface if absent
//! address = "10.0.0.2/24"              # or "dhcp"
//! gateway = "10.0.0.1"                 # may be absent
//! dns = ["10.0.0.1"]                   # may be absent
//! [pool]
//! layout = "mirror"                    # mirror, raidz1, raidz2 or single
//! disks = ["SERIAL", "SERIAL"]         # serial numbers, or names as in /dev/disk/by-id
//! ```

use std::net::IpAddr;

use serde::Deserialize;
use toml::Spanned;

/// Name of the file.
pub const FILE: &str = "understudy.toml";
const VERSION: i64 = 1;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{FILE}, line {line}: {reason}")]
pub struct Mistake {
    line: usize,
    reason: String,
}

/// The checked form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Host name, one label.
    pub host_name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// How the box is reached.
    pub network: Network,
    /// What the pool is made of.
    pub pool: Pool,
}

/// How the box is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The interface's hardware address in lower case; the first Ethernet interface if absent.
    pub mac: Option<String>,
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
        /// The box's address.
        address: IpAddr,
        /// Length of its network's prefix.
        prefix: u8,
        /// Router to other networks.
        gateway: Option<IpAddr>,
    },
}

/// What the pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `mirror`, `raidz1`, `raidz2` or `single`.
    pub layout: String,
    /// Serial numbers or names beneath `/dev/disk/by-id`.
    pub disks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: Spanned<i64>,
    host_name: Spanned<String>,
    time_zone: Option<Spanned<String>>,
    network: RawNetwork,
    pool: RawPool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    mac: Option<Spanned<String>>,
    address: Spanned<String>,
    gateway: Option<Spanned<String>>,
    #[serde(default)]
    dns: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPool {
    layout: Spanned<String>,
    disks: Spanned<Vec<Spanned<String>>>,
}

/// Reads the file's text.
pub fn parse(text: &str) -> Result<Configuration, Mistake> {
    let source = Source(text);
    // An unknown version is said before its unknown keys are.
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<Spanned<i64>>,
    }
    if let Ok(Versioned { version: Some(version) }) = toml::from_str(text)
        && *version.get_ref() != VERSION
    {
        let reason = format!("version {} is unknown; this box reads version {VERSION}", version.get_ref());
        return Err(source.mistake(&version, reason));
    }
    let raw: Raw = toml::from_str(text).map_err(|error| Mistake {
        line: source.line(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    debug_assert_eq!(*raw.version.get_ref(), VERSION);
    Ok(Configuration {
        host_name: source.host_name(&raw.host_name)?,
        time_zone: raw.time_zone.as_ref().map_or(Ok("UTC".to_owned()), |zone| source.time_zone(zone))?,
        network: source.network(&raw.network)?,
        pool: source.pool(&raw.pool)?,
    })
}

struct Source<'a>(&'a str);

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.0.get(..offset).unwrap_or(self.0);
        before.bytes().filter(|&byte| byte == b'\n').count() + 1
    }

    fn mistake<T>(&self, at: &Spanned<T>, reason: String) -> Mistake {
        Mistake { line: self.line(at.span().start), reason }
    }

    fn host_name(&self, name: &Spanned<String>) -> Result<String, Mistake> {
        let text = name.get_ref();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=63).contains(&text.len())
            && text.chars().all(plain)
            && !text.starts_with('-')
            && !text.ends_with('-')
        {
            return Ok(text.clone());
        }
        Err(self
            .mistake(name, format!("{text:?} is no host name: 1 to 63 of a-z, 0-9 and hyphens are expected")))
    }

    fn time_zone(&self, zone: &Spanned<String>) -> Result<String, Mistake> {
        let text = zone.get_ref();
        let plain = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
        };
        if text.split('/').all(plain) {
            return Ok(text.clone());
        }
        Err(self.mistake(zone, format!("{text:?} is no time zone; one like \"Europe/Berlin\" is expected")))
    }

    fn ip(&self, text: &Spanned<String>) -> Result<IpAddr, Mistake> {
        let parsed = text.get_ref().parse();
        parsed.map_err(|_| self.mistake(text, format!("{:?} is no IP address", text.get_ref())))
    }

    fn network(&self, raw: &RawNetwork) -> Result<Network, Mistake> {
        let mac = raw.mac.as_ref().map(|mac| self.mac(mac)).transpose()?;
        let dns = raw.dns.iter().map(|server| self.ip(server)).collect::<Result<_, _>>()?;
        let address = match (raw.address.get_ref().as_str(), &raw.gateway) {
            ("dhcp", None) => Address::Dhcp,
            ("dhcp", Some(gateway)) => {
                return Err(self.mistake(gateway, "with dhcp the gateway comes from the network".to_owned()));
            }
            _ => self.fixed(&raw.address, raw.gateway.as_ref())?,
        };
        Ok(Network { mac, address, dns })
    }

    fn mac(&self, mac: &Spanned<String>) -> Result<String, Mistake> {
        let text = mac.get_ref().to_ascii_lowercase();
        let bytes: Vec<_> = text.split(':').collect();
        let hex = |byte: &&str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
        if bytes.len() == 6 && bytes.iter().all(hex) {
            return Ok(text);
        }
        Err(self.mistake(mac, format!("{:?} is no hardware address like 52:54:00:12:34:56", mac.get_ref())))
    }

    fn fixed(&self, raw: &Spanned<String>, gateway: Option<&Spanned<String>>) -> Result<Address, Mistake> {
        let text = raw.get_ref();
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            Some((address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?))
        });
        let Some((address, prefix)) = parts else {
            let reason =
                format!("{text:?} is neither \"dhcp\" nor an address with prefix like \"10.0.0.2/24\"");
            return Err(self.mistake(raw, reason));
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix == 0 || prefix > bits {
            return Err(self.mistake(raw, format!("a prefix of {prefix} bits is impossible here")));
        }
        let (host, mask) = (number(address), mask(prefix, bits));
        let ends = bits - prefix >= 2 && address.is_ipv4();
        let last = if bits == 32 { u128::from(u32::MAX) } else { u128::MAX };
        if address.is_loopback()
            || address.is_multicast()
            || address.is_unspecified()
            || (ends && (host & !mask & last == 0 || host | mask == last))
        {
            return Err(self.mistake(raw, format!("{text:?} cannot be the address of a box")));
        }
        let Some(at) = gateway else { return Ok(Address::Static { address, prefix, gateway: None }) };
        let gateway = self.ip(at)?;
        let near = gateway.is_ipv4() == address.is_ipv4() && number(gateway) & mask == host & mask;
        if !near || gateway == address {
            return Err(self.mistake(at, format!("the gateway {gateway} is no neighbour of {text}")));
        }
        Ok(Address::Static { address, prefix, gateway: Some(gateway) })
    }

    fn pool(&self, raw: &RawPool) -> Result<Pool, Mistake> {
        let layout = raw.layout.get_ref().as_str();
        let least = match layout {
            "single" => 1,
            "mirror" => 2,
            "raidz1" => 3,
            "raidz2" => 4,
            other => {
                let reason = format!("{other:?} is no layout; mirror, raidz1, raidz2 or single is expected");
                return Err(self.mistake(&raw.layout, reason));
            }
        };
        let disks = raw.disks.get_ref();
        if disks.len() < least || (layout == "single" && disks.len() > 1) {
            let reason = format!(
                "a {layout} pool takes {least} disks{}, not {}",
                if least == 1 { "" } else { " or more" },
                disks.len()
            );
            return Err(self.mistake(&raw.disks, reason));
        }
        for (index, disk) in disks.iter().enumerate() {
            let text = disk.get_ref();
            if text.is_empty() || text.contains('/') || text.chars().any(char::is_control) {
                return Err(
                    self.mistake(disk, format!("{text:?} is no serial number or name in /dev/disk/by-id"))
                );
            }
            if disks[..index].iter().any(|earlier| earlier.get_ref() == text) {
                return Err(self.mistake(disk, format!("disk {text:?} is named twice")));
            }
        }
        let disks = disks.iter().map(|disk| disk.get_ref().clone()).collect();
        Ok(Pool { layout: layout.to_owned(), disks })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn mask(prefix: u8, bits: u8) -> u128 {
    let ones = if bits == 32 { u128::from(u32::MAX) } else { u128::MAX };
    ones & !(ones.checked_shr(prefix.into()).unwrap_or(0))
}

#[cfg(test)]
pub mod tests;
