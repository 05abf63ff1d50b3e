//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use os_image::Builder;

use crate::keys;

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The user's cache folder for everything of this project.
pub fn cache() -> Result<PathBuf> {
    of_user("XDG_CACHE_HOME", ".cache")
}

/// The user's folder for what this project must not lose: keys.
pub fn config() -> Result<PathBuf> {
    of_user("XDG_CONFIG_HOME", ".config")
}

/// XDG Base Directory Specification.
fn of_user(variable: &str, default: &str) -> Result<PathBuf> {
    let base = match std::env::var_os(variable) {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => std::env::home_dir()
            .with_context(|| format!("no home folder: set HOME or {variable}"))?
            .join(default),
    };
    Ok(base.join("understudy"))
}

/// The image builder of this workspace. Boxes accept updates that are signed by a certificate of `keyring`, or, without one, by this
/// user's development keys.
pub fn builder(keyring: Option<&Path>) -> Result<Builder> {
    Ok(Builder::open(workspace(), &cache()?)?.with_keyring(keys::keyring(keyring)?))
}
