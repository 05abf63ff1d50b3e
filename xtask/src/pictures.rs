//! `cargo xtask pictures`: what an owner sees at first boot, photographed for the README.

use anyhow::Result;
use understudy_tests::first_boot;
use understudy_tests::narrate::Narrator;

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    let run = paths::workspace().join("target/pictures/run");
    let album = paths::workspace().join("services/setup-wizard/pictures");
    first_boot::pictures(paths::workspace(), &paths::builder(None)?, &run, &album, &Narrator::new())
}
