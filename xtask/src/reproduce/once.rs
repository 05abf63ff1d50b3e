//! One of the two builds, in a process of its own: that can belong to another user, and have another umask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use os_image::recipe::Recipe;
use os_image::{Builder, StageReport};

#[derive(clap::Args)]
pub struct Arguments {
    recipe: PathBuf,
    #[arg(long)]
    workspace: PathBuf,
    #[arg(long)]
    cache: PathBuf,
    #[arg(long)]
    keyring: PathBuf,
    /// Gets [`Built`], as JSON
    #[arg(long)]
    to: PathBuf,
}

/// What a build has made.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Built {
    /// The image's Debian release.
    pub release: String,
    /// Its stages, in their order.
    pub stages: Vec<StageReport>,
    /// What it comes to.
    pub results: BTreeMap<String, PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { recipe, workspace, cache, keyring, to } = arguments;
    let builder = Builder::open(workspace, cache)?.with_keyring(keyring.clone()).locked();
    let image = builder.build(recipe)?;
    let mut results = image.data_disks;
    results.extend(image.disk.map(|disk| ("disk".to_owned(), disk)));
    results.extend(image.sbom.map(|sbom| ("sbom".to_owned(), sbom)));
    results.insert("kernel".into(), image.kernel);
    results.insert("initramfs".into(), image.initramfs);
    if Recipe::load(recipe)?.compatible.is_some() {
        results.insert("payload".into(), builder.payload(recipe)?.squashfs);
    }
    let built = Built { release: image.release, stages: builder.reports(), results };
    std::fs::write(to, serde_json::to_vec(&built)?).with_context(|| format!("cannot write {}", to.display()))
}

/// Builds with `xtask`, which may be started in other surroundings.
pub fn start(
    xtask: &mut Command,
    workspace: &Path,
    recipe: &Path,
    keyring: &Path,
    folder: &Path,
) -> Result<Built> {
    let to = folder.join("built.json");
    xtask.args(["reproduce", "once"]).arg(recipe);
    for (name, path) in [
        ("--workspace", workspace),
        ("--cache", &folder.join("cache")),
        ("--keyring", keyring),
        ("--to", &to),
    ] {
        xtask.arg(name).arg(path);
    }
    let status = xtask.status().context("cannot start a build")?;
    if !status.success() {
        bail!("the build in {} failed ({status}); its message stands above", folder.display());
    }
    let text = std::fs::read(&to).with_context(|| format!("cannot read {}", to.display()))?;
    Ok(serde_json::from_slice(&text)?)
}
