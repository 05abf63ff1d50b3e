//! `cargo xtask bench`: figures against rivals, in the same run, as ratios.

mod changed;
mod figures;
mod image;
mod mkosi;
mod ours;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use serde_json::json;
use understudy_tests::bench::Copies;
use understudy_tests::narrate::Narrator;
use understudy_tests::world::{Images, World};

use crate::{paths, setup, test};

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
        /// On this host, from a loop device to tgtd, instead of between two virtual machines, which QEMU may have to emulate; needs root
        #[arg(long)]
        here: bool,
        #[command(flatten)]
        consent: setup::Consent,
    },
    /// The image of the recipe for tests against mkosi's: built cold and after one changed line, its size, how fast it boots, and
    /// what of it an update downloads
    Image(image::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (rounds, here, consent) = match &arguments.what {
        What::Copy { rounds, here, consent } => (rounds, here, consent),
        What::Image(arguments) => return image::run(arguments),
    };
    ensure!(*rounds > 0, "no round, no figure: ask for one at least");
    setup::ensure(consent)?;
    let out = folder()?;
    let copies = if *here { copy_here(*rounds)? } else { copy_in_machines(*rounds, &out)? };
    let file = out.join(if *here { "copy-here.json" } else { "copy.json" });
    let document = json!({ "version": 1, "copies": copies, "ratio": copies.ratio() });
    store(&file, &document)?;
    println!("\n{}\nin {}", copies.table(), file.display());
    Ok(())
}

/// Where figures go.
fn folder() -> Result<PathBuf> {
    let out = paths::workspace().join("target/bench");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    Ok(out)
}

fn store(file: &Path, document: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(document)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn copy_in_machines(rounds: usize, out: &Path) -> Result<Copies> {
    let narrator = Narrator::new();
    let images =
        narrator.step("build the images", || Images::build(paths::workspace(), &paths::builder(None)?))?;
    let world = World::new(&out.join("run"))?;
    understudy_tests::bench::copy(&world, &images, rounds, &narrator)
}

fn copy_here(rounds: usize) -> Result<Copies> {
    let program = test::host_test("services/agent", &["--package", "understudy-agent", "--release"])?;
    let mut words = vec![program, "bench".to_owned(), rounds.to_string()];
    if !nix::unistd::geteuid().is_root() {
        words.splice(0..0, ["sudo".to_owned(), "--preserve-env".to_owned()]);
    }
    let output = Command::new(&words[0])
        .args(&words[1..])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", words[0]))?;
    if !output.status.success() {
        bail!("`{}` failed; its words stand above", words.join(" "));
    }
    serde_json::from_slice(&output.stdout).context("the bench printed something else than its figures")
}
