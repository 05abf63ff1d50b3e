//! What all records on the pool have in common: JSON with a `version`. Unknown versions are refused, old ones are read.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use understudy_bus::error::{Error, Result};

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads a record of a version up to `known`. `what` begins the error text.
pub fn parse<T: DeserializeOwned>(what: &str, text: &str, known: u32) -> Result<T> {
    let unreadable = |error: serde_json::Error| {
        Error::Corrupt(format!("{what} cannot be read: {error}; its properties on the pool are damaged"))
    };
    let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
    if version > known {
        return Err(Error::Failed(format!(
            "{what} has version {version}, this release knows versions up to {known}: boot the newer release again"
        )));
    }
    serde_json::from_str(text).map_err(unreadable)
}

/// Whether a newer release than this one, which knows versions up to `known`, has written a record.
pub fn is_newer(text: &str, known: u32) -> bool {
    serde_json::from_str::<Version>(text).is_ok_and(|found| found.version > known)
}
