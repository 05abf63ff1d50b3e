//! `cargo xtask image RECIPE`

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe's file
    #[arg(default_value = "recipes/appliance.toml")]
    recipe: PathBuf,
    /// Certificates that updates must be signed by, PEM [default: the development keys]
    #[arg(long)]
    keyring: Option<PathBuf>,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    let builder = paths::builder(arguments.keyring.as_deref())?;
    let image = builder.build(&arguments.recipe)?;
    println!("{} in {:.0} s", image.name, image.seconds);
    let files =
        image.disk.iter().map(|p| ("disk", p)).chain(image.data_disks.iter().map(|(n, p)| (n.as_str(), p)));
    for (name, path) in files.chain([("kernel", &image.kernel), ("initramfs", &image.initramfs)]) {
        println!("  {name:<10} {:>8}  {}", size_on_disk(path)?, path.display());
    }
    if image.disk.is_some() {
        println!("  compressed {:>8}", mebibytes(builder.compressed_bytes(&image)?));
    }
    Ok(())
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
    use os_image::recipe::Recipe;

    fn recipes() -> Vec<Recipe> {
        let folder = paths::workspace().join("recipes");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
        files.map(|file| Recipe::load(&file).unwrap_or_else(|error| panic!("{error}"))).collect()
    }

    #[test]
    fn every_recipe_of_the_repository_is_valid() {
        assert!(recipes().len() >= 4);
    }

    #[test]
    fn the_appliance_that_ships_has_no_root_console() {
        for recipe in recipes() {
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
