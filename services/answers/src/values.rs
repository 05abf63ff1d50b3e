//! Single answers: each is parsed once, by the same rule for a file and for a keyboard, and right from then on.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Why a text is no such value; a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

fn refuse<T>(reason: String) -> Result<T, Reason> {
    Err(Reason(reason))
}

/// A text that one rule holds for.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                $check(text).map(Self)
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// A host name: one label (RFC 1123, section 2.1), in lower case.
    HostName,
    host_name
);
text!(
    /// A keymap's name, like `us` or `de`. Whether the box has it, the box knows.
    Keyboard,
    keyboard
);
text!(
    /// A name of the IANA time zone database. Whether the box has it, the box knows.
    TimeZone,
    time_zone
);
text!(
    /// A time server (NTP): its name or its address.
    TimeServer,
    time_server
);
text!(
    /// A hardware address in lower case, like `52:54:00:12:34:56`.
    Mac,
    mac
);
text!(
    /// A disk's serial number, or its name in `/dev/disk/by-id`.
    DiskName,
    disk_name
);

impl Default for Keyboard {
    fn default() -> Self {
        Self("us".to_owned())
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn host_name(text: &str) -> Result<String, Reason> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    refuse(format!(
        "{text:?} is no host name: 1 to 63 of a-z, 0-9 and hyphens are expected, no hyphen first or last"
    ))
}

fn keyboard(text: &str) -> Result<String, Reason> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['-', '.']) {
        return Ok(text.to_owned());
    }
    refuse(format!("{text:?} is no keyboard layout; one like \"us\" or \"de\" is expected"))
}

fn time_zone(text: &str) -> Result<String, Reason> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    if text.len() <= 255 && text.split('/').all(plain) {
        return Ok(text.to_owned());
    }
    refuse(format!("{text:?} is no time zone; one like \"Europe/Berlin\" is expected"))
}

fn time_server(text: &str) -> Result<String, Reason> {
    let name = text.len() <= 253 && text.split('.').all(is_label);
    // What looks like an address must be one: the last label of a name is not all digits.
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if text.parse::<IpAddr>().is_ok() || (name && !numeric) {
        return Ok(text.to_owned());
    }
    refuse(format!(
        "{text:?} is no time server: a name like \"ntp.example.org\" or an IP address is expected"
    ))
}

fn mac(text: &str) -> Result<String, Reason> {
    let bytes: Vec<_> = text.split(':').collect();
    let hex = |byte: &&str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    if bytes.len() == 6 && bytes.iter().all(hex) {
        return Ok(text.to_ascii_lowercase());
    }
    refuse(format!("{text:?} is no hardware address like 52:54:00:12:34:56"))
}

fn disk_name(text: &str) -> Result<String, Reason> {
    if !text.is_empty() && text.len() <= 255 && !text.contains('/') && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    refuse(format!("{text:?} is no serial number or name in /dev/disk/by-id"))
}

/// Tag of a virtual network (IEEE 802.1Q): 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vlan(u16);

impl Vlan {
    /// The tag.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for Vlan {
    type Error = Reason;

    fn try_from(number: i64) -> Result<Self, Reason> {
        match u16::try_from(number) {
            Ok(tag @ 1..=4094) => Ok(Self(tag)),
            _ => refuse(format!("{number} is no VLAN: 1 to 4094 are possible")),
        }
    }
}

impl FromStr for Vlan {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        text.parse::<i64>()
            .map_or_else(|_| refuse(format!("{text:?} is no VLAN: 1 to 4094 are possible")), Self::try_from)
    }
}

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fixed address with the length of its network's prefix, that a box can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    address: IpAddr,
    prefix: u8,
}

impl Fixed {
    /// The address alone.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Length of the network's prefix in bits.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    fn bits(self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn mask(self) -> u128 {
        let ones = ones(self.bits());
        ones & !ones.checked_shr(self.prefix.into()).unwrap_or(0)
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Fixed {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            Some((address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?))
        });
        let Some((address, prefix)) = parts else {
            return refuse(format!(
                "{text:?} is neither \"dhcp\" nor an address with prefix like \"10.0.0.2/24\""
            ));
        };
        let fixed = Self { address, prefix };
        let bits = fixed.bits();
        if prefix == 0 || prefix > bits {
            return refuse(format!("a prefix of {prefix} bits is impossible here"));
        }
        let (host, mask) = (number(address), fixed.mask());
        // First and last address of a network of IPv4 are not a host's (RFC 1122, section 3.2.1.3), but for pairs (RFC 3021).
        let ends = address.is_ipv4() && bits - prefix >= 2;
        if address.is_loopback()
            || address.is_multicast()
            || address.is_unspecified()
            || (ends && (host & !mask == 0 || host | mask == ones(bits)))
        {
            return refuse(format!("{text:?} cannot be the address of a box"));
        }
        Ok(fixed)
    }
}

/// Checks that `gateway` can be the router of a box at `fixed`.
pub fn check_gateway(fixed: Fixed, gateway: IpAddr) -> Result<(), Reason> {
    let mask = fixed.mask();
    let near = gateway.is_ipv4() == fixed.address.is_ipv4()
        && number(gateway) & mask == number(fixed.address) & mask
        && gateway != fixed.address;
    if near { Ok(()) } else { refuse(format!("the gateway {gateway} is no neighbour of {fixed}")) }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn ones(bits: u8) -> u128 {
    if bits == 32 { u128::from(u32::MAX) } else { u128::MAX }
}

/// How a pool's disks stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// One disk; its loss is the loss of everything.
    Single,
    /// Each disk holds everything.
    Mirror,
    /// Any one disk may fail.
    Raidz1,
    /// Any two disks may fail.
    Raidz2,
}

impl Layout {
    /// All of them, the simplest first.
    pub const ALL: [Self; 4] = [Self::Single, Self::Mirror, Self::Raidz1, Self::Raidz2];

    /// As it is written in a file and on the bus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Mirror => "mirror",
            Self::Raidz1 => "raidz1",
            Self::Raidz2 => "raidz2",
        }
    }

    /// How many disks it takes at least.
    pub fn least(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Mirror => 2,
            Self::Raidz1 => 3,
            Self::Raidz2 => 4,
        }
    }

    /// Whether it can be made of so many disks.
    pub fn takes(self, disks: usize) -> bool {
        if self == Self::Single { disks == 1 } else { disks >= self.least() }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let found = Self::ALL.into_iter().find(|layout| layout.name() == text);
        found.map_or_else(
            || refuse(format!("{text:?} is no layout; mirror, raidz1, raidz2 or single is expected")),
            Ok,
        )
    }
}

/// Checks that a pool of this layout can be made of so many disks.
pub fn check_disks(layout: Layout, disks: usize) -> Result<(), Reason> {
    if layout.takes(disks) {
        return Ok(());
    }
    let more = if layout == Layout::Single { "" } else { " or more" };
    let word = if layout.least() == 1 { "disk" } else { "disks" };
    refuse(format!("a {layout} pool takes {} {word}{more}, not {disks}", layout.least()))
}

/// An administrator's password as it is kept: a hash by Argon2id in PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// A hash can be guessed from: it does not belong in a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl FromStr for PasswordHash {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let hash = password_hash::PasswordHash::new(text);
        if hash.is_ok_and(|hash| {
            hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() && hash.salt.is_some()
        }) {
            return Ok(Self(text.to_owned()));
        }
        // Not the text itself: somebody may have written the password there.
        refuse(
            "this is no password hash; `cargo xtask answers hash` makes one, like \"$argon2id$v=19$…\""
                .to_owned(),
        )
    }
}
