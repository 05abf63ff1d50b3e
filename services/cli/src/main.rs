//! `understudy`, the administrator's command on the box. It speaks to the box's services over D-Bus and has no privilege of its
//! own: what it may do is what the bus lets its user do.

mod console;
mod link;
mod output;
mod verbs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use link::Link;
use output::Output;

/// Protects machines and lets a virtual one take the place of a dead one.
///
/// MACHINE is always a host name, an id, or the first digits of an id (at least four).
/// Every verb takes --json; the documents it prints carry a `version` and only ever gain keys within it.
#[derive(Parser)]
#[command(name = "understudy", version, max_term_width = 100)]
#[command(after_help = "To begin:  understudy pair, then type what it prints on the machine to protect.\n\
In a disaster:  understudy failover MACHINE --wait, then understudy vm console ID.")]
struct Args {
    /// Print a JSON document instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show how the box is set up, its machines, and what runs now
    Status,
    /// Make a one-time code that pairs a machine with this box
    Pair(verbs::pair::Pair),
    /// List the protected machines
    Machines,
    /// Set, show or remove the times at which a machine is backed up
    #[command(subcommand)]
    Timetable(verbs::timetable::Timetable),
    /// Start or cancel a backup
    #[command(subcommand)]
    Backup(verbs::backup::Backup),
    /// List backups, newest first
    Jobs(verbs::jobs::Jobs),
    /// List a machine's recovery points, oldest first
    Points(verbs::points::Points),
    /// Boot a virtual machine in place of a machine, from one of its recovery points
    Failover(verbs::failover::Failover),
    /// List the virtual machines
    Vms,
    /// Stop a virtual machine, reach its console, or see its screen
    #[command(subcommand)]
    Vm(verbs::vm::Vm),
    /// Make what the box knows of machines and recovery points anew from the pool
    #[command(subcommand)]
    Catalog(verbs::catalog::Catalog),
    /// Install a new version of the box's system beside the running one
    Update(verbs::update::Update),
    /// Start the version before the running one again
    Rollback(verbs::update::Rollback),
    /// Show both versions the box holds, and which starts next
    Slots,
    /// Show or end support mode
    #[command(subcommand)]
    Support(verbs::support::Support),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output { json: args.json };
    match run(args.verb, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("understudy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb, output: &Output) -> anyhow::Result<()> {
    let link = Link::new().await?;
    match verb {
        Verb::Status => verbs::status::run(&link, output).await,
        Verb::Pair(verb) => verb.run(&link, output).await,
        Verb::Machines => verbs::machines::run(&link, output).await,
        Verb::Timetable(verb) => verb.run(&link, output).await,
        Verb::Backup(verb) => verb.run(&link, output).await,
        Verb::Jobs(verb) => verb.run(&link, output).await,
        Verb::Points(verb) => verb.run(&link, output).await,
        Verb::Failover(verb) => verb.run(&link, output).await,
        Verb::Vms => verbs::vms::run(&link, output).await,
        Verb::Vm(verb) => verb.run(&link, output).await,
        Verb::Catalog(verb) => verb.run(&link, output).await,
        Verb::Update(verb) => verb.run(&link, output).await,
        Verb::Rollback(verb) => verb.run(&link, output).await,
        Verb::Slots => verbs::update::slots(&link, output).await,
        Verb::Support(verb) => verb.run(&link, output).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Args::command().debug_assert();
    }
}
