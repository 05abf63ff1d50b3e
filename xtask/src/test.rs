//! `cargo xtask test`: what CI runs; with `--all`, also what takes too long for that.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use os_image::Builder;

use understudy_tests::narrate::Narrator;
use understudy_tests::world::Images;
use understudy_tests::{first_boot, general, hardware, sbom, update};

use crate::{demo, keys, lint, paths, process, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out what boots virtual machines or needs root: lints, unit tests, services on a private bus
    #[arg(long)]
    fast: bool,
    /// Also what takes longer than CI should
    #[arg(long, conflicts_with = "fast")]
    all: bool,
    /// Only this part of what boots virtual machines
    #[arg(long, conflicts_with_all = ["fast", "all"])]
    only: Option<Part>,
    #[command(flatten)]
    consent: setup::Consent,
}

/// What needs images, mostly to boot them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Nothing is booted: builds what the story boots
    Images,
    /// The main story, with what goes wrong
    Story,
    /// Updates: refused, installed, interrupted by power cuts, taken back
    Update,
    /// Versions that fail: damaged, unhealthy, hanging; and what is backed up meanwhile
    Fallback,
    /// Another appliance than ours: the one in the README
    General,
    /// A box set up by typing, its first backup, its end, and another that takes its disks over at screen and keyboard
    FirstBoot,
    /// The console of a box that is set up: support mode, an update from a stick, factory reset
    Console,
    /// Power cuts in each step of set-up
    SetUpCuts,
    /// The appliance for real machines, on SATA, NVMe and e1000e
    Hardware,
    /// The bill of materials, read by another program
    Sbom,
}

impl Part {
    fn play(self) -> Result<()> {
        match self {
            Self::Images => Images::build(paths::workspace(), &paths::builder(None)?).map(drop),
            Self::Story => demo::play(true).map(drop),
            Self::Update => update::installation(&update_options("update")?, &Narrator::new()),
            Self::Fallback => update::fallback(&update_options("fallback")?, &Narrator::new()),
            Self::General => alone("general", general::play),
            Self::FirstBoot => alone("first-boot", first_boot::moved),
            Self::Console => first_boot::afterwards(&update_options("console")?, &Narrator::new()),
            Self::SetUpCuts => alone("set-up-cuts", first_boot::cuts),
            Self::Hardware => alone("hardware", hardware::play),
            Self::Sbom => alone("sbom", sbom::play),
        }
    }
}

/// What a part is that needs one image.
type Play = fn(&Path, &Builder, &Path, &Narrator) -> Result<()>;

/// Plays a part that leaves what it made or its machine said in a folder of `target`.
fn alone(folder: &str, play: Play) -> Result<()> {
    let run = paths::workspace().join("target").join(folder).join("run");
    play(paths::workspace(), &paths::builder(None)?, &run, &Narrator::new())
}

/// Where updates are tried, and with what; `folder` is one of `target`.
pub fn update_options(folder: &str) -> Result<update::Options> {
    Ok(update::Options {
        workspace: paths::workspace().to_owned(),
        cache: paths::cache()?,
        keys: keys::development()?,
        out: paths::workspace().join("target").join(folder),
    })
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&arguments.consent)?;
    if let Some(part) = arguments.only {
        return part.play();
    }
    let images = (!arguments.fast).then(ImagesAhead::begin).transpose()?;
    lint::run()?;
    if arguments.fast {
        // The harness's own tests and those of the QEMU runner boot small guests.
        let guests = ["qemu-harness", "understudy-qemu-runner", "understudy-vm-launcher"];
        let mut words = vec!["test", "--workspace", "--locked"];
        guests.iter().for_each(|package| words.extend(["--exclude", package]));
        return process::run("cargo", &words);
    }
    process::run("cargo", &["test", "--workspace", "--locked"])?;
    as_root("services/agent")?;
    as_root("os-image/flash")?;
    images.into_iter().try_for_each(ImagesAhead::wait)?;
    Part::Story.play()?;
    Part::General.play()?;
    Part::Update.play()?;
    if arguments.all {
        Part::Fallback.play()?;
        Part::FirstBoot.play()?;
        Part::Console.play()?;
        Part::SetUpCuts.play()?;
        Part::Hardware.play()?;
        Part::Sbom.play()?;
    }
    Ok(())
}

/// Builds the images while lints and tests leave processors idle. What goes wrong with it is seen later: whoever needs an image builds it, or
/// finds it built.
struct ImagesAhead {
    process: Child,
    log: PathBuf,
}

impl ImagesAhead {
    fn begin() -> Result<Self> {
        let folder = paths::workspace().join("target");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = folder.join("images.log");
        let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nice", "-n", "10"])
            .arg(std::env::current_exe()?)
            .args(["test", "--yes", "--only", "images"])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start setpriv of Debian's util-linux")?;
        eprintln!("# images are built meanwhile; the log is {}", log.display());
        Ok(Self { process, log })
    }

    fn wait(mut self) -> Result<()> {
        eprintln!("# waiting for the images; the log is {}", self.log.display());
        self.process.wait().context("cannot wait for the images")?;
        Ok(())
    }
}

impl Drop for ImagesAhead {
    fn drop(&mut self) {
        // Whoever did not wait has failed, and needs no images.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What needs this host's kernel and root: the agent's whole backups on loop devices (tracker, freeze, watchdog and iSCSI for real), and
/// flashing them.
fn as_root(folder: &str) -> Result<()> {
    // Of the whole workspace, as the other tests were: on its own a crate has other features of its dependencies, and they would be
    // compiled once more.
    let program = host_test(folder, &["--workspace"])?;
    if nix::unistd::geteuid().is_root() {
        process::run(&program, &[])
    } else {
        process::run("sudo", &["--preserve-env", &program])
    }
}

/// Builds tests that need root, all that `options` select, without running them, and gives the program of the crate in `folder`.
pub fn host_test(folder: &str, options: &[&str]) -> Result<String> {
    const NAME: &str = "host";
    let output = Command::new("cargo")
        .args(["test", "--locked", "--test", NAME, "--no-run", "--message-format=json"])
        .args(options)
        .current_dir(paths::workspace())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the test {NAME} of {folder} does not compile; cargo's words stand above");
    }
    let manifest = paths::workspace().join(folder).join("Cargo.toml");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == NAME)
        .filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(&manifest))
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .with_context(|| format!("cargo names no program for the test {NAME} of {folder}"))
}
