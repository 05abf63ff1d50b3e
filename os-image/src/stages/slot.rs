//! What fills a slot: the root with its hash tree, and the kernel's partition, which knows the root's hash. The boot disk and
//! update bundles hold the same bytes.

use std::path::PathBuf;

use crate::cache::Stage;
use crate::error::{IoContext, Result};
use crate::key::Key;
use crate::recipe::{Content, Recipe};
use crate::stages::verity::{self, Verity};
use crate::stages::{Context, disk, grub};

/// The two images.
pub(crate) struct SlotImages {
    /// For a root's partition.
    pub root: PathBuf,
    /// For a kernel's partition, where the recipe has one.
    pub boot: Option<PathBuf>,
    /// Identifies all of it.
    pub hash: String,
    /// Where it stands how the root is protected, if it is.
    verity: Option<PathBuf>,
}

impl SlotImages {
    /// How the root is protected, if it is.
    pub fn verity(&self) -> Result<Option<Verity>> {
        self.verity.as_deref().map(Verity::load).transpose()
    }
}

const ROOT: &str = "root.img";
const BOOT: &str = "boot.img";

pub(crate) fn stage(
    context: &Context,
    recipe: &Recipe,
    base: &Stage,
    filesystem: &Stage,
) -> Result<SlotImages> {
    let root = filesystem.path.join(ROOT);
    let boot = recipe.partitions.iter().find(|partition| partition.content == Some(Content::Kernel));
    if !recipe.verity && boot.is_none() {
        return Ok(SlotImages { root, boot: None, verity: None, hash: filesystem.hash.clone() });
    }
    let key = Key::default()
        .value("name", &recipe.name)
        .value("kernel", &base.hash)
        .value("root filesystem", &filesystem.hash)
        .value("verity", &recipe.verity)
        .value("partition of the kernel", &boot)
        .value("kernel command line", &recipe.cmdline)
        .value("tools", &context.tools.hash)
        .value(
            "builder",
            &[
                include_str!("slot.rs"),
                include_str!("disk.rs"),
                include_str!("grub/mod.rs"),
                include_str!("verity/mod.rs"),
            ],
        );
    let stage = context.cache.stage(&format!("slot {}", recipe.name), &key, |out, scratch, log| {
        let verity = if recipe.verity {
            let verity = verity::protect(recipe, &root, &out.join(ROOT))?;
            verity.store(out)?;
            Some(verity)
        } else {
            None
        };
        let Some(boot) = boot else { return Ok(()) };
        for name in ["vmlinuz", "initrd.img"] {
            let from = base.path.join(name);
            std::fs::copy(&from, scratch.join(name)).at("copy", &from)?;
        }
        let file = scratch.join(grub::SLOT_CONFIG);
        std::fs::write(&file, grub::slot_config(recipe, verity.as_ref())).at("write", &file)?;
        let image = disk::make_partition(context, recipe, boot, scratch, log)?;
        let to = out.join(BOOT);
        std::fs::rename(&image, &to).at("move", &to)
    })?;
    Ok(SlotImages {
        root: if recipe.verity { stage.path.join(ROOT) } else { root },
        boot: boot.map(|_| stage.path.join(BOOT)),
        verity: recipe.verity.then_some(stage.path),
        hash: stage.hash,
    })
}
