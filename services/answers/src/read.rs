//! From a file's text: raw form first, then checked form; whatever is wrong is refused with its line.

use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use crate::answers::{Address, Answers, Import, Network, NewPool, Pool};
use crate::place::line_at;
use crate::values::{DiskName, Fixed, Layout, Vlan, check_disks, check_gateway};
use crate::{FILE, VERSION};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{FILE}, line {line}: {reason}")]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// A sentence for a person.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: Spanned<i64>,
    host_name: Spanned<String>,
    keyboard: Option<Spanned<String>>,
    time_zone: Option<Spanned<String>>,
    #[serde(default)]
    time_servers: Vec<Spanned<String>>,
    password_hash: Option<Spanned<String>>,
    network: RawNetwork,
    pool: Spanned<RawPool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    mac: Option<Spanned<String>>,
    vlan: Option<Spanned<i64>>,
    address: Spanned<String>,
    gateway: Option<Spanned<String>>,
    #[serde(default)]
    dns: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPool {
    layout: Option<Spanned<String>>,
    disks: Option<Spanned<Vec<Spanned<String>>>>,
    erase: Option<Spanned<Vec<Spanned<String>>>>,
    encryption: Option<Spanned<bool>>,
    import: Option<Spanned<String>>,
}

/// Reads a file's text.
pub fn parse(text: &str) -> Result<Answers, Mistake> {
    let source = Source(text);
    // An unknown version is said before its unknown keys are.
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<Spanned<i64>>,
    }
    if let Ok(Versioned { version: Some(version) }) = toml::from_str(text)
        && *version.get_ref() != VERSION
    {
        let reason = format!("version {} is unknown; version {VERSION} is read here", version.get_ref());
        return Err(source.mistake(&version, reason));
    }
    let raw: Raw = source.raw()?;
    debug_assert_eq!(*raw.version.get_ref(), VERSION);
    Ok(Answers {
        host_name: source.value(&raw.host_name)?,
        keyboard: source.optional(raw.keyboard.as_ref())?.unwrap_or_default(),
        time_zone: source.optional(raw.time_zone.as_ref())?.unwrap_or_default(),
        time_servers: source.values(&raw.time_servers)?,
        password_hash: source.optional(raw.password_hash.as_ref())?,
        network: source.network(&raw.network)?,
        pool: source.pool(&raw.pool)?,
    })
}

/// Reads a text that holds the section `[network]` alone.
pub fn parse_network(text: &str) -> Result<Network, Mistake> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        network: RawNetwork,
    }
    let source = Source(text);
    let section: Section = source.raw()?;
    source.network(&section.network)
}

struct Source<'a>(&'a str);

impl Source<'_> {
    fn raw<T: serde::de::DeserializeOwned>(&self) -> Result<T, Mistake> {
        toml::from_str(self.0).map_err(|error| Mistake {
            line: self.line(error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })
    }

    fn line(&self, offset: usize) -> usize {
        line_at(self.0, offset)
    }

    fn mistake<T>(&self, at: &Spanned<T>, reason: impl ToString) -> Mistake {
        Mistake { line: self.line(at.span().start), reason: reason.to_string() }
    }

    fn value<T: FromStr<Err: ToString>>(&self, text: &Spanned<String>) -> Result<T, Mistake> {
        text.get_ref().parse().map_err(|reason: T::Err| self.mistake(text, reason))
    }

    fn optional<T: FromStr<Err: ToString>>(
        &self,
        text: Option<&Spanned<String>>,
    ) -> Result<Option<T>, Mistake> {
        text.map(|text| self.value(text)).transpose()
    }

    fn values<T: FromStr<Err: ToString>>(&self, texts: &[Spanned<String>]) -> Result<Vec<T>, Mistake> {
        texts.iter().map(|text| self.value(text)).collect()
    }

    fn ip(&self, text: &Spanned<String>) -> Result<std::net::IpAddr, Mistake> {
        let parsed = text.get_ref().parse();
        parsed.map_err(|_| self.mistake(text, format!("{:?} is no IP address", text.get_ref())))
    }

    fn network(&self, raw: &RawNetwork) -> Result<Network, Mistake> {
        let vlan = raw
            .vlan
            .as_ref()
            .map(|vlan| Vlan::try_from(*vlan.get_ref()).map_err(|reason| self.mistake(vlan, reason)));
        Ok(Network {
            mac: self.optional(raw.mac.as_ref())?,
            vlan: vlan.transpose()?,
            address: self.address(raw)?,
            dns: raw.dns.iter().map(|server| self.ip(server)).collect::<Result<_, _>>()?,
        })
    }

    fn address(&self, raw: &RawNetwork) -> Result<Address, Mistake> {
        if raw.address.get_ref() == "dhcp" {
            return match &raw.gateway {
                None => Ok(Address::Dhcp),
                Some(gateway) => Err(self.mistake(gateway, "with dhcp the gateway comes from the network")),
            };
        }
        let address: Fixed = self.value(&raw.address)?;
        let gateway = raw.gateway.as_ref().map(|at| {
            let gateway = self.ip(at)?;
            check_gateway(address, gateway).map_err(|reason| self.mistake(at, reason))?;
            Ok(gateway)
        });
        Ok(Address::Static { address, gateway: gateway.transpose()? })
    }

    fn pool(&self, at: &Spanned<RawPool>) -> Result<Pool, Mistake> {
        let raw = at.get_ref();
        let Some(import) = &raw.import else { return self.new_pool(at).map(Pool::New) };
        let other = [
            raw.layout.as_ref().map(|layout| ("layout", self.line(layout.span().start))),
            raw.disks.as_ref().map(|disks| ("disks", self.line(disks.span().start))),
            raw.erase.as_ref().map(|erase| ("erase", self.line(erase.span().start))),
            raw.encryption.as_ref().map(|encryption| ("encryption", self.line(encryption.span().start))),
        ];
        if let Some((key, line)) = other.into_iter().flatten().next() {
            let reason = format!("a pool that is imported has its {key} already; leave {key} or import out");
            return Err(Mistake { line, reason });
        }
        match import.get_ref().as_str() {
            "only" => Ok(Pool::Import(Import::Only)),
            guid => match guid.parse() {
                Ok(guid) => Ok(Pool::Import(Import::Guid(guid))),
                Err(_) => {
                    let reason = format!("{guid:?} is neither \"only\" nor the number of a pool (its GUID)");
                    Err(self.mistake(import, reason))
                }
            },
        }
    }

    fn new_pool(&self, at: &Spanned<RawPool>) -> Result<NewPool, Mistake> {
        let raw = at.get_ref();
        let (Some(layout), Some(disks)) = (&raw.layout, &raw.disks) else {
            let absent = if raw.layout.is_none() { "layout" } else { "disks" };
            return Err(self.mistake(
                at,
                format!("{absent} is missing: [pool] has layout and disks for a new pool, or import for one there is"),
            ));
        };
        let kind: Layout = self.value(layout)?;
        check_disks(kind, disks.get_ref().len()).map_err(|reason| self.mistake(disks, reason))?;
        let names = self.distinct(disks.get_ref())?;
        let erase = raw.erase.as_ref().map_or(&[][..], |erase| erase.get_ref());
        for (text, name) in erase.iter().zip(self.distinct(erase)?) {
            if !names.contains(&name) {
                let reason =
                    format!("{name:?} is to be erased and is none of the pool's disks", name = name.as_str());
                return Err(self.mistake(text, reason));
            }
        }
        Ok(NewPool {
            layout: kind,
            disks: names,
            erase: self.values(erase)?,
            encryption: raw.encryption.as_ref().is_some_and(|encryption| *encryption.get_ref()),
        })
    }

    fn distinct(&self, texts: &[Spanned<String>]) -> Result<Vec<DiskName>, Mistake> {
        let names: Vec<DiskName> = self.values(texts)?;
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(self.mistake(&texts[index], format!("disk {:?} is named twice", name.as_str())));
            }
        }
        Ok(names)
    }
}
