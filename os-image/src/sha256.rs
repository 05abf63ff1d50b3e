//! SHA-256 of files (FIPS 180-4): what locks, manifests and people compare.

use std::fs::File;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::{IoContext, Result};

/// The hash of a file's content.
pub(crate) fn of(file: &Path) -> Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(file).at("open", file)?, &mut hasher).at("read", file)?;
    Ok(hasher.finalize().into())
}

/// The same, hexadecimal.
pub fn sha256(file: &Path) -> Result<String> {
    Ok(of(file)?.iter().map(|byte| format!("{byte:02x}")).collect())
}
