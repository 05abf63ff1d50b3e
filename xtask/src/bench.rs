//! `cargo xtask bench`: figures against rivals, in the same run, as ratios.

use std::path::Path;
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
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let What::Copy { rounds, here, consent } = &arguments.what;
    ensure!(*rounds > 0, "no round, no figure: ask for one at least");
    setup::ensure(consent)?;
    let out = paths::workspace().join("target/bench");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let copies = if *here { copy_here(*rounds)? } else { copy_in_machines(*rounds, &out)? };
    let file = out.join(if *here { "copy-here.json" } else { "copy.json" });
    let document = json!({ "version": 1, "copies": copies, "ratio": copies.ratio() });
    std::fs::write(&file, serde_json::to_string_pretty(&document)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("\n{}\nin {}", copies.table(), file.display());
    Ok(())
}

fn copy_in_machines(rounds: usize, out: &Path) -> Result<Copies> {
    let narrator = Narrator::new();
    let images =
        narrator.step("build the images", || Images::build(paths::workspace(), &paths::builder(None)?))?;
    let world = World::new(&out.join("run"))?;
    understudy_tests::bench::copy(&world, &images, rounds, &narrator)
}

fn copy_here(rounds: usize) -> Result<Copies> {
    let program = test::built("understudy-agent", "host", &["--release"])?;
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
