//! The bill of materials of an image: what it is made of, from the packages of its root down to what is linked into its programs.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use os_sbom::{Expression, Inventory, Licence, Origin, Package, Sbom, cargo, debian};

use crate::cache::Stage;
use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::recipe::{Content, Recipe};
use crate::stages::programs::TARGET;
use crate::stages::{Context, root};
use crate::workspace::Crate;

/// What an image is made of.
pub(crate) struct Parts<'a> {
    /// Its packages.
    pub root: &'a Stage,
    /// Kernel modules built from packages that are not in the root.
    pub modules: Option<&'a Stage>,
    /// Recipes whose kernel and initramfs it has, and their roots, which lend no more than kernel and modules.
    pub included: &'a [(Recipe, Stage)],
    /// Programs.
    pub crates: &'a [&'a Crate],
    /// Whether some of those are linked statically.
    pub linked_statically: bool,
}

/// The name of the file in the stage, and in the image's `/usr/share/sbom`.
pub(crate) fn file_name(recipe: &Recipe) -> String {
    format!("{}.spdx.json", recipe.name)
}

/// SPDX in JSON.
pub(crate) fn stage(context: &Context, recipe: &Recipe, parts: &Parts) -> Result<Stage> {
    let included: Vec<_> = parts.included.iter().map(|(other, root)| (&other.name, &root.hash)).collect();
    let mut names: Vec<_> = parts.crates.iter().map(|krate| krate.name.as_str()).collect();
    names.sort();
    names.dedup();
    let key = Key::default()
        .value("image", &(&recipe.name, &recipe.version))
        .value("root", &parts.root.hash)
        .value("modules", &(parts.modules.map(|modules| &modules.hash), &recipe.module_packages))
        .value("included recipes", &included)
        .value("crates", &(&names, parts.linked_statically))
        .value("loader", &has_loader(recipe))
        .value("tools", &context.tools.hash)
        .value("source date", &context.packages.source_date())
        .value("builder", &include_str!("sbom.rs"))
        .merge("", context.workspace.manifests_key(parts.crates)?);
    context.cache.stage(&format!("sbom {}", recipe.name), &key, |out, _, log| {
        // Part of the image: the date of the build would make every build another.
        let seconds = context.packages.source_date().try_into().unwrap_or(i64::MAX);
        let created = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let version = recipe.version.as_deref().unwrap_or("unversioned");
        let mut sbom = Sbom::new(&recipe.name, version, created);
        let packages = packages(context, recipe, parts)?;
        complete(recipe, &packages)?;
        packages.into_iter().for_each(|inventory| sbom.add(inventory));
        if !names.is_empty() {
            sbom.add(crates(context, &names, log)?);
            sbom.add(standard_library(context));
        }
        let file = out.join(file_name(recipe));
        std::fs::write(&file, sbom.to_json()).at("write", &file)
    })
}

fn has_loader(recipe: &Recipe) -> bool {
    recipe.partitions.iter().any(|partition| partition.content == Some(Content::Loader))
}

/// Debian packages, those of other roots included that lend something.
fn packages(context: &Context, recipe: &Recipe, parts: &Parts) -> Result<Vec<Inventory>> {
    let debs = context.cache.persistent("debs")?;
    let mut found = vec![debian::Root::read(&parts.root.path.join("root.tar"))?.inventory(&debs)?];
    for (other, root) in parts.included {
        let kernel = format!("linux-image-{}", root::kernel_of(root, other)?);
        let root = debian::Root::read(&root.path.join("root.tar"))?;
        found.push(root.only(&[&kernel])?.inventory(&debs)?);
    }
    if let Some(modules) = parts.modules {
        let names: Vec<_> = recipe.module_packages.iter().map(String::as_str).collect();
        let (status, os_release) = (modules.path.join("status"), modules.path.join("os-release"));
        found.push(root_of(&status, &os_release)?.only(&names)?.inventory(&debs)?);
    }
    let tools = context.tools.path.join("root");
    let mut lent = Vec::new();
    lent.extend(has_loader(recipe).then_some("grub-efi-amd64-bin"));
    lent.extend((!parts.included.is_empty()).then_some("busybox-static")); // of their initramfs
    lent.extend(parts.linked_statically.then_some("libc6-dev"));
    let tools = root_of(&tools.join(debian::STATUS), &tools.join(debian::OS_RELEASE))?;
    found.push(tools.only(&lent)?.inventory(&debs)?);
    Ok(found)
}

/// Refuses packages whose files are gone: what is known of them would depend on what the cache happens to hold.
fn complete(recipe: &Recipe, inventories: &[Inventory]) -> Result<()> {
    let packages = inventories.iter().flat_map(|inventory| &inventory.packages);
    let gone = packages.filter(|package| package.sha256.is_none());
    let gone: Vec<_> = gone.map(|package| format!("{} {}", package.name, package.version)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(Error::content(
        &recipe.name,
        format!(
            "the package files of {} are no longer in the cache, and with them their licences",
            gone.join(", ")
        ),
        "remove the cache, to have them downloaded again",
    ))
}

fn root_of(status: &Path, os_release: &Path) -> Result<debian::Root> {
    let read = |file: &Path| std::fs::read_to_string(file).at("read", file);
    Ok(debian::Root::new(&read(status)?, &read(os_release)?)?)
}

fn crates(context: &Context, names: &[&str], log: &Log) -> Result<Inventory> {
    let workspace = &context.workspace.root;
    let mut metadata = Command::new("cargo");
    metadata
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])
        .current_dir(workspace);
    let metadata = log.run("ask cargo for the crates and their licences", metadata)?;
    let lock = workspace.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).at("read", &lock)?;
    Ok(cargo::Workspace::parse(&metadata, &lock)?.inventory(names)?)
}

/// Linked into every program, and no crate of the workspace. Its licence is that of its source tree (file COPYRIGHT).
fn standard_library(context: &Context) -> Inventory {
    let licence = Expression::parse("MIT OR Apache-2.0").map(Licence::stated).unwrap_or_default();
    let library = Package::new(Origin::Other, "rust-std", context.workspace.rust_release());
    Inventory { packages: vec![Package { licence, ..library }], relations: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_whose_file_is_gone_is_named() {
        let recipe: Recipe = toml::from_str("name = \"n\"\nrelease = \"r\"").unwrap();
        let there = Package { sha256: Some("00".into()), ..Package::new(Origin::Debian, "there", "1") };
        let inventory = |packages| [Inventory { packages, relations: Vec::new() }];
        assert!(complete(&recipe, &inventory(vec![there.clone()])).is_ok());
        let gone = Package::new(Origin::Debian, "gone", "2");
        let said = complete(&recipe, &inventory(vec![there, gone])).unwrap_err().to_string();
        assert!(said.contains("files of gone 2 are no longer"), "{said}");
    }
}
