//! What a machine starts with.

use std::path::PathBuf;

/// UEFI firmware as a pair of flash images. Take it from the guest image's own release: another release's build may
/// not run under the QEMU that is installed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// The code, used read-only (`OVMF_CODE_4M.fd`).
    pub code: PathBuf,
    /// The empty variable store (`OVMF_VARS_4M.fd`). Each machine gets a copy of its own, kept over a relaunch.
    pub vars: PathBuf,
}
