//! What the agent keeps in its state directory, and how it writes there.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use understudy_wire::MachineId;

use crate::link::Address;

/// Where the agent keeps its state unless told otherwise.
pub const DIRECTORY: &str = "/var/lib/understudy-agent";

/// The name of the pairing's file: key, certificate and authority in one, so that no crash leaves some without the others.
pub const PAIRING: &str = "pairing.json";

/// Version of the pairing's file.
const VERSION: u32 = 1;

/// The state directory.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// With which box this machine is paired, and as whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    version: u32,
    /// Who this machine is on the box.
    pub machine: MachineId,
    /// Where the box is, as a person typed it.
    pub address: Address,
    /// The IP address that stood for when this machine was paired.
    pub last_ip: IpAddr,
    /// The agent's private key, PEM.
    pub key: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The box's certificate authority, PEM.
    pub authority: String,
}

impl fmt::Debug for Pairing {
    // The key must not reach a log through `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairing({} with {})", self.machine, self.address)
    }
}

impl Pairing {
    /// A pairing as the box has granted it.
    pub fn new(
        machine: MachineId,
        address: Address,
        last_ip: IpAddr,
        key: String,
        certificate: String,
        authority: String,
    ) -> Self {
        Self { version: VERSION, machine, address, last_ip, key, certificate, authority }
    }
}

impl StateDir {
    /// Uses this directory, which is made if it is absent, for the agent alone.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make {}; the agent runs as root", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The pairing; `None` before there is one.
    pub fn pairing(&self) -> anyhow::Result<Option<Pairing>> {
        let path = self.0.join(PAIRING);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let damaged = || format!("{} cannot be used; pair again with --again", path.display());
        let version: Version = serde_json::from_str(&text).with_context(damaged)?;
        if version.version != VERSION {
            bail!(
                "{} has version {}, of a newer agent; install that one, or pair again with --again",
                path.display(),
                version.version
            );
        }
        serde_json::from_str(&text).map(Some).with_context(damaged)
    }

    /// Stores the pairing, readable for root alone.
    pub fn store_pairing(&self, pairing: &Pairing) -> anyhow::Result<()> {
        write_atomically(&self.0.join(PAIRING), &serde_json::to_vec_pretty(pairing)?)
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Writes a file of root's alone beside the old one, then renames: a crash leaves the old or the new, whole.
pub fn write_atomically(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("cannot write {}; is the disk full or read-only?", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn pairing() -> Pairing {
        let ip = "192.0.2.7".parse().unwrap();
        Pairing::new(
            MachineId::new(),
            "box.example.net".parse().unwrap(),
            ip,
            "k".into(),
            "c".into(),
            "a".into(),
        )
    }

    #[test]
    fn a_pairing_reads_back_and_only_root_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        assert_eq!(state.pairing().unwrap(), None);
        let stored = pairing();
        state.store_pairing(&stored).unwrap();
        assert_eq!(state.pairing().unwrap(), Some(stored));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(&state.path().join(PAIRING))), (0o700, 0o600));
    }

    #[test]
    fn a_damaged_or_newer_pairing_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        for text in ["{", "{\"version\": 1}", "{\"version\": 2}"] {
            std::fs::write(dir.path().join(PAIRING), text).unwrap();
            let error = format!("{:#}", state.pairing().unwrap_err());
            assert!(error.contains("--again"), "{error}");
        }
    }

    #[test]
    fn a_pairing_prints_without_its_key() {
        assert!(!format!("{:?}", Pairing { key: "hush".into(), ..pairing() }).contains("hush"));
    }
}
