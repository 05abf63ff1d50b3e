//! `cargo xtask test`: what CI runs.

use anyhow::Result;

use crate::{lint, process, setup};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    lint::run()?;
    process::run("cargo", &["test", "--workspace", "--locked"])
}
