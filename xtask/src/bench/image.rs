//! `cargo xtask bench image`: the builder against mkosi, and what the image is like.
//!
//! Counted is what is left to do once programs that build are installed and packages are downloaded, on both sides; compiling the
//! services counts on both, as it was measured on ours. In a cold build ours compiles while it makes other stages, which slow the
//! compiler down: that figure is kinder to ours than to mkosi.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use os_image::StageReport;
use os_image::recipe::Recipe;
use serde_json::json;
use understudy_tests::boot::{self, Boots};
use understudy_tests::narrate::Narrator;
use understudy_tests::world::{World, firmware};

use super::figures::{Figure, table};
use super::mkosi::{Mkosi, With};
use super::ours::Ours;
use crate::{bundle, keys, paths, setup};

/// In the workspace.
const RECIPE: &str = "recipes/appliance-qemu.toml";

/// Targets. Of seconds and bytes for people, of mkosi's for whoever has another machine.
const CHANGED_SECONDS: f64 = 15.0;
const CHANGED_RATIO: f64 = 0.5;
const COLD_RATIO: f64 = 1.0;
const MEGABYTES: f64 = 350.0;
const BOOT_RATIO: f64 = 0.6;
const UPDATE_PERCENT: f64 = 15.0;

#[derive(clap::Args)]
pub struct Arguments {
    /// How often a line changes and both build, and how often both boot
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave out the cold builds: some minutes of compiling
    #[arg(long)]
    no_cold: bool,
    /// Leave out the virtual machines
    #[arg(long)]
    no_boot: bool,
    /// Fail if a target is missed, other than one in seconds
    #[arg(long)]
    check: bool,
    /// Where to build; takes some 10 GB
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // After two, what was built first is no longer in the cache, and is built again to be compared.
    ensure!(arguments.rounds > 1, "one round is no figure: ask for two at least");
    setup::ensure(&arguments.consent)?;
    let out = super::folder()?;
    let folder = tempfile::Builder::new()
        .prefix("understudy-bench-")
        .tempdir_in(&arguments.folder)
        .with_context(|| format!("cannot make a folder in {}", arguments.folder.display()))?
        .keep();
    let mut figures = Vec::new();
    let measured = measure(arguments, &folder.join("builds"), &out, &mut figures);
    // Of mapped users, whom only the builder's namespace can remove.
    os_image::host::remove(&folder)?;
    let measured = measured.inspect_err(|_| eprintln!("measured before it failed:\n{}", table(&figures)))?;
    let file = out.join("image.json");
    super::store(&file, &measured.document(&figures))?;
    println!("\n{}\nin {}", table(&figures), file.display());
    let missed: Vec<_> = figures.iter().filter(|f| f.is_missed()).map(Figure::name).collect();
    if arguments.check && !missed.is_empty() {
        bail!("missed: {}", missed.join("; "));
    }
    Ok(())
}

/// What is told beside the figures.
struct Measured {
    rival: String,
    /// Where our time goes after a changed line, in the last round.
    stages: Vec<StageReport>,
    boots: Option<Boots>,
}

impl Measured {
    fn document(&self, figures: &[Figure]) -> serde_json::Value {
        let Self { rival, stages, boots } = self;
        json!({
            "version": 1, "recipe": RECIPE, "rival": rival, "figures": figures, "boots": boots,
            "stages": stages.iter().filter(|stage| stage.built.is_some()).collect::<Vec<_>>(),
        })
    }
}

fn measure(arguments: &Arguments, folder: &Path, out: &Path, figures: &mut Vec<Figure>) -> Result<Measured> {
    let narrator = Narrator::new();
    let recipe = Recipe::load(&paths::workspace().join(RECIPE))?;
    let (mkosi, firmware) = narrator.step("build the image, and install mkosi", || {
        let builder = paths::builder(None)?;
        builder.build(&paths::workspace().join(RECIPE))?;
        let firmware = firmware(&builder, &recipe.release)?;
        Ok((Mkosi::prepare(&builder, &recipe, &folder.join("mkosi"))?, firmware))
    })?;
    let rival = mkosi.version()?;
    let keyring = keys::keyring(None)?;
    let ours = Ours::prepare(&folder.join("ours"), &paths::cache()?, arguments.no_cold, RECIPE, keyring)?;
    narrator.step(&format!("{rival} downloads packages"), || mkosi.build(With::Nothing))?;

    let packages = ours.packages()?;
    let first = narrator.step("build ours, from packages", || ours.build())?;
    mkosi.lay_over(&first.programs, &recipe.vendor)?;
    let original = ours.workspace.program(&first.programs)?;
    let cold = "cold build, kernel modules cached";
    figures.push(if arguments.no_cold {
        Figure::left_out(cold, "s", COLD_RATIO, "--no-cold")
    } else {
        ensure!(
            ours.packages()? == packages,
            "packages had to be downloaded for the cold build: give it another try"
        );
        let theirs =
            narrator.step(&format!("{rival} builds, from packages"), || mkosi.build(With::Packages))?;
        Figure::ratio(cold, "s", vec![first.seconds], vec![theirs + first.compile_seconds], COLD_RATIO)
    });

    let before = ours.payload()?;
    let (mut seconds, mut rivals, mut last) = (Vec::new(), Vec::new(), first);
    for round in 1..=arguments.rounds {
        ours.workspace.change(round)?;
        last = narrator.step(&format!("round {round}: build ours after a changed line"), || ours.build())?;
        let compiled =
            last.image.stages.iter().any(|stage| stage.path == last.programs && stage.built.is_some());
        ensure!(compiled, "the changed line was not compiled");
        mkosi.lay_over(&last.programs, &recipe.vendor)?;
        let theirs =
            narrator.step(&format!("round {round}: {rival} builds with it"), || mkosi.build(With::Cache))?;
        seconds.push(last.seconds);
        rivals.push(theirs + last.compile_seconds);
        if round == 1 {
            let after = ours.payload()?;
            let streamed = bundle::streamed(&before.indexes, &after.indexes) as f64;
            let whole = after.squashfs.metadata()?.len() as f64;
            figures.push(Figure::absolute(
                "update after a changed line, of a full one",
                "%",
                vec![streamed * 100.0 / whole],
                vec![],
                UPDATE_PERCENT,
            ));
        }
    }
    prove_the_same(&ours, &original, &narrator)?;
    figures.push(Figure::absolute(
        "changed line to image",
        "s",
        seconds.clone(),
        rivals.clone(),
        CHANGED_SECONDS,
    ));
    figures.push(Figure::ratio("changed line to image, of mkosi's", "s", seconds, rivals, CHANGED_RATIO));

    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let sizes = narrator.step("compress both images", || {
        Ok([ours.compressed_bytes(&last.image)?, mkosi.compressed_bytes()?].map(megabytes))
    })?;
    figures.push(Figure::absolute("compressed image", "MB", vec![sizes[0]], vec![sizes[1]], MEGABYTES));

    let boots = if arguments.no_boot {
        figures.push(Figure::left_out("boot until services are ready", "s", BOOT_RATIO, "--no-boot"));
        None
    } else {
        let images = boot::Images {
            appliance: last.image.disk.clone().context("the recipe makes no disk")?,
            rival: mkosi.disk(),
            firmware,
        };
        let boots = boot::compare(&World::new(&out.join("run"))?, &images, arguments.rounds, &narrator)?;
        let (ours, theirs) = (boots.ours.seconds.clone(), boots.rival.seconds.clone());
        figures.push(Figure::ratio("boot until services are ready", "s", ours, theirs, BOOT_RATIO));
        Some(boots)
    };
    Ok(Measured { rival, stages: last.image.stages, boots })
}

/// Compiling in steps would be no help if what comes of a line depended on the lines before it. The result from before the first round is
/// no longer in the cache after two: it is compiled again.
fn prove_the_same(ours: &Ours, original: &str, narrator: &Narrator) -> Result<()> {
    ours.workspace.restore()?;
    let again = narrator.step("build ours with the line changed back", || ours.build())?;
    let program = ours.workspace.program(&again.programs)?;
    ensure!(
        program == original,
        "the same sources came to another program ({program}) after the steps between than before ({original}); \
         compile from nothing in xtask/src/image.rs too"
    );
    Ok(())
}
