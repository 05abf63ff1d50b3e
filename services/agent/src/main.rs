//! `understudy-agent`: runs on the protected machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use understudy_agent::config::{self, BackupSettings};
use understudy_agent::engine::Backups;
use understudy_agent::inventory::{Blkid, Root, host_name};
use understudy_agent::iscsi;
use understudy_agent::link::Address;
use understudy_agent::service::{Inventories, Service};
use understudy_agent::state::{self, StateDir};
use understudy_agent::status::{self, Board, Status};
use understudy_wire::pairing::Code;

/// Backs this machine up to an Understudy box.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where the agent keeps its key and what it knows of its disks.
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = state::DIRECTORY)]
    state: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Pairs this machine with a box.
    Pair {
        /// Name or IP address of the box.
        address: Address,
        /// The one-time code that the box shows.
        code: Code,
        /// Replace an earlier pairing.
        #[arg(long)]
        again: bool,
    },
    /// Runs the service; systemd does this.
    Run,
    /// Shows with which box this machine is paired and what the service is doing.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints what the box is told about this machine, as JSON.
    Inventory,
    /// Thaws file systems when the service cannot; systemd starts this.
    #[command(hide = true)]
    Watchdog,
    /// Copies the used blocks of a disk, or an image, to an iSCSI LUN that reads as zeros, to measure the engine; reads the CHAP
    /// secret from standard input.
    #[command(hide = true)]
    Copy {
        /// Disk or image.
        source: PathBuf,
        /// Portal, `ADDRESS:PORT`.
        portal: std::net::SocketAddr,
        /// Target name.
        target: String,
        /// Our own iSCSI name.
        initiator: String,
        /// CHAP name.
        user: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(matches!(cli.verb, Verb::Run | Verb::Watchdog));
    match act(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("understudy-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: Cli) -> anyhow::Result<()> {
    let state = || StateDir::open(&cli.state);
    match cli.verb {
        Verb::Pair { address, code, again } => {
            let machine = understudy_agent::pair::pair(&state()?, &address, &code, &host_name()?, again)?;
            println!("paired with the box at {address}; this machine is {machine} there");
        }
        Verb::Run => run(&state()?)?,
        // It needs no state, and must not wait for the disk which that lies on.
        Verb::Watchdog => understudy_agent::freeze::watchdog::main()?,
        Verb::Status { json } => {
            let status = Status::read(&state()?, &status::directory())?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                println!("{status}");
            }
        }
        Verb::Inventory => {
            let inventory = Inventories::open(Root::system(), Box::new(Blkid), &state()?)?.collect()?;
            println!("{}", serde_json::to_string_pretty(&inventory)?);
        }
        Verb::Copy { source, portal, target, initiator, user } => {
            let secret = std::io::read_to_string(std::io::stdin())?;
            let address = iscsi::Address {
                portal,
                iqn: target,
                lun: 0,
                initiator,
                chap: Some((user, secret.trim().to_owned())),
                patience: Duration::from_secs(60),
            };
            let disks = Inventories::open(Root::system(), Box::new(Blkid), &state()?)?.collect()?.disks;
            let stats = understudy_agent::backup::copy_disk(&source, &disks, address)?;
            println!("{} bytes, {} sent, {:.3} s", stats.size.0, stats.sent.0, stats.time.as_secs_f64());
        }
    }
    Ok(())
}

/// Tracks first, so that no write after the start is missed; then serves the box until the process ends.
fn run(state: &StateDir) -> anyhow::Result<()> {
    let settings = BackupSettings::read(Path::new(config::PATH))?;
    let board = Board::open(&status::directory())?;
    let mut inventories = Inventories::open(Root::system(), Box::new(Blkid), state)?;
    let disks = inventories.collect().context("the machine's inventory cannot be taken")?.disks;
    let mut engine = Backups::open(state, &disks, settings)?;
    sd_notify::notify(false, &[sd_notify::NotifyState::Ready])
        .context("cannot tell systemd that the agent is ready")?;
    match (Service { state, board, inventories, engine: &mut engine, disks }).run()? {}
}

/// The service logs to the journal with fields (`JOB=`); what a person runs logs to the terminal, and only what went wrong.
fn start_logging(service: bool) {
    let level = if service { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    match tracing_journald::layer() {
        Ok(journal) if service && std::env::var_os("JOURNAL_STREAM").is_some() => {
            registry.with(journal.with_field_prefix(None)).init();
        }
        _ => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init(),
    }
}
