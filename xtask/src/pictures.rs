//! `cargo xtask pictures`: what an owner sees at first boot, photographed for the README.

use anyhow::{Context, Result, bail};
use understudy_tests::first_boot;
use understudy_tests::narrate::Narrator;

use crate::{paths, setup};

/// Where the README has its pictures from.
const FOLDER: &str = "services/setup-wizard/pictures";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    let workspace = paths::workspace();
    let target = workspace.join("target/pictures");
    let album = target.join("album");
    first_boot::pictures(workspace, &paths::builder(None)?, &target.join("run"), &album, &Narrator::new())?;
    // Every page is photographed; those that the README shows are kept with it.
    let readme = std::fs::read_to_string(workspace.join("README.md")).context("cannot read README.md")?;
    for name in shown(&readme) {
        let (from, to) = (album.join(name), workspace.join(FOLDER).join(name));
        if !from.is_file() {
            bail!("README.md shows {FOLDER}/{name}, which no page is; the pages are in {}", album.display());
        }
        std::fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// The pictures in a text, by their file names.
fn shown(text: &str) -> Vec<&str> {
    text.split(&format!("({FOLDER}/")).skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_all_that_is_kept_and_nothing_else() {
        let readme = std::fs::read_to_string(paths::workspace().join("README.md")).unwrap();
        let mut shown = shown(&readme);
        let entries = std::fs::read_dir(paths::workspace().join(FOLDER)).unwrap();
        let mut kept: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        shown.sort();
        kept.sort();
        assert_eq!(shown, kept);
    }
}
