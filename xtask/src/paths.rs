//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use os_image::Builder;

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The user's cache folder for everything of this project.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => std::env::home_dir().context("no home folder: set HOME or XDG_CACHE_HOME")?.join(".cache"),
    };
    Ok(base.join("understudy"))
}

/// The image builder of this workspace.
pub fn builder() -> Result<Builder> {
    Ok(Builder::open(workspace(), &cache()?)?)
}
