//! `cargo xtask bench`: figures against rivals, in the same run, as ratios.

use anyhow::{Context, Result};
use clap::Subcommand;
use understudy_tests::narrate::Narrator;
use understudy_tests::world::{Images, World};

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The agent's copy engine against `qemu-img convert`, from the same disk to the same target
    Copy {
        /// How often each of the two copies
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        #[command(flatten)]
        consent: setup::Consent,
    },
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let What::Copy { rounds, consent } = &arguments.what;
    setup::ensure(consent)?;
    let out = paths::workspace().join("target/bench");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let narrator = Narrator::new();
    let images =
        narrator.step("build the images", || Images::build(paths::workspace(), &paths::builder()?))?;
    let world = World::new(&out.join("run"))?;
    let copies = understudy_tests::bench::copy(&world, &images, *rounds, &narrator)?;
    let file = out.join("copy.json");
    std::fs::write(&file, serde_json::to_string_pretty(&copies)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("\n{}\nin {}", copies.table(), file.display());
    Ok(())
}
