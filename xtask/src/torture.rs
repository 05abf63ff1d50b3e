//! `cargo xtask torture`: what takes long and must go wrong.

use anyhow::Result;
use understudy_tests::narrate::Narrator;
use understudy_tests::update;

use crate::{setup, test};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Cut the power at random moments of an update
    Update {
        /// How often
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Draws the moments: the same seed, the same moments
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        consent: setup::Consent,
    },
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let What::Update { rounds, seed, consent } = &arguments.what;
    setup::ensure(consent)?;
    update::torture(&test::update_options("torture")?, *rounds, *seed, &Narrator::new())
}
