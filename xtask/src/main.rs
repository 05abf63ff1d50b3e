//! Every command a person types: `cargo xtask VERB`. A verb is a file; alone, this lists them.

mod image;
mod paths;

use clap::Parser;

/// Understudy: build it, boot it, prove it.
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true, disable_help_subcommand = true)]
enum Verb {
    /// Build the image of a recipe
    Image(image::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Verb::parse() {
        Verb::Image(arguments) => image::run(&arguments),
    }
}
