//! `cargo xtask flash`: an image onto a disk or into a file.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use os_flash::{Device, Disk, FileTarget, Found, Image, Phase, Place, Refusal, Target, Watch};
use os_image::recipe::Bytes;
use serde_json::json;

use crate::{paths, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// The disk, or a file to make
    #[arg(long, value_name = "DEVICE|FILE", required_unless_present = "list")]
    to: Option<PathBuf>,
    /// The recipe whose image is built and written
    #[arg(long, default_value = "recipes/appliance.toml")]
    recipe: PathBuf,
    /// Write this image instead, and build nothing
    #[arg(long, value_name = "FILE", conflicts_with = "recipe")]
    image: Option<PathBuf>,
    /// Size of the file to make, such as 32GiB, if larger than the image
    #[arg(long)]
    size: Option<Bytes>,
    /// Destroy what is on the disk with this serial number, or the file of this name
    #[arg(long, value_name = "SERIAL|NAME")]
    dangerously_overwrite: Option<String>,
    /// Show all disks, and why one cannot be used
    #[arg(long, conflicts_with = "to")]
    list: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: setup::Consent,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Some(to) = &arguments.to else { return list(arguments.json) };
    let found = os_flash::find(to)?;
    let overwrite = arguments.dangerously_overwrite.as_deref();
    let (image, mut target) = match &found {
        Found::Disk(disk) => {
            eprint!("{disk}");
            to_disk(arguments, disk, overwrite)?
        }
        Found::Place(place) => {
            eprint!("{place}");
            to_file(arguments, place, overwrite)?
        }
    };
    eprint!("{image}");
    let report = os_flash::flash(&image, &mut *target, &mut Progress::new()?)?;
    if arguments.json {
        let result = json!({ "target": found, "image": image.path(), "report": report });
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print!("\n{report}");
    }
    eprintln!("{}", next(&found));
    Ok(())
}

fn to_disk(arguments: &Arguments, disk: &Disk, overwrite: Option<&str>) -> Result<(Image, Box<dyn Target>)> {
    if arguments.size.is_some() {
        bail!("--size is for files; {} has the size it has", disk.path.display());
    }
    // From here to the end the disk belongs to this process: nobody mounts it while the image is built.
    let device = match disk.judge(overwrite) {
        Ok(()) => Some(Device::claim(disk)?),
        Err(Refusal::Rights { .. }) => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let image = image(arguments)?;
    disk.fits(image.size())?;
    match device {
        Some(device) => Ok((image, Box::new(device))),
        // Root needs no toolchain and no cache for the rest.
        None => bail!(
            "{}; the image is ready, type:\n  {}",
            Refusal::Rights { path: disk.path.clone() },
            as_root(&std::env::current_exe()?, image.path(), &disk.path, overwrite)
        ),
    }
}

fn to_file(
    arguments: &Arguments,
    place: &Place,
    overwrite: Option<&str>,
) -> Result<(Image, Box<dyn Target>)> {
    place.judge(overwrite)?;
    let image = image(arguments)?;
    let size = arguments.size.map_or(image.size(), |size| size.0);
    let target = FileTarget::create(place, size, &image)?;
    Ok((image, Box::new(target)))
}

/// The image that was named, or that of the recipe.
fn image(arguments: &Arguments) -> Result<Image> {
    if let Some(image) = &arguments.image {
        return Ok(Image::open(image)?);
    }
    setup::ensure(&arguments.consent)?;
    let built = paths::builder(None)?.build(&arguments.recipe)?;
    let disk = built.disk.with_context(|| format!("recipe {} makes no disk to boot", built.name))?;
    Ok(Image::open(&disk)?)
}

fn as_root(program: &Path, image: &Path, to: &Path, overwrite: Option<&str>) -> String {
    let mut words = vec!["sudo".into(), program.display().to_string(), "flash".into()];
    words.extend(["--image".into(), image.display().to_string(), "--to".into(), to.display().to_string()]);
    words.extend(overwrite.into_iter().flat_map(|name| ["--dangerously-overwrite".into(), name.to_owned()]));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,".contains(c);
    let quote = |word: String| {
        if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn next(found: &Found) -> &'static str {
    match found {
        Found::Disk(_) => {
            "Take the disk to the box and power it on (UEFI). At its first boot the appliance grows its state into the disk."
        }
        Found::Place(_) => "Give the file to a machine with UEFI as its disk, in raw format.",
    }
}

/// All disks, each with whether it can be used.
fn list(as_json: bool) -> Result<()> {
    let mut disks = Vec::new();
    for found in os_flash::list()? {
        match found {
            Ok(disk) => {
                let refusal = disk.judge(None).err().map(|refusal| refusal.to_string());
                if !as_json {
                    println!(
                        "{disk}usable     {}\n",
                        refusal.as_ref().map_or("yes".into(), |why| format!("no: {why}"))
                    );
                }
                disks.push(json!({ "disk": disk, "refusal": refusal }));
            }
            Err(error) if as_json => disks.push(json!({ "error": error.to_string() })),
            Err(error) => println!("{error}\n"),
        }
    }
    if as_json {
        println!("{}", serde_json::to_string_pretty(&disks)?);
    } else if disks.is_empty() {
        println!("there are no disks");
    }
    Ok(())
}

/// A bar on a terminal, else a line for each phase; and an ear for Ctrl-C, which ends a flash in good order.
struct Progress {
    interrupts: SignalFd,
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress {
    /// From here on signals that end a program only end the flash.
    fn new() -> Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().context("cannot hold back signals")?;
        let interrupts = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("cannot listen for signals")?;
        Ok(Self { interrupts, bar: None, begun: Instant::now() })
    }
}

impl Watch for Progress {
    fn begin(&mut self, phase: Phase, bytes: u64) {
        let (what, seconds) = (describe(phase), self.begun.elapsed().as_secs());
        self.bar.take().into_iter().for_each(|bar| bar.finish());
        if !std::io::stderr().is_terminal() {
            return eprintln!("[{:>2}:{:02}] {what}: {} MiB", seconds / 60, seconds % 60, bytes >> 20);
        }
        let style = ProgressStyle::with_template(
            "{msg:<26} {bar:30} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} {eta:>4}",
        );
        let bar = ProgressBar::new(bytes).with_message(what);
        bar.set_style(style.expect("the template above is well-formed"));
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) -> ControlFlow<()> {
        self.bar.iter().for_each(|bar| bar.inc(bytes));
        match self.interrupts.read_signal() {
            Ok(Some(_)) => ControlFlow::Break(()),
            Ok(None) | Err(_) => ControlFlow::Continue(()),
        }
    }
}

fn describe(phase: Phase) -> &'static str {
    match phase {
        Phase::Erase => "erase the ends",
        Phase::Write => "write",
        Phase::Compare => "read back and compare",
        Phase::Seal => "write the partition table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_root_survives_a_shell() {
        let line =
            as_root(Path::new("/w/x"), Path::new("/c/my image.raw"), Path::new("/dev/sdb"), Some("a'b"));
        assert_eq!(
            line,
            r"sudo /w/x flash --image '/c/my image.raw' --to /dev/sdb --dangerously-overwrite 'a'\''b'"
        );
    }
}
