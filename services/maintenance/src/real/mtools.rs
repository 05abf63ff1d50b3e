//! Reads and writes sticks, in units that may touch that one device and nothing else: a foreign file system is parsed neither by the kernel
//! nor by anybody who is somebody on the box. The files that mtools reads and writes are opened here and handed over; it opens the stick
//! alone.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::net::UnixListener;
use tokio::task::spawn_blocking;
use understudy_bus::error::{Error, Result};
use understudy_bus::systemd::ManagerProxy;
use understudy_qemu_runner::order::Order;
use understudy_qemu_runner::{Change, change_unit, hand};
use understudy_udev::printable;

use crate::engine::Listed;

/// A stick at two megabytes a second needs ten minutes for a bundle; one that gives nothing any more must not be waited for without end.
const DEADLINE: Duration = Duration::from_secs(3600);
/// A unit that has ended has either taken its order by now or never will.
const AFTER_END: Duration = Duration::from_secs(2);
/// What mtools says is a line or two.
const LONGEST_WORDS: u64 = 4096;
/// The listing of a root folder: its entries are bounded on FAT12 and FAT16, and a hostile FAT32 ends here.
const LONGEST_LIST: u64 = 1 << 20;

/// What is done with a stick: each kind has a template unit of its own, `understudy-stick-KIND@DEVICE.service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Read,
    Write,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The socket, in the runtime directory, at which its unit asks for an order.
    fn socket(self, device: &str) -> String {
        format!("{}-{device}.sock", self.name())
    }
}

/// The path of one of mtools' programs; none but those used here.
pub fn program(name: &str) -> anyhow::Result<&'static str> {
    let known = ["/usr/bin/mdir", "/usr/bin/mtype", "/usr/bin/mcopy", "/usr/bin/mren", "/usr/bin/mdel"];
    let program = known.iter().find(|known| **known == name);
    program.copied().with_context(|| format!("{name:?} is not a program that a stick is touched with"))
}

/// How mtools is told of a file in the root of a stick.
fn on_stick(name: &str) -> String {
    format!("::{name}")
}

/// The sticks of this box, reached through units.
#[derive(Debug)]
pub struct Mtools {
    manager: ManagerProxy<'static>,
    runtime: PathBuf,
    /// One instance of a unit at a time: a second start of the same would be the first one's.
    alone: [tokio::sync::Mutex<()>; 3],
}

impl Mtools {
    /// `manager` must be subscribed; `runtime` is the service's runtime directory, in which the units look for their orders.
    pub fn new(manager: ManagerProxy<'static>, runtime: PathBuf) -> Self {
        Self { manager, runtime, alone: Default::default() }
    }

    /// Files in the root of a stick.
    pub async fn list(&self, device: &str) -> Result<Vec<Listed>> {
        let bytes = Bounded { bytes: Vec::new(), room: LONGEST_LIST };
        // Fast: to count what is free, all of the allocation table may have to be read.
        let arguments = ["-a", "-f", &on_stick("/")].map(str::to_owned).to_vec();
        let listing = self.run(Kind::List, device, "/usr/bin/mdir", arguments, None, bytes).await?;
        Ok(parse(&String::from_utf8_lossy(&listing.bytes)))
    }

    /// Reads a file into `to`.
    pub async fn read<W: Write + Send + 'static>(&self, device: &str, name: &str, to: W) -> Result<W> {
        self.run(Kind::Read, device, "/usr/bin/mtype", vec![on_stick(name)], None, to).await
    }

    /// Writes a file, in place of one of that name.
    pub async fn write(&self, device: &str, name: &str, from: File) -> Result<()> {
        let arguments = ["-o", "-", &on_stick(name)].map(str::to_owned).to_vec();
        self.run(Kind::Write, device, "/usr/bin/mcopy", arguments, Some(from), std::io::sink())
            .await
            .map(drop)
    }

    /// Gives a file another name.
    pub async fn rename(&self, device: &str, from: &str, to: &str) -> Result<()> {
        let arguments = vec![on_stick(from), on_stick(to)];
        self.run(Kind::Write, device, "/usr/bin/mren", arguments, None, std::io::sink()).await.map(drop)
    }

    /// Removes a file.
    pub async fn remove(&self, device: &str, name: &str) -> Result<()> {
        self.run(Kind::Write, device, "/usr/bin/mdel", vec![on_stick(name)], None, std::io::sink())
            .await
            .map(drop)
    }

    /// Runs one program in its unit, with its output into `to`.
    async fn run<W: Write + Send + 'static>(
        &self,
        kind: Kind,
        device: &str,
        program: &str,
        arguments: Vec<String>,
        from: Option<File>,
        to: W,
    ) -> Result<W> {
        let _alone = self.alone[kind as usize].lock().await;
        let unit = format!("understudy-stick-{}@{device}.service", kind.name());
        let path = self.runtime.join(kind.socket(device));
        let failed = |error: &dyn std::fmt::Display| {
            Error::Failed(format!("cannot {} the stick {device}: {error}", kind.name()))
        };
        // Where an earlier process of this service was ended in the middle.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(|error| failed(&error))?;
        let pipes = || Ok::<_, std::io::Error>((std::io::pipe()?, std::io::pipe()?));
        let ((said, errors), (output, into)) = pipes().map_err(|error| failed(&error))?;
        let from = match from {
            Some(file) => file,
            None => File::open("/dev/null").map_err(|error| failed(&error))?,
        };
        let order = Order { program: program.to_owned(), arguments, numbers: vec![2, 3, 4] };
        let fds: Vec<OwnedFd> = vec![errors.into(), from.into(), into.into()];
        let mut job = std::pin::pin!(change_unit(&self.manager, Change::Start, &unit, DEADLINE));
        let mut handed = std::pin::pin!(hand(&listener, &path, order, fds));
        let mut ended = None;
        let result = tokio::select! {
            result = &mut handed => result,
            job = &mut job => {
                // It may have taken its order and done with it already; or it never asks for one.
                let result = tokio::time::timeout(AFTER_END, &mut handed).await;
                match (result, ended.insert(job)) {
                    (Ok(result), _) => result,
                    (Err(_), Err(error)) => return Err(failed(error)),
                    (Err(_), Ok(())) => return Err(failed(&format!("{unit} ended without having asked for its order"))),
                }
            }
        };
        let _ = std::fs::remove_file(&path);
        result.map_err(|error| match error {
            understudy_qemu_runner::Error::TimedOut { seconds, .. } => {
                failed(&format!("{unit} has not asked for its order within {seconds} s"))
            }
            other => failed(&other),
        })?;
        let said = spawn_blocking(move || words(said));
        let output = spawn_blocking(move || pass(output, to));
        let ended = match ended {
            Some(ended) => ended,
            None => job.await,
        };
        let said = said.await.map_err(|error| failed(&error))?;
        let output = output.await.map_err(|error| failed(&error))?;
        // What could not be taken is the reason, where the program was ended by that.
        let output = output.map_err(|error| failed(&error))?;
        match ended {
            Ok(()) => {
                if !said.is_empty() {
                    tracing::info!("{program} on {device}: {said}");
                }
                Ok(output)
            }
            Err(error) if said.is_empty() => Err(failed(&error)),
            Err(_) => Err(failed(&said)),
        }
    }
}

/// What a program said, on one line.
fn words(pipe: PipeReader) -> String {
    let mut bytes = Vec::new();
    let mut pipe = pipe;
    // It says nothing more once the pipe fails, and must not be stopped by a full one.
    let _ = pipe.by_ref().take(LONGEST_WORDS).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    printable(&lines.join("; "))
}

/// Passes on all that comes. When `to` takes no more the pipe is closed, which ends the program.
fn pass<W: Write>(mut pipe: PipeReader, mut to: W) -> std::io::Result<W> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = pipe.read(&mut buffer)?;
        if count == 0 {
            to.flush()?;
            return Ok(to);
        }
        to.write_all(&buffer[..count])?;
    }
}

/// Bytes in memory, not more than there is room for.
struct Bounded {
    bytes: Vec<u8>,
    room: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.room {
            return Err(std::io::Error::other("there are too many files on it"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads what `mdir` prints: `APPLIA~1 RAU  12345678 2026-11-22  15:28  appliance-0.2.0.raucb`. Files without a long name are left out:
/// a bundle's always has one, because of its ending of five letters.
fn parse(listing: &str) -> Vec<Listed> {
    let file = |line: &str| {
        let mut rest = line.get(9..)?;
        let mut word = || {
            let trimmed = rest.trim_start();
            let (word, after) = trimmed.split_once(' ')?;
            rest = after;
            Some(word)
        };
        // The short name's ending, if it has one, comes before the size.
        let mut size = word()?;
        let mut date = word()?;
        if !is_date(date) {
            (size, date) = (date, word()?);
        }
        let time = word()?;
        if !is_date(date) || !time.contains(':') {
            return None;
        }
        let name = rest.strip_prefix(' ').unwrap_or(rest);
        Some(Listed { name: name.to_owned(), size: size.parse().ok()? })
    };
    listing.lines().filter_map(file).filter(|file| !file.name.is_empty()).collect()
}

fn is_date(word: &str) -> bool {
    word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
#[path = "mtools_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "units_tests.rs"]
mod units_tests;
