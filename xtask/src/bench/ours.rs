//! Our side: builds of the copied workspace into a cache of their own, as `cargo xtask image` makes them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use os_image::{Builder, Image, Payload, StageReport};

use super::changed::Workspace;

pub struct Ours {
    pub workspace: Workspace,
    cache: PathBuf,
    keyring: PathBuf,
    recipe: PathBuf,
}

pub struct Built {
    pub image: Image,
    /// All of it, compiling included.
    pub seconds: f64,
    /// Compiling the services of the image, beside whatever else had to be built.
    pub compile_seconds: f64,
    /// Folder with their programs.
    pub programs: PathBuf,
}

impl Ours {
    /// A cache in `folder` that has of `cache` the packages, and, if `warm`, all results, else tools and kernel modules alone.
    pub fn prepare(folder: &Path, cache: &Path, warm: bool, recipe: &str, keyring: PathBuf) -> Result<Self> {
        let workspace = Workspace::copy_to(&folder.join("workspace"))?;
        let own = folder.join("cache");
        os_image::host::link_folder(&cache.join("debs"), &own.join("debs"))?;
        let stages = cache.join("stages");
        if warm {
            os_image::host::link_folder(&stages, &own.join("stages"))?;
            // With their times, by which cargo knows what it has compiled.
            for name in ["cargo-target", "cargo-src"] {
                let status = Command::new("cp").arg("-a").args([cache.join(name), own.join(name)]).status();
                let status = status.context("cannot start cp")?;
                ensure!(status.success(), "cp could not copy {}, see above", cache.join(name).display());
            }
        } else {
            for entry in stages.read_dir().with_context(|| format!("cannot list {}", stages.display()))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("tools-") || name.starts_with("modules-") {
                    os_image::host::link_folder(&entry.path(), &own.join("stages").join(&name))?;
                }
            }
        }
        let recipe = workspace.folder().join(recipe);
        Ok(Self { workspace, cache: own, keyring, recipe })
    }

    fn builder(&self) -> Result<Builder> {
        let builder = Builder::open(self.workspace.folder(), &self.cache)?;
        Ok(builder.with_keyring(self.keyring.clone()).in_steps())
    }

    pub fn build(&self) -> Result<Built> {
        let begin = Instant::now();
        let image = self.builder()?.build(&self.recipe)?;
        let seconds = begin.elapsed().as_secs_f64();
        let label = format!("programs {}", image.name);
        let programs = image.stages.iter().find(|report| report.stage == label);
        let StageReport { path, seconds: compile_seconds, .. } =
            programs.with_context(|| format!("the build has no stage `{label}`"))?.clone();
        Ok(Built { image, seconds, compile_seconds, programs: path })
    }

    /// What an update bundle of it carries.
    pub fn payload(&self) -> Result<Payload> {
        Ok(self.builder()?.payload(&self.recipe)?)
    }

    pub fn compressed_bytes(&self, image: &Image) -> Result<u64> {
        Ok(self.builder()?.compressed_bytes(image)?)
    }

    /// Names of the packages at hand.
    pub fn packages(&self) -> Result<usize> {
        let debs = self.cache.join("debs");
        Ok(debs.read_dir().with_context(|| format!("cannot list {}", debs.display()))?.count())
    }
}
