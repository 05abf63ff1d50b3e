//! `cargo xtask demo`: the main story, played to its end.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use understudy_tests::narrate::Narrator;
use understudy_tests::story;

use crate::{keys, paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// Leave the VMs running at the end, and say how to reach them
    #[arg(long)]
    keep: bool,
    /// Also play what goes wrong: killed services, a cut cable
    #[arg(long)]
    faults: bool,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    let stage = play(arguments.faults)?;
    if arguments.keep {
        talk(&stage)?;
    }
    Ok(())
}

/// The VMs live as long as this process: it passes commands on until the person ends it.
fn talk(stage: &story::Stage) -> Result<()> {
    println!(
        "The VMs run on. Each line typed here is run in the appliance's root shell: `understudy vms` lists the"
    );
    println!("stand-ins, `understudy vm screenshot VM FILE` looks at one. Consoles and logs are in");
    println!("{}. Ctrl-D ends everything.", stage.run_dir.display());
    loop {
        print!("appliance# ");
        std::io::stdout().flush()?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            println!();
            return Ok(());
        }
        match stage.appliance.shell.run(line.trim(), Duration::from_secs(600)) {
            Ok(output) => print!("{}", output.stdout),
            Err(error) => println!("{error}"),
        }
    }
}

/// Plays the story and prints its table.
pub fn play(faults: bool) -> Result<story::Stage> {
    let options = story::Options {
        workspace: paths::workspace().to_owned(),
        cache: paths::cache()?,
        keyring: keys::keyring(None)?,
        out: paths::workspace().join("target/demo"),
        faults,
    };
    let stage = story::play(&options, &Narrator::new())?;
    println!("\n{}", stage.report.table());
    Ok(stage)
}
