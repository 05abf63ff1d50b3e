//! Support bundles: what happened on the box and how it is, without its secrets, on a stick.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use understudy_bus::error::{Error, Result};

use super::redact;
use crate::engine::{Engine, Evidence};
use crate::updates::{no_stick, remove};

/// The most that is taken of the journal, in bytes: what is older than that helps nobody, and a stick may be small.
const JOURNAL: usize = 20 << 20;
/// What must be free for a bundle in the making, in bytes: a journal shrinks to a tenth.
const ROOM: u64 = 32 << 20;
/// How long each part may take: a service that hangs is a reason for a bundle, and must not be the end of it.
const PATIENCE: Duration = Duration::from_secs(180);
/// How a bundle is called on the box.
const FILE: &str = "support.tar.gz";
/// What its name on the stick ends with until it is known to be whole.
const UNFINISHED: &str = ".part";

/// What is in a bundle: the file, what of the box, and what it says. Starts of the box are the newest first, for the journal's share.
const PARTS: [(&str, Evidence, &str); 16] = [
    (
        "journal.txt",
        Evidence::Journal { start: 0, most: JOURNAL },
        "what was logged since the box was started",
    ),
    (
        "journal-1-start-before.txt",
        Evidence::Journal { start: 1, most: JOURNAL },
        "the same of the start before",
    ),
    (
        "journal-2-starts-before.txt",
        Evidence::Journal { start: 2, most: JOURNAL },
        "the same of the start before that",
    ),
    ("failed-units.txt", Evidence::FailedUnits, "services and other units that failed"),
    ("os-release.txt", Evidence::OsRelease, "which system runs, and its version"),
    ("kernel-command-line.txt", Evidence::CommandLine, "how it was started, and from which slot"),
    ("slots.txt", Evidence::Slots, "both versions of the system that the box holds, as RAUC knows them"),
    ("status.txt", Evidence::Status, "how far the box is set up, and what is amiss"),
    ("settings.toml", Evidence::Settings, "what the box was told when it was set up, without the password"),
    ("disks.txt", Evidence::Disks, "its disks, and what is on them"),
    ("pool.txt", Evidence::Pool, "the storage pool"),
    ("machines.txt", Evidence::Machines, "the protected machines at a glance"),
    ("recovery-points.txt", Evidence::Points, "how many recovery points each machine has"),
    ("addresses.json", Evidence::Addresses, "network interfaces and their addresses"),
    ("routes.json", Evidence::Routes, "routes, IPv4 on the first line and IPv6 on the second"),
    ("memory.txt", Evidence::Memory, "memory, load, and how long the box has been running"),
];

/// Makes bundles, one at a time.
#[derive(Debug)]
pub struct Bundles<E> {
    engine: Arc<E>,
    state: PathBuf,
    alone: Mutex<()>,
}

impl<E: Engine> Bundles<E> {
    /// What a power cut has left of one is removed.
    pub fn new(engine: Arc<E>, state: PathBuf) -> std::io::Result<Self> {
        remove(&state.join(FILE))?;
        Ok(Self { engine, state, alone: Mutex::new(()) })
    }

    /// Writes one to a stick and gives its name.
    pub async fn write(&self, device: &str) -> Result<String> {
        let sticks = self.engine.sticks();
        let stick = sticks.iter().find(|stick| stick.device == device).ok_or_else(|| no_stick(device))?;
        if !stick.unreadable.is_empty() {
            return Err(Error::Failed(format!(
                "the stick {device} cannot be written to: {}",
                stick.unreadable
            )));
        }
        let Ok(_alone) = self.alone.try_lock() else {
            return Err(Error::Busy("another support bundle is being written; wait for its end".to_owned()));
        };
        let name = name(self.engine.now());
        let path = self.state.join(FILE);
        let written = self.make_and_write(device, &name, &path).await;
        if let Err(error) = remove(&path) {
            tracing::warn!(
                "cannot remove {}, which takes up room until the next start: {error}",
                path.display()
            );
        }
        match &written {
            Ok(()) => tracing::info!("the support bundle {name} was written to the stick {device}"),
            Err(error) => {
                tracing::warn!("no support bundle was written to the stick {device}: {}", error.message())
            }
        }
        written.map(|()| name)
    }

    async fn make_and_write(&self, device: &str, name: &str, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| Error::Failed(format!("cannot make a support bundle: {error}"));
        if self.engine.room().map_err(failed)? < ROOM {
            return Err(Error::NoSpace(format!(
                "cannot make a support bundle: the box's own disk has less than {} MiB free",
                ROOM >> 20
            )));
        }
        let parts = self.gather().await;
        let (time, path) = (self.engine.now(), path.to_owned());
        let folder = name.trim_end_matches(".tar.gz").to_owned();
        let (file, digest) = spawn_blocking(move || pack(&path, &folder, parts, time))
            .await
            .map_err(|error| failed(std::io::Error::other(error)))?
            .map_err(failed)?;
        let unfinished = format!("{name}{UNFINISHED}");
        let written = self.write_and_compare(device, &unfinished, file, digest).await;
        let finished = match written {
            Ok(()) => self.engine.rename(device, &unfinished, name).await,
            error => error,
        };
        if finished.is_err()
            && let Err(error) = self.engine.remove(device, &unfinished).await
        {
            // It may not have come into being at all.
            tracing::info!("cannot remove {unfinished} from the stick {device}: {}", error.message());
        }
        finished
    }

    /// Nothing else proves that it is on the stick: a full one is no error to whoever writes.
    async fn write_and_compare(&self, device: &str, name: &str, file: File, digest: [u8; 32]) -> Result<()> {
        self.engine.write(device, name, file).await?;
        let read = self.engine.read(device, name, Sha256::new()).await?;
        if <[u8; 32]>::from(read.finalize()) == digest {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "what was read back from the stick {device} is not what was written: it is full, or broken, or was pulled out; use another"
        )))
    }

    /// Every part, without secrets. What cannot be had is in it as the reason.
    async fn gather(&self) -> Vec<(&'static str, String)> {
        let mut left = JOURNAL;
        let mut parts = vec![("README.txt", readme())];
        for (file, what, _) in PARTS {
            let is_journal = matches!(what, Evidence::Journal { .. });
            let what = match what {
                Evidence::Journal { start, .. } => Evidence::Journal { start, most: left },
                other => other,
            };
            let text = match timeout(PATIENCE, self.engine.evidence(what)).await {
                Ok(Ok(text)) => text,
                Ok(Err(error)) => format!("This could not be found out: {error:#}\n"),
                Err(_) => format!("This could not be found out: no answer within {} s\n", PATIENCE.as_secs()),
            };
            if is_journal {
                left = left.saturating_sub(text.len());
            }
            let text = spawn_blocking(move || redact(&text)).await;
            parts.push((
                file,
                text.unwrap_or_else(|error| format!("This could not be cleared of secrets: {error}\n")),
            ));
        }
        parts
    }
}

/// `understudy-support-20260102T030405Z.tar.gz`.
fn name(now: u64) -> String {
    let stamp =
        i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok()).unwrap_or_default();
    format!("understudy-support-{}.tar.gz", stamp.strftime("%Y%m%dT%H%M%SZ"))
}

fn readme() -> String {
    let mut text = "Support bundle of an Understudy backup appliance.\n\n\
        It holds what happened on the box and how it is. Passwords, keys, codes and the like have been removed, each replaced by\n\
        \"(removed)\". Names and addresses of machines are in it. A part that could not be had holds the reason instead.\n\n"
        .to_owned();
    for (file, _, says) in PARTS {
        text.push_str(&format!("{file:29} {says}\n"));
    }
    text
}

/// Packs everything into a file; gives it, at its beginning, and its digest.
fn pack(
    path: &Path,
    folder: &str,
    parts: Vec<(&'static str, String)>,
    time: u64,
) -> std::io::Result<(File, [u8; 32])> {
    remove(path)?;
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    let digesting = Digesting { file, digest: Sha256::new() };
    let mut archive = tar::Builder::new(GzEncoder::new(digesting, Compression::default()));
    for (name, text) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(time);
        archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
    }
    let Digesting { mut file, digest } = archive.into_inner()?.finish()?;
    file.rewind()?;
    Ok((file, digest.finalize().into()))
}

/// A file, and the digest of what is written into it.
struct Digesting {
    file: File,
    digest: Sha256,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::Simulated;

    #[tokio::test(start_paused = true)]
    async fn a_service_that_hangs_leaves_that_in_the_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(Simulated::new());
        engine.state().hangs = Some(Evidence::Pool);
        let parts = Bundles::new(engine, folder.path().to_owned()).unwrap().gather().await;
        assert_eq!(parts.len(), PARTS.len() + 1);
        for (file, text) in &parts[1..] {
            assert_eq!(text.contains("no answer within 180 s"), *file == "pool.txt", "{file}: {text}");
        }
    }

    #[test]
    fn a_bundle_is_named_after_its_moment() {
        assert_eq!(name(1_767_323_045), "understudy-support-20260102T030405Z.tar.gz");
        assert_eq!(name(u64::MAX), "understudy-support-19700101T000000Z.tar.gz");
    }

    #[test]
    fn the_readme_says_what_every_file_is() {
        for (file, _, says) in PARTS {
            assert!(readme().contains(file) && readme().contains(says), "{file}");
        }
    }
}
