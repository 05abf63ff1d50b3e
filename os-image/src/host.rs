//! Whether this host can build at all, and folders of files that belong to mapped users.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::{CommandError, Log, quote};
use crate::namespace;

/// Makes a user namespace with a range of users and mounts in it, as every build does.
pub fn prove_user_namespace() -> Result<(), CommandError> {
    let script = "mount -t tmpfs tmpfs /mnt; : > /mnt/file; chown 1:1 /mnt/file; mount -t proc proc /proc";
    run("make a user namespace", script)
}

/// Makes `to` the same folder as `from`, of hard links: for results that are never written to again. They may belong to mapped users.
pub fn link_folder(from: &Path, to: &Path) -> Result<(), CommandError> {
    let script = format!(
        "mkdir -p {parent}; cp -al {} {}",
        quote(from),
        quote(to),
        parent = quote(to.parent().unwrap_or(to))
    );
    run(&format!("link {}", from.display()), &script)
}

/// Removes a folder that may hold files of mapped users, which only a user namespace can delete.
pub fn remove(folder: &Path) -> Result<(), CommandError> {
    if std::fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    run(&format!("remove {}", folder.display()), &format!("rm -rf --one-file-system -- {}", quote(folder)))
}

/// Runs a script in a user namespace, with a log of its own, which a failure keeps: the message names it.
fn run(purpose: &str, script: &str) -> Result<(), CommandError> {
    static RUNS: AtomicU32 = AtomicU32::new(0); // several threads may be at it
    let name = format!("os-image-host-{}-{}.log", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let log = Log(std::env::temp_dir().join(name));
    log.run(purpose, namespace::command(script))?;
    let _ = std::fs::remove_file(&log.0);
    Ok(())
}
