//! Package files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::tree::Tree;
use crate::error::{Error, IoContext, Result};
use crate::text::hex;

/// SHA-256 of a file, in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).reading(path)?;
    std::io::copy(&mut file, &mut hasher).reading(path)?;
    Ok(hex(&hasher.finalize()))
}

/// Adds the copyright files in a package to `tree`. dpkg-deb knows every compression that Debian ever used.
pub(super) fn add_copyright(tree: &mut Tree, deb: &Path) -> Result<()> {
    let failed = |reason: String| Error::Unpack { deb: deb.to_owned(), reason };
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("cannot start dpkg-deb: {e}")))?;
    let listed = match child.stdout.take() {
        Some(stdout) => tree.add_tar(BufReader::new(stdout)),
        None => Ok(()),
    };
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())));
    }
    listed.map_err(|e| failed(e.to_string()))
}
