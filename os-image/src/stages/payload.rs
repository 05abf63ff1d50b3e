//! What an update bundle carries: the images of a slot, their block hash indexes, and the manifest, in a squashfs. It is signed
//! outside the cache, by whoever holds the key.

use std::path::{Path, PathBuf};

use rauc_bundle::block_hash_index::{BlockHashIndex, SUFFIX};
use rauc_bundle::manifest::{Adaptive, Image, Manifest};

use crate::cache::Stage;
use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::recipe::Recipe;
use crate::sha256;
use crate::stages::Context;
use crate::stages::slot::SlotImages;

const SQUASHFS: &str = "payload.squashfs";

/// The parts of a bundle that need no key.
#[derive(Debug)]
pub struct Payload {
    /// The squashfs.
    pub squashfs: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// The Debian release of the image.
    pub release: String,
    /// Block hash indexes, in the manifest's order.
    pub indexes: Vec<BlockHashIndex>,
}

/// Classes of slots as `system.conf` names them, and the files in the bundle.
const IMAGES: [(&str, &str); 2] = [("rootfs", "root.img"), ("boot", "boot.img")];

pub(crate) fn stage(context: &Context, recipe: &Recipe, slot: &SlotImages) -> Result<Payload> {
    let lacks =
        |what: &str, hint: &str| Error::content(&recipe.name, format!("an update needs {what}"), hint);
    let version = recipe.version.as_deref().ok_or_else(|| lacks("a version", "give `version = \"…\"`"))?;
    let compatible = recipe.compatible.as_deref().ok_or_else(|| {
        lacks("to know what boxes it is for", "give `compatible = \"…\"`, as in their system.conf")
    })?;
    let boot = slot.boot.as_ref().ok_or_else(|| {
        lacks("a kernel's partition of its own", "give the slots partitions with `content = \"kernel\"`")
    })?;
    let sources = [slot.root.as_path(), boot];

    let key = Key::default()
        .value("kernel and root", &slot.hash)
        .value("version", &version)
        .value("compatible", &compatible)
        .value("tools", &context.tools.hash)
        .value("builder", &[include_str!("payload.rs")]);
    let stage = context.cache.stage(&format!("payload {}", recipe.name), &key, |out, scratch, log| {
        let content = scratch.join("content");
        std::fs::create_dir(&content).at("create", &content)?;
        let mut images = Vec::new();
        for ((name, filename), source) in IMAGES.into_iter().zip(sources) {
            let image = content.join(filename);
            std::fs::copy(source, &image).at("copy", source)?;
            let index = BlockHashIndex::of_image(&image).map_err(failed(recipe))?;
            let index = index.write_beside(&image).map_err(failed(recipe))?;
            let kept = out.join(index.file_name().unwrap_or_default());
            std::fs::copy(&index, &kept).at("copy", &index)?;
            images.push(Image {
                name: name.into(),
                filename: filename.into(),
                sha256: rauc_bundle::Digest(sha256::of(&image)?),
                size: image.metadata().at("read", &image)?.len(),
                adaptive: vec![Adaptive::BlockHashIndex],
            });
        }
        let manifest = Manifest {
            compatible: compatible.into(),
            version: Some(version.into()),
            description: None,
            build: None,
            images,
            meta: Default::default(),
        };
        let text = manifest.to_text().map_err(failed(recipe))?;
        for folder in [&content, out] {
            let file = folder.join("manifest.raucm");
            std::fs::write(&file, &text).at("write", &file)?;
        }
        // Data is not compressed again: the root is already, and the box reads single blocks of it.
        let root = context.build_root().with_writable("content", &content).with_writable("out", out);
        let script = format!(
            "cd /run/build/content; chmod 0755 .; chmod 0644 *
             env -u SOURCE_DATE_EPOCH mksquashfs /run/build/content /run/build/out/{SQUASHFS} -no-progress -quiet -noD -all-root -no-xattrs \
             -mkfs-time 0 -all-time 0"
        );
        root.run(log, "pack the bundle", &script)?;
        Ok(())
    })?;
    load(recipe, &stage)
}

/// The block hash indexes in a bundle, in the order of a payload's.
pub(crate) fn indexes_of(context: &Context, bundle: &Path) -> Result<Vec<BlockHashIndex>> {
    let out = tempfile::tempdir_in(context.cache.persistent("tmp")?).at("create a folder in", bundle)?;
    let names = IMAGES.map(|(_, image)| format!("{image}{SUFFIX}"));
    let root = context.build_root().with("bundle", bundle).with_writable("out", out.path());
    let log = Log(context.cache.persistent("logs")?.join("bundle.log"));
    let script = format!("unsquashfs -n -q -f -d /run/build/out /run/build/bundle {}", names.join(" "));
    root.run(&log, "read the indexes of the bundle before", &script)?;
    let indexes = names.iter().map(|name| BlockHashIndex::read(&out.path().join(name)));
    indexes.collect::<Result<_, _>>().map_err(|error| {
        Error::content(
            &bundle.display().to_string(),
            error.to_string(),
            "give a bundle that `bundle` has made",
        )
    })
}

fn load(recipe: &Recipe, stage: &Stage) -> Result<Payload> {
    let file = stage.path.join("manifest.raucm");
    let text = std::fs::read_to_string(&file).at("read", &file)?;
    let indexes = IMAGES.map(|(_, image)| BlockHashIndex::read(&stage.path.join(format!("{image}{SUFFIX}"))));
    Ok(Payload {
        squashfs: stage.path.join(SQUASHFS),
        release: recipe.release.clone(),
        manifest: Manifest::parse(&text).map_err(failed(recipe))?,
        indexes: indexes.into_iter().collect::<Result<_, _>>().map_err(failed(recipe))?,
    })
}

fn failed<E: std::fmt::Display>(recipe: &Recipe) -> impl Fn(E) -> Error + '_ {
    |error| Error::content(&recipe.name, error.to_string(), "remove the cache if this does not go away")
}
