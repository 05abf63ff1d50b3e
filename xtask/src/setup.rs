//! `cargo xtask setup`: what the host lacks, said and installed. Verbs that need the host call
//! [`ensure`] first.

mod plan;
mod state;

use std::io::{IsTerminal, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};
use plan::Step;
use state::Host;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    consent: Consent,
}

/// Whether the host may be changed without a question.
#[derive(clap::Args)]
pub struct Consent {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if ensure(&arguments.consent)? {
        println!("the host is ready");
    } else {
        println!("the host was ready already");
    }
    Ok(())
}

/// Makes the host ready, or says what is missing. Returns whether anything had to be done.
pub fn ensure(consent: &Consent) -> Result<bool> {
    let host = Host::examine()?;
    let steps = plan::steps(&host)?;
    if steps.is_empty() {
        prove_namespace()?;
        return Ok(false);
    }
    eprintln!("This host lacks:");
    for step in &steps {
        eprintln!(
            "  {}\n      {}",
            step.why,
            step.commands.iter().map(|c| display(c)).collect::<Vec<_>>().join("\n      ")
        );
    }
    if !consent.yes {
        agree()?;
    }
    for step in &steps {
        carry_out(step, &host)?;
    }
    let left = plan::steps(&Host::examine()?)?;
    if let Some(step) = left.first() {
        bail!("still missing after the installation: {}; the output above says why", step.why);
    }
    prove_namespace()?;
    Ok(true)
}

/// A kernel or a security policy may forbid what packages cannot give.
fn prove_namespace() -> Result<()> {
    os_image::host::prove_user_namespace().context(
        "images are built in a user namespace, and this host does not let you make one; where it restricts them, an \
         administrator can allow it (`sysctl kernel.unprivileged_userns_clone=1`, or \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`)",
    )
}

fn agree() -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "nobody is there to ask: run `cargo xtask setup --yes` first, or repeat the command with --yes"
        );
    }
    eprint!("Do this now? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was changed; `cargo xtask setup` asks again");
    }
    Ok(())
}

fn display(command: &[String]) -> String {
    command
        .iter()
        .map(|w| if w.contains([' ', '\n']) { format!("'{w}'") } else { w.clone() })
        .collect::<Vec<_>>()
        .join(" ")
}

fn carry_out(step: &Step, host: &Host) -> Result<()> {
    for words in &step.commands {
        let mut all = words.clone();
        if !host.is_root {
            all.insert(0, "sudo".into());
        }
        eprintln!("$ {}", display(&all));
        let status = Command::new(&all[0])
            .args(&all[1..])
            .status()
            .with_context(|| format!("cannot start {}; as root, run: {}", all[0], display(words)))?;
        if !status.success() {
            bail!("`{}` failed ({status}), needed because {}", display(&all), step.why);
        }
    }
    Ok(())
}
