//! Whether this host can build at all.

use crate::command::{CommandError, Log};
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
