//! `cargo xtask image RECIPE`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use os_image::recipe::Recipe;
use os_image::{Builder, LockUpdate, Sizes};

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe's file [default: recipes/appliance.toml]
    recipe: Option<PathBuf>,
    /// As a release: refuse packages other than the locked ones, and compile from nothing
    #[arg(long)]
    locked: bool,
    /// Lock the packages that the mirror has now, and show what moved; builds nothing. Without a recipe: all, and the builder's tools
    #[arg(long, conflicts_with_all = ["locked", "sizes"])]
    update_lock: bool,
    /// Certificates that updates must be signed by, PEM [default: the development keys]
    #[arg(long)]
    keyring: Option<PathBuf>,
    /// Show what fills the image
    #[arg(long)]
    sizes: bool,
    /// As JSON, and nothing else
    #[arg(long, requires = "sizes")]
    json: bool,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    if arguments.update_lock {
        let builder = Builder::open(paths::workspace(), &paths::cache()?)?;
        return update_locks(&builder, arguments.recipe.as_deref());
    }
    let builder = paths::builder(arguments.keyring.as_deref())?;
    let builder = if arguments.locked { builder.locked() } else { builder.in_steps() };
    let recipe =
        arguments.recipe.clone().unwrap_or_else(|| paths::workspace().join("recipes/appliance.toml"));
    let image = builder.build(&recipe)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&builder.sizes(&image)?)?);
        return Ok(());
    }
    println!("{} in {:.0} s", image.name, image.seconds);
    let files =
        image.disk.iter().map(|p| ("disk", p)).chain(image.data_disks.iter().map(|(n, p)| (n.as_str(), p)));
    let sbom = image.sbom.iter().map(|path| ("sbom", path));
    for (name, path) in files.chain([("kernel", &image.kernel), ("initramfs", &image.initramfs)]).chain(sbom)
    {
        println!("  {name:<10} {:>8}  {}", size_on_disk(path)?, path.display());
    }
    if arguments.sizes {
        print!("{}", table(&builder.sizes(&image)?));
    }
    Ok(())
}

/// Updates the lock of a recipe and of those of the repository that inherit from it; or all of the repository, and its tools'.
fn update_locks(builder: &Builder, file: Option<&Path>) -> Result<()> {
    let mut wanted = recipes()?;
    match file {
        None => {
            let releases: BTreeSet<_> = wanted.iter().map(|(_, recipe)| recipe.release.clone()).collect();
            releases.iter().try_for_each(|release| show(&builder.update_tools_lock(release)?))?;
        }
        Some(file) => {
            let recipe = Recipe::load(file)?;
            wanted.retain(|(_, other)| {
                other.locks.len() > recipe.locks.len() && other.locks.starts_with(&recipe.locks)
            });
            wanted.push((file.to_owned(), recipe));
        }
    }
    wanted.sort_by_key(|(_, recipe)| recipe.locks.len()); // a lock is written against its parent's
    wanted.iter().try_for_each(|(file, _)| builder.update_lock(file)?.iter().try_for_each(show))
}

fn show(update: &LockUpdate) -> Result<()> {
    let file = update.file.strip_prefix(paths::workspace()).unwrap_or(&update.file).display();
    match update.changes.as_slice() {
        [] if !update.file.exists() => println!("{file}: not needed, its parent's says it all"),
        [] => println!("{file}: nothing moved"),
        changes => println!("{file}\n  {}", changes.join("\n  ")),
    }
    Ok(())
}

/// The recipes of the repository.
fn recipes() -> Result<Vec<(PathBuf, Recipe)>> {
    let mut files = Vec::new();
    for folder in ["recipes", "recipes/examples"].map(|folder| paths::workspace().join(folder)) {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            files.push(entry.with_context(|| format!("cannot list {}", folder.display()))?.path());
        }
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files.into_iter().map(|file| Ok((file.clone(), Recipe::load(&file)?))).collect()
}

/// Contributors in a table; `--json` has all.
const SHOWN: usize = 30;

fn table(sizes: &Sizes) -> String {
    let row = |name: &str, bytes: u64| {
        let share = bytes as f64 * 100.0 / sizes.bytes.max(1) as f64;
        format!("{:>9.1} MiB {share:>6.1} %  {name}\n", bytes as f64 / (1 << 20) as f64)
    };
    let (big, small) = sizes.contributors.split_at(SHOWN.min(sizes.contributors.len()));
    let mut text: String = big.iter().map(|part| row(&part.origin.to_string(), part.bytes)).collect();
    if !small.is_empty() {
        text += &row(&format!("{} smaller ones", small.len()), small.iter().map(|part| part.bytes).sum());
    }
    text += &row("all", sizes.bytes);
    for (name, bytes) in [("root", sizes.compressed_root), ("whole disk", sizes.compressed_disk)] {
        text += &bytes.map(|bytes| row(&format!("the {name}, compressed"), bytes)).unwrap_or_default();
    }
    text
}

/// What a sparse file really occupies.
fn size_on_disk(path: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    Ok(mebibytes(path.metadata()?.blocks() * 512))
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_tests::general;

    #[test]
    fn every_recipe_of_the_repository_is_valid() {
        assert!(recipes().unwrap().len() >= 4);
    }

    #[test]
    fn every_recipe_of_the_repository_is_locked() {
        for (file, recipe) in recipes().unwrap() {
            os_image::check_locks(paths::workspace(), &recipe)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    /// What a person sees with `cargo xtask explain --expanded` is what is built.
    #[test]
    fn every_recipe_written_out_means_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for (_, recipe) in recipes().unwrap() {
            let text = recipe.expanded().unwrap();
            let file = dir.path().join("expanded.toml");
            std::fs::write(&file, &text).unwrap();
            let again = Recipe::load(&file).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let data = |recipe: &Recipe| serde_json::to_value(recipe).unwrap();
            assert_eq!(data(&again), data(&recipe), "{text}");
        }
    }

    #[test]
    fn recipes_are_written_out_in_the_order_of_their_documentation() {
        let documented = std::fs::read_to_string(paths::workspace().join("recipes/README.md")).unwrap();
        let rows = documented.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
        let keys = rows.flat_map(|(keys, _)| keys.split(", ")).map(|key| key.trim_matches('`').to_owned());
        let documented: Vec<_> = keys.filter(|key| !key.ends_with(".toml")).collect();
        for (_, recipe) in recipes().unwrap() {
            let text = recipe.expanded().unwrap();
            let written: Vec<_> = text.parse::<toml::Table>().unwrap().keys().cloned().collect();
            let lines = text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.to_owned());
            let lines: Vec<_> = lines.filter(|key| written.contains(key)).collect();
            let expected: Vec<_> = documented.iter().filter(|key| written.contains(key)).cloned().collect();
            assert_eq!(lines, expected, "{text}");
        }
    }

    #[test]
    fn the_readme_shows_the_small_recipe_that_is_tested_in_ten_lines() {
        let read = |file: &str| std::fs::read_to_string(paths::workspace().join(file)).unwrap();
        let recipe = read(general::RECIPE);
        assert!(recipe.lines().count() <= 10);
        assert!(read("README.md").contains(&format!("```toml\n{recipe}```\n")));
    }

    #[test]
    fn the_appliance_that_ships_has_no_root_console() {
        for (_, recipe) in recipes().unwrap() {
            let open = recipe.files.iter().any(|folder| folder.ends_with("root-console/files"));
            assert_eq!(
                open,
                ["appliance-next", "appliance-qemu", "appliance-unhealthy", "machine-debian"]
                    .contains(&recipe.name.as_str()),
                "{}",
                recipe.name
            );
        }
    }
}
