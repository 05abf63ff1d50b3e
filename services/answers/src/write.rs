//! To a file's text.

use std::fmt;

use crate::VERSION;
use crate::answers::{Address, Answers, Import, Network, Pool};

/// The text of `understudy.toml`: reads back as the same answers. What is as it would be without its line is left out.
impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version = {VERSION}")?;
        writeln!(f, "host_name = {}", quoted(&self.host_name))?;
        writeln!(f, "keyboard = {}", quoted(&self.keyboard))?;
        writeln!(f, "time_zone = {}", quoted(&self.time_zone))?;
        if !self.time_servers.is_empty() {
            writeln!(f, "time_servers = {}", list(&self.time_servers))?;
        }
        if let Some(hash) = &self.password_hash {
            writeln!(f, "password_hash = {}", quoted(hash.as_str()))?;
        }
        write!(f, "\n{}\n{}", self.network, self.pool)
    }
}

/// The file's section `[network]`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[network]")?;
        if let Some(mac) = &self.mac {
            writeln!(f, "mac = {}", quoted(mac))?;
        }
        if let Some(vlan) = self.vlan {
            writeln!(f, "vlan = {vlan}")?;
        }
        match &self.address {
            Address::Dhcp => writeln!(f, "address = \"dhcp\"")?,
            Address::Static { address, gateway } => {
                writeln!(f, "address = {}", quoted(address))?;
                if let Some(gateway) = gateway {
                    writeln!(f, "gateway = {}", quoted(gateway))?;
                }
            }
        }
        if self.dns.is_empty() { Ok(()) } else { writeln!(f, "dns = {}", list(&self.dns)) }
    }
}

/// The file's section `[pool]`.
impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[pool]")?;
        let new = match self {
            Self::Import(Import::Only) => return writeln!(f, "import = \"only\""),
            Self::Import(Import::Guid(guid)) => return writeln!(f, "import = \"{guid}\""),
            Self::New(new) => new,
        };
        writeln!(f, "layout = {}", quoted(new.layout))?;
        writeln!(f, "disks = {}", list(&new.disks))?;
        if !new.erase.is_empty() {
            writeln!(f, "erase = {}", list(&new.erase))?;
        }
        if new.encryption { writeln!(f, "encryption = true") } else { Ok(()) }
    }
}

fn quoted(value: impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn list(values: &[impl ToString]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value.to_string())).collect::<Vec<_>>().join(", "))
}
