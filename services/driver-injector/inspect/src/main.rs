//! `understudy-inspect`: the last program of the helper's `/init`, as PID 1. Writes one line of JSON to the virtio port the
//! service listens on, then powers the helper off, whatever happens.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use understudy_inspect::block::{self, Disk};
use understudy_inspect::command_line::Question;
use understudy_inspect::machine::inspect;

/// The kernel finds disks and ports while we start; under emulation that takes a while.
const DEVICES: Duration = Duration::from_secs(60);
const PORT: &str = "org.understudy.report";

fn main() {
    // PID 1 must not end: the kernel would panic where it should say what went wrong and power off.
    match std::panic::catch_unwind(run) {
        Ok(Ok(())) => println!("understudy-inspect: reported"),
        Ok(Err(error)) => println!("understudy-inspect: {error}"),
        Err(_) => println!("understudy-inspect: panicked"),
    }
    let _ = io::stdout().flush();
    if std::process::id() == 1 {
        let _ = reboot(RebootMode::RB_POWER_OFF);
    }
}

fn run() -> io::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        if std::fs::read_dir(place).map_or(true, |mut entries| entries.next().is_none()) {
            mount(None::<&str>, place, Some(kind), MsFlags::empty(), None::<&str>)?;
        }
    }
    let words = std::fs::read_to_string("/proc/cmdline")?;
    let question = Question::parse(&words).map_err(io::Error::other)?;
    let deadline = Instant::now() + DEVICES;
    let mut port = File::options().write(true).open(wait(deadline, "the report port", find_port)?)?;
    let disks = question
        .disks
        .iter()
        .map(|id| wait(deadline, id, || block::find(Path::new("/sys/block"), id)))
        .collect::<io::Result<Vec<Disk>>>()?;
    let report = inspect(&question, &disks, Path::new("/dev"), Path::new("/mnt"));
    for problem in &report.problems {
        println!("understudy-inspect: {problem}");
    }
    let mut line = serde_json::to_vec(&report)?;
    line.push(b'\n');
    port.write_all(&line)
}

/// The device of the virtio port with our name: without udev there are no `/dev/virtio-ports`.
fn find_port() -> io::Result<Option<PathBuf>> {
    let Ok(ports) = std::fs::read_dir("/sys/class/virtio-ports") else { return Ok(None) };
    for port in ports {
        let port = port?;
        if std::fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == PORT) {
            return Ok(Some(Path::new("/dev").join(port.file_name())));
        }
    }
    Ok(None)
}

/// Without udev nothing tells of a new device, so this looks again.
fn wait<T>(deadline: Instant, what: &str, look: impl Fn() -> io::Result<Option<T>>) -> io::Result<T> {
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} did not appear")));
        }
        sleep(Duration::from_millis(20));
    }
}
