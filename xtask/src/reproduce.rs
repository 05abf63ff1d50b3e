//! `cargo xtask reproduce`: builds a recipe twice, each time from nothing but locks, packages and sources, and compares every
//! byte of the results.

mod once;
mod report;
mod second;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use once::Built;
use os_image::{Builder, divergence};
use report::{Compared, Report};

use crate::{keys, paths, setup};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The recipe's file
    #[arg(default_value = "recipes/appliance.toml")]
    recipe: PathBuf,
    /// Certificates that go into the image [default: the development keys]
    #[arg(long)]
    keyring: Option<PathBuf>,
    /// Where to build; both builds of the appliance take some 15 GB
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// Keep both builds; they are kept anyway if they differ
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    consent: setup::Consent,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// One of the two builds
    #[command(hide = true)]
    Once(once::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Verb::Once(arguments)) = &arguments.verb {
        return once::run(arguments);
    }
    setup::ensure(&arguments.consent)?;
    let recipe = &arguments.recipe;
    let recipe =
        recipe.canonicalize().with_context(|| format!("cannot find the recipe {}", recipe.display()))?;
    let keyring = keys::keyring(arguments.keyring.as_deref())?;
    let folder = tempfile::Builder::new()
        .prefix("understudy-reproduce-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(&arguments.folder)
        .with_context(|| format!("cannot make a folder in {}", arguments.folder.display()))?
        .keep();
    let (first, second) = (folder.join("first"), folder.join("second"));
    let packages = paths::cache()?.join("debs");

    let started = Instant::now();
    eprintln!("first build, in {}", first.display());
    seed(&packages, &first.join("cache/debs"))?;
    let one = once::start(
        &mut Command::new(std::env::current_exe()?),
        paths::workspace(),
        &recipe,
        &keyring,
        &first,
    )?;
    seed(&first.join("cache/debs"), &packages)?; // what had to be downloaded serves the second build and later ones

    eprintln!("second build, in {}", second.display());
    seed(&packages, &second.join("cache/debs"))?;
    let later = started.elapsed();
    let surroundings = second::Surroundings::prepare(&second, &keyring)?;
    let inside = recipe.strip_prefix(paths::workspace()).map(|path| surroundings.workspace().join(path));
    let copy = inside.unwrap_or_else(|_| recipe.clone());
    let other = once::start(
        &mut surroundings.command(),
        &surroundings.workspace(),
        &copy,
        &surroundings.keyring(),
        &second,
    )?;

    let results = compare(&one, &other)?;
    let same = results.iter().all(Compared::same);
    let divergence = if same {
        None
    } else {
        let builder = Builder::open(paths::workspace(), &first.join("cache"))?;
        builder.first_divergence(&one.release, [&one.stages, &other.stages])?
    };
    let report = Report {
        recipe: arguments.recipe.clone(),
        commit: commit()?,
        reproducible: same,
        varied: surroundings.varied(&first, later),
        results,
        divergence,
        seconds: started.elapsed().as_secs_f64(),
    };
    print!("{report}");
    store(&report)?;
    if arguments.keep || !same {
        println!("both builds are kept in {}", folder.display());
    } else {
        os_image::host::remove(&folder)?;
    }
    if !same {
        bail!("two builds of {} are not the same", arguments.recipe.display());
    }
    Ok(())
}

/// Writes the report beside what cargo makes.
fn store(report: &Report) -> Result<()> {
    let file = paths::workspace().join("target/reproduce.json");
    let text = serde_json::to_vec_pretty(report)?;
    let folder = file.parent().unwrap_or(&file);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, text))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("the same as JSON: {}", file.display());
    Ok(())
}

/// Shows the files of one package cache in another.
fn seed(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let Ok(files) = std::fs::read_dir(from) else { return Ok(()) };
    for file in files {
        let (from, to) = {
            let file = file?;
            (file.path(), to.join(file.file_name()))
        };
        if from.is_file() && !to.exists() && std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}

fn compare(one: &Built, other: &Built) -> Result<Vec<Compared>> {
    let mut compared = Vec::new();
    for (name, file) in &one.results {
        let twin = other.results.get(name).with_context(|| format!("the second build has no {name}"))?;
        compared.push(Compared {
            name: name.clone(),
            bytes: [file.metadata()?.len(), twin.metadata()?.len()],
            sha256: [os_image::sha256(file)?, os_image::sha256(twin)?],
            first_differing_byte: divergence::first_differing_byte([file, twin])?,
        });
    }
    Ok(compared)
}

/// The commit, and whether files differ from it.
fn commit() -> Result<String> {
    let git = |words: &[&str]| -> Result<String> {
        let out = Command::new("git")
            .args(words)
            .current_dir(paths::workspace())
            .output()
            .context("cannot start git")?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let changed = !git(&["status", "--porcelain"])?.is_empty();
    Ok(git(&["rev-parse", "HEAD"])? + if changed { ", with changes" } else { "" })
}
