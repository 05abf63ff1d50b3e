//! `Cargo.lock`: which file of a registry each crate is.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

#[derive(serde::Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(serde::Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// SHA-256 of files, by name, version and source of the crate.
pub(super) type Checksums = BTreeMap<(String, String, String), String>;

/// The checksums of all crates that come as a file: those of the workspace and of Git do not.
pub(super) fn checksums(lock: &str) -> Result<Checksums> {
    let lock: Lock = toml::from_str(lock).map_err(|e| Error::Cargo {
        what: "Cargo.lock",
        reason: e.to_string(),
        from: "cargo itself",
    })?;
    let with_checksum =
        lock.package.into_iter().filter_map(|p| Some(((p.name, p.version, p.source?), p.checksum?)));
    Ok(with_checksum.collect())
}
