//! Copies of the workspace, to build in without touching the user's own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::paths;

/// Copies every file that git knows, as it is now, into the new folder `to`.
pub fn copy_workspace(to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(paths::workspace());
    let output = git.output().context("cannot start git, needed to list the sources")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git cannot list the sources: {said}");
    for file in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        copy(&paths::workspace().join(file), &to.join(file))?;
    }
    Ok(())
}

/// Copies a file, a link, or a folder with all in it; what does not exist is no loss.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let Ok(meta) = from.symlink_metadata() else { return Ok(()) };
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to.parent().unwrap_or(to)).with_context(failed)?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(from).with_context(failed)? {
            let name = entry.with_context(failed)?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
    } else if meta.is_symlink() {
        std::os::unix::fs::symlink(from.read_link()?, to).with_context(failed)?;
    } else {
        std::fs::copy(from, to).with_context(failed)?;
    }
    Ok(())
}
