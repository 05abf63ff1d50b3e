//! Bundles for a box that runs version 0.1.0: good ones, and ones it must refuse.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rauc_bundle::{DevelopmentKeys, Manifest, Signer};

/// A folder of bundles.
pub struct Bundles {
    /// The folder.
    pub folder: PathBuf,
}

/// The next version, 0.2.0.
pub const NEXT: &str = "next.raucb";
/// Version 0.1.0, as the box is flashed with.
pub const SAME: &str = "same.raucb";
/// Version 0.3.0, which starts and does not become healthy.
pub const UNHEALTHY: &str = "unhealthy.raucb";

const OTHER_HARDWARE: &str = "other-hardware.raucb";
const TOO_OLD: &str = "too-old.raucb";
const STRANGER: &str = "stranger.raucb";
const UNSIGNED: &str = "unsigned.raucb";
const TRUNCATED: &str = "truncated.raucb";
/// The next version with one bit flipped.
pub const TAMPERED: &str = "tampered.raucb";

/// What a box must refuse, and a part of why it says so.
pub const REFUSED: [(&str, &str); 6] = [
    (OTHER_HARDWARE, "is for another-box, this box is understudy-x86-64"),
    (TOO_OLD, "0.0.9"),
    (STRANGER, "signature verification failed"),
    (UNSIGNED, "cannot be used"),
    (TRUNCATED, "cannot be used"),
    (TAMPERED, "is damaged"),
];

impl Bundles {
    /// Builds what is not built yet, and writes the bundles to `folder`.
    pub fn make(
        workspace: &Path,
        builder: &os_image::Builder,
        keys: &DevelopmentKeys,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let signer = Signer::load(&keys.signer, &keys.signer_key)?;
        let recipe = |name: &str| builder.payload(&workspace.join("recipes").join(name));
        let write = |squashfs: &Path, manifest: &Manifest, signer: &Signer, name: &str| {
            rauc_bundle::write(squashfs, manifest, signer, None, &folder.join(name))
        };

        let unhealthy = recipe("appliance-unhealthy.toml")?;
        write(&unhealthy.squashfs, &unhealthy.manifest, &signer, UNHEALTHY)?;
        let same = recipe("appliance-qemu.toml")?;
        write(&same.squashfs, &same.manifest, &signer, SAME)?;
        let next = recipe("appliance-next.toml")?;
        write(&next.squashfs, &next.manifest, &signer, NEXT)?;

        let other = Manifest { compatible: "another-box".into(), ..next.manifest.clone() };
        write(&next.squashfs, &other, &signer, OTHER_HARDWARE)?;
        let old = Manifest { version: Some("0.0.9".into()), ..next.manifest.clone() };
        write(&next.squashfs, &old, &signer, TOO_OLD)?;
        let strangers = tempfile::tempdir()?;
        let strangers = rauc_bundle::development_keys(&strangers.path().join("keys"))?;
        let stranger = Signer::load(&strangers.signer, &strangers.signer_key)?;
        write(&next.squashfs, &next.manifest, &stranger, STRANGER)?;

        let mut bytes = std::fs::read(folder.join(NEXT))?;
        std::fs::write(folder.join(UNSIGNED), std::fs::read(&next.squashfs)?)?;
        std::fs::write(folder.join(TRUNCATED), &bytes[..bytes.len() - 4096])?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(folder.join(TAMPERED), &bytes)?;
        Ok(Self { folder: folder.to_owned() })
    }
}
