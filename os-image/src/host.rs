//! Whether this host can build at all.

use std::path::Path;

use crate::command::{CommandError, Log, quote};
use crate::namespace;

/// Makes a user namespace with a range of users and mounts in it, as every build does.
pub fn prove_user_namespace() -> Result<(), CommandError> {
    let log = Log(std::env::temp_dir().join(format!("os-image-namespace-{}.log", std::process::id())));
    let script = "mount -t tmpfs tmpfs /mnt; : > /mnt/file; chown 1:1 /mnt/file; mount -t proc proc /proc";
    log.run("make a user namespace", namespace::command(script))?;
    // A failure keeps its log, which the message names.
    let _ = std::fs::remove_file(&log.0);
    Ok(())
}

/// Makes `to` the same folder as `from`, of hard links: for results that are never written to again. They may belong to mapped users.
pub fn link_folder(from: &Path, to: &Path) -> Result<(), CommandError> {
    let log = Log(std::env::temp_dir().join(format!("os-image-link-{}.log", std::process::id())));
    let script = format!(
        "mkdir -p {parent}; cp -al {} {}",
        quote(from),
        quote(to),
        parent = quote(to.parent().unwrap_or(to))
    );
    log.run(&format!("link {}", from.display()), namespace::command(&script))?;
    let _ = std::fs::remove_file(&log.0);
    Ok(())
}

/// Removes a folder that may hold files of mapped users, which only a user namespace can delete.
pub fn remove(folder: &Path) -> Result<(), CommandError> {
    if std::fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    let log = Log(std::env::temp_dir().join(format!("os-image-remove-{}.log", std::process::id())));
    let script = format!("rm -rf --one-file-system -- {}", quote(folder));
    log.run(&format!("remove {}", folder.display()), namespace::command(&script))?;
    let _ = std::fs::remove_file(&log.0);
    Ok(())
}
