//! UEFI firmware of the image's release, for the virtual machines that boot it: a host's older one may
//! not start under a newer QEMU.

use crate::cache::{Cache, Stage};
use crate::error::{IoContext, Result};
use crate::key::Key;

/// The files, by their names in the package.
pub(crate) const CODE: &str = "OVMF_CODE_4M.fd";
/// Variables, to be copied for every machine.
pub(crate) const VARS: &str = "OVMF_VARS_4M.fd";

/// `OVMF_CODE_4M.fd` and `OVMF_VARS_4M.fd`.
pub(crate) fn stage(cache: &Cache, tools: &Stage, release: &str) -> Result<Stage> {
    let key = Key::default().value("tools", &tools.hash).value("builder", &include_str!("firmware.rs"));
    cache.stage(&format!("firmware {release}"), &key, |out, _, _| {
        for name in [CODE, VARS] {
            let from = tools.path.join("root/usr/share/OVMF").join(name);
            std::fs::copy(&from, out.join(name)).at("copy the firmware", &from)?;
        }
        Ok(())
    })
}
