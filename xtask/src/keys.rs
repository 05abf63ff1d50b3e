//! `cargo xtask keys`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rauc_bundle::DevelopmentKeys;

use crate::paths;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder to make them in, outside the repository
    #[arg(long)]
    to: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = arguments.to.clone().map_or_else(folder, Ok)?;
    let keys = rauc_bundle::development_keys(&folder)?;
    println!("Development keys, for boxes that only you use:");
    println!("  {}  goes into images: boxes accept updates signed below it", keys.authority.display());
    println!("  {}  signs bundles, with {}", keys.signer.display(), keys.signer_key.display());
    Ok(())
}

/// The development keys of this user, made when they are first needed.
pub fn development() -> Result<DevelopmentKeys> {
    let folder = folder()?;
    let keys = DevelopmentKeys::at(&folder);
    if keys.authority.exists() {
        return Ok(keys);
    }
    eprintln!(
        "making development keys in {}; `cargo xtask keys --help` says what they are for",
        folder.display()
    );
    Ok(rauc_bundle::development_keys(&folder)?)
}

/// The certificates images are built with: those given, or the development keys' own.
pub fn keyring(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(file) => {
            file.canonicalize().with_context(|| format!("cannot find the keyring {}", file.display()))
        }
        None => Ok(development()?.authority),
    }
}

/// The certificates images would be built with, as far as they are there: makes no keys.
pub fn present_keyring(given: Option<&Path>) -> Result<Option<PathBuf>> {
    if given.is_some() || DevelopmentKeys::at(&folder()?).authority.exists() {
        return keyring(given).map(Some);
    }
    Ok(None)
}

fn folder() -> Result<PathBuf> {
    Ok(paths::config()?.join("development-keys"))
}
