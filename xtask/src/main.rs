//! Every command a person types: `cargo xtask VERB`. A verb is a file; alone, this lists them.

mod answers;
mod bench;
mod bundle;
mod demo;
mod explain;
mod flash;
mod image;
mod keys;
mod lint;
mod paths;
mod pictures;
mod process;
mod reproduce;
mod run;
mod setup;
mod sources;
mod test;
mod torture;

use std::process::ExitCode;

use clap::Parser;

/// Understudy: build it, boot it, prove it.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
enum Verb {
    /// Install what this host lacks: asks once, or not at all with --yes
    Setup(setup::Arguments),
    /// Build the image of a recipe
    Image(image::Arguments),
    /// Tell which stages an image needs built, and why
    Explain(explain::Arguments),
    /// Write a signed update bundle, say what a box downloads of it, or look into one
    Bundle(bundle::Arguments),
    /// Make keys that sign updates for development
    Keys(keys::Arguments),
    /// Write the image to a disk or a file, and prove it
    Flash(flash::Arguments),
    /// Check a file that sets a box up, and make the disk it is read from
    Answers(answers::Arguments),
    /// Build the appliance and boot it in QEMU with its console here
    Run(run::Arguments),
    /// Build everything, boot it in QEMU, and play the main story to its end
    Demo(demo::Arguments),
    /// Figures against rivals, in the same run, as ratios
    Bench(bench::Arguments),
    /// Set a box up at its screen, and photograph each page for the README
    Pictures(pictures::Arguments),
    /// Build a recipe twice, in other surroundings, and compare every byte
    Reproduce(reproduce::Arguments),
    /// Long campaigns: power cuts at random moments
    Torture(torture::Arguments),
    /// Everything CI checks
    Test(test::Arguments),
    /// Formatting and lints, warnings refused
    Lint,
}

fn main() -> ExitCode {
    match run(Verb::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that RUST_BACKTRACE would add: the message is for a person.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Setup(arguments) => setup::run(&arguments),
        Verb::Image(arguments) => image::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Bundle(arguments) => bundle::run(&arguments),
        Verb::Keys(arguments) => keys::run(&arguments),
        Verb::Flash(arguments) => flash::run(&arguments),
        Verb::Answers(arguments) => answers::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Pictures(arguments) => pictures::run(&arguments),
        Verb::Reproduce(arguments) => reproduce::run(&arguments),
        Verb::Torture(arguments) => torture::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Lint => lint::run(),
    }
}
