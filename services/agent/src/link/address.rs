//! Where the box is: what a person typed, and the IP address that it stands for at this moment.

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

const HTTPS: u16 = 443;
/// How long one of several addresses of a name may take to answer before the next is tried.
const PROBE: Duration = Duration::from_secs(5);

/// A host name or IP address, and a port where it is not 443.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    host: String,
    port: u16,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an address: a host name or an IP address is expected, with `:PORT` where it is not 443"
)]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: HTTPS });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = match text.split_once(':') {
            None => (text, HTTPS),
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
        };
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if port == 0 || !host.strip_suffix('.').unwrap_or(host).split('.').all(label) {
            return Err(bad());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (_, HTTPS) => write!(f, "{}", self.host),
            (true, port) => write!(f, "[{}]:{port}", self.host),
            (false, port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// Leads every request to the box, whatever name stands in its URI: the URI has the fixed name of the box's certificate, so
/// that TLS checks that one.
#[derive(Debug, Clone)]
pub struct Locator {
    address: Address,
    current: Arc<Mutex<Option<IpAddr>>>,
}

impl Locator {
    /// Leads to `address`; `last` is the IP address it had when it was used last.
    pub fn new(address: Address, last: Option<IpAddr>) -> Self {
        let known = address.host.parse().ok().or(last);
        Self { address, current: Arc::new(Mutex::new(known)) }
    }

    /// What a person typed.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The IP address used last.
    pub fn current(&self) -> Option<IpAddr> {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the name up afresh. Of several addresses the first that answers is taken, because the box's iSCSI portal lies on
    /// the very address that its gateway was reached under.
    fn locate(&self) -> Result<SocketAddr, ureq::Error> {
        let found: Vec<_> = (self.address.host.as_str(), self.address.port).to_socket_addrs()?.collect();
        let chosen = match found.as_slice() {
            [] => return Err(ureq::Error::HostNotFound),
            [only] => *only,
            several => *several
                .iter()
                .find(|address| TcpStream::connect_timeout(address, PROBE).is_ok())
                .ok_or(ureq::Error::ConnectionFailed)?,
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen.ip());
        Ok(chosen)
    }
}

impl Resolver for Locator {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.locate()?);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:443", "192.0.2.7"),
            ("192.0.2.7:8443", "192.0.2.7:8443"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:8443", "[2001:db8::7]:8443"),
            ("box.example.net", "box.example.net"),
            ("box:8443", "box:8443"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "https://box", "box/", "box:", "box:0", "box:99999", "a b", "-box", "user@box"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("is not an address"), "{error}");
        }
    }

    #[test]
    fn a_name_is_looked_up_and_remembered() {
        let locator = Locator::new("localhost:1".parse().unwrap(), None);
        assert_eq!(locator.current(), None);
        // Nothing listens on port 1; where the name has one address only, that is found out later.
        if let Ok(found) = locator.locate() {
            assert!(found.ip().is_loopback());
            assert_eq!(locator.current(), Some(found.ip()));
        }
        let locator = Locator::new("192.0.2.7".parse().unwrap(), None);
        assert_eq!(locator.current(), Some("192.0.2.7".parse().unwrap()));
    }
}
