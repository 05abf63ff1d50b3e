//! The root under dm-verity: a hash tree behind the filesystem, opened by a script in the initramfs with the hash that the boot
//! loader's configuration has.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use dm_verity::{BLOCK, Salt};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, IoContext, Result};
use crate::overlay::Overlay;
use crate::recipe::Recipe;

/// Debian packages that a root under dm-verity needs in its image.
pub(crate) const PACKAGES: [&str; 1] = ["cryptsetup-bin"];

/// What the kernel has to be told of a protected root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verity {
    /// Blocks of 4 KiB, behind which the tree begins.
    pub blocks: u64,
    /// Hexadecimal.
    pub salt: String,
    /// The root of the tree, hexadecimal.
    pub hash: String,
}

const FILE: &str = "verity.json";

impl Verity {
    /// The words that the script in the initramfs reads.
    pub(crate) fn command_line(&self, partition: &str) -> String {
        let Self { blocks, salt, hash } = self;
        format!(
            "root=/dev/mapper/root verity.data=PARTUUID={partition} verity.blocks={blocks} verity.salt={salt} verity.hash={hash}"
        )
    }

    pub(crate) fn store(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        let text = serde_json::to_vec_pretty(self).expect("plain data with string keys");
        std::fs::write(&file, text).at("write", &file)
    }

    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = std::fs::read(&file).at("read", &file)?;
        serde_json::from_slice(&text).map_err(|error| {
            Error::content(&file.display().to_string(), error.to_string(), "remove the cache")
        })
    }
}

/// Copies a read-only filesystem and puts its hash tree behind it.
///
/// The salt depends on what boxes it is for alone: what is the same in two versions has the same hashes, and an update need not carry
/// them.
pub(crate) fn protect(recipe: &Recipe, filesystem: &Path, to: &Path) -> Result<Verity> {
    std::fs::copy(filesystem, to).at("copy", filesystem)?;
    let size = to.metadata().at("read", to)?.len();
    let name = &recipe.name;
    let boxes = recipe.compatible.as_ref().unwrap_or(name);
    let salt = Salt(Sha256::digest(format!("verity of {boxes}")).into());
    let mut data = BufReader::with_capacity(256 * BLOCK, File::open(filesystem).at("read", filesystem)?);
    let mut tree = File::options().write(true).open(to).at("write", to)?;
    tree.seek(SeekFrom::Start(size)).at("write", to)?;
    let hash = dm_verity::build(&mut data, size, &salt, &mut tree).map_err(|error| {
        Error::content(name, format!("its root cannot be protected: {error}"), "use `filesystem = \"erofs\"`")
    })?;
    Ok(Verity { blocks: size / BLOCK as u64, salt: salt.to_string(), hash: hash.to_string() })
}

/// Where in the root lies what opens it while the system starts.
pub(crate) const SCRIPTS: [(&str, &str); 2] = [
    ("etc/initramfs-tools/hooks/verity", include_str!("initramfs-hook")),
    ("etc/initramfs-tools/scripts/local-top/verity", include_str!("initramfs-script")),
];

pub(crate) fn add_to(overlay: &mut Overlay) {
    SCRIPTS.into_iter().for_each(|(to, text)| overlay.program(to, text));
}
