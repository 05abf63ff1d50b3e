//! Updates: one at a time, told as it goes.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use understudy_bus::error::{Error, Result};
use understudy_bus::maintenance::Update;
use understudy_udev::printable;
use understudy_updates::{Step, is_url};

use crate::engine::{Engine, Listed};
use crate::names;

/// Where a bundle from a stick is copied to, in the service's state folder.
const COPY: &str = "copied.raucb";
/// What must stay free beside the copy: catalogue, settings and journal are kept on the same partition.
const RESERVE: u64 = 64 << 20;
/// No URL of a bundle is longer.
const LONGEST_URL: usize = 2000;

/// The one update.
#[derive(Debug)]
pub struct Updates<E> {
    engine: Arc<E>,
    state: PathBuf,
    told: watch::Sender<Update>,
}

/// States of an update that is not over.
const UNDER_WAY: [&str; 4] = ["waiting", "copying", "checking", "installing"];

fn is_under_way(update: &Update) -> bool {
    UNDER_WAY.contains(&update.state.as_str())
}

/// An update that is under way, and is over when this is dropped, whatever has become of it.
struct Running<E>(Arc<Updates<E>>);

impl<E> Drop for Running<E> {
    fn drop(&mut self) {
        self.0.told.send_if_modified(|update| {
            let lost = is_under_way(update);
            if lost {
                let message = "the update ended without a result; the journal says why. Try again".to_owned();
                *update = Update { state: "failed".to_owned(), message, ..Update::default() };
            }
            lost
        });
    }
}

impl<E: Engine> Updates<E> {
    /// None yet. A copy that a power cut has left is removed.
    pub fn new(engine: Arc<E>, state: PathBuf) -> std::io::Result<Self> {
        remove(&state.join(COPY))?;
        let none = Update { state: "none".to_owned(), ..Update::default() };
        Ok(Self { engine, state, told: watch::Sender::new(none) })
    }

    /// How it is, and every change of that.
    pub fn watch(&self) -> watch::Receiver<Update> {
        self.told.subscribe()
    }

    /// Begins to install a bundle from a stick.
    pub async fn from_stick(self: &Arc<Self>, device: &str, bundle: &str) -> Result<()> {
        names::check_bundle(bundle)?;
        self.check_idle().await?;
        let size = self.find(device, bundle).await?;
        let running = self.begin("copying")?;
        tracing::info!("installing {bundle} from the stick {device}");
        let (device, bundle) = (device.to_owned(), bundle.to_owned());
        tokio::spawn(async move {
            let updates = &running.0;
            let copy = updates.state.join(COPY);
            let path = copy.to_string_lossy().into_owned();
            let ended = match updates.copy(&device, &bundle, size).await {
                Ok(()) => updates.install(&path).await,
                Err(error) => Err(anyhow::anyhow!("{}", error.message())),
            };
            if let Err(error) = remove(&copy) {
                tracing::warn!(
                    "cannot remove {path}, which takes up {size} bytes until the next start: {error}"
                );
            }
            // Nobody has heard of the copy.
            updates.end(ended, |text| text.replace(&path, &bundle));
        });
        Ok(())
    }

    /// Begins to install a bundle from a URL.
    pub async fn from_url(self: &Arc<Self>, url: &str) -> Result<()> {
        check_url(url)?;
        self.check_idle().await?;
        let running = self.begin("checking")?;
        // Not which: what comes before the host may be a password, and what follows a question mark a ticket.
        tracing::info!("installing from a URL");
        let url = url.to_owned();
        tokio::spawn(async move {
            let ended = running.0.install(&url).await;
            running.0.end(ended, |text| text);
        });
        Ok(())
    }

    /// Only one at a time, whoever began it.
    async fn check_idle(&self) -> Result<()> {
        match self.engine.is_installing().await {
            Ok(false) if !is_under_way(&self.told.borrow()) => Ok(()),
            Ok(_) => Err(busy()),
            Err(error) => Err(Error::Failed(format!("cannot ask RAUC, which installs updates: {error:#}"))),
        }
    }

    fn begin(self: &Arc<Self>, state: &str) -> Result<Running<E>> {
        let begun = self.told.send_if_modified(|update| {
            let free = !is_under_way(update);
            if free {
                *update = Update { state: state.to_owned(), ..Update::default() };
            }
            free
        });
        if begun { Ok(Running(Arc::clone(self))) } else { Err(busy()) }
    }

    /// Size of a bundle that is on a stick.
    async fn find(&self, device: &str, bundle: &str) -> Result<u64> {
        let sticks = self.engine.sticks();
        let stick = sticks.iter().find(|stick| stick.device == device).ok_or_else(|| no_stick(device))?;
        if !stick.unreadable.is_empty() {
            return Err(Error::NotReady(format!("the stick {device} cannot be read: {}", stick.unreadable)));
        }
        let listed = self.engine.list(device).await?;
        let file = listed.into_iter().find(|file: &Listed| file.name == bundle);
        file.map(|file| file.size).ok_or_else(|| {
            Error::NotFound(format!("there is no {bundle} on the stick {device}; look at it again"))
        })
    }

    /// Copies a bundle to the box: what is checked must be what is installed, and a stick can be pulled out.
    async fn copy(&self, device: &str, bundle: &str, size: u64) -> Result<()> {
        let failed =
            |error: std::io::Error| Error::Failed(format!("cannot copy {bundle} to the box: {error}"));
        let room = self.engine.room().map_err(failed)?;
        if room < size.saturating_add(RESERVE) {
            return Err(Error::NoSpace(format!(
                "there is no room for {bundle} on the box: it has {} MiB, and {} MiB are free for it. An \
                 update from a URL needs no room",
                size >> 20,
                room.saturating_sub(RESERVE) >> 20
            )));
        }
        let path = self.state.join(COPY);
        remove(&path).map_err(failed)?;
        let file = File::create_new(&path).map_err(failed)?;
        // RAUC makes it root's, so that nobody can change it any more; it must be readable here all the same.
        file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
        let copy = Copy { file, done: 0, size, told: self.told.clone() };
        let copy = self.engine.read(device, bundle, copy).await?;
        if copy.done != size {
            return Err(Error::Failed(format!(
                "only {} of the {size} bytes of {bundle} could be read; was the stick pulled out? Plug it in and try again",
                copy.done
            )));
        }
        // Closed here: RAUC refuses a file that somebody could still write to.
        tokio::task::spawn_blocking(move || copy.file.sync_all())
            .await
            .map_err(|error| Error::Failed(error.to_string()))?
            .map_err(failed)
    }

    /// Installs, and gives the version.
    async fn install(&self, source: &str) -> anyhow::Result<String> {
        Ok(self.engine.install(source, |step| self.step(step)).await?.version)
    }

    fn step(&self, step: Step) {
        match step {
            Step::Waiting => self.tell("waiting", |_| {}),
            Step::Checking => self.tell("checking", |_| {}),
            Step::Offered(version) => self.tell("checking", |update| update.version = version),
            Step::Installing { percent, .. } => {
                let percent = u8::try_from(percent.clamp(0, 100)).unwrap_or(0);
                self.tell("installing", |update| update.percent = percent);
            }
            Step::Again(tries) => {
                tracing::warn!("the stream ended while it was mounted; it is begun again (try {tries})");
            }
            Step::Judged | Step::Ended => {}
        }
    }

    /// The last that is told of an update. Another may begin at once: nothing of this one may be left.
    fn end(&self, ended: anyhow::Result<String>, plainly: impl Fn(String) -> String) {
        match ended {
            Ok(version) => {
                tracing::info!("version {version} is installed and starts next");
                self.tell("installed", |update| update.version = version);
            }
            Err(error) => {
                let text = plainly(format!("{error:#}"));
                tracing::warn!("no update was installed: {text}");
                self.tell("failed", |update| {
                    update.message = text;
                    // It is not installed.
                    update.version.clear();
                });
            }
        }
    }

    /// Another state. The version stays once it is known.
    fn tell(&self, state: &str, change: impl FnOnce(&mut Update)) {
        self.told.send_if_modified(|update| {
            let mut new = Update { state: state.to_owned(), ..Update::default() };
            if is_under_way(update) {
                new.version.clone_from(&update.version);
            }
            change(&mut new);
            let changed = new != *update;
            *update = new;
            changed
        });
    }
}

fn busy() -> Error {
    Error::Busy("another update is being installed; wait for its end".to_owned())
}

/// There is none of that name.
pub fn no_stick(device: &str) -> Error {
    Error::NotFound(format!("there is no stick {}; was it pulled out?", printable(device)))
}

/// Accepts the URL of a bundle as RAUC is told it.
fn check_url(url: &str) -> Result<()> {
    let host = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let plain = url.chars().all(|c| c.is_ascii_graphic()) && url.len() <= LONGEST_URL;
    if is_url(url) && plain && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "{:?} is no URL of a bundle; one looks like https://example.org/update.raucb",
        printable(url)
    )))
}

/// Removes a file that may be absent.
pub fn remove(path: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A copy in the making, which tells how much of it is there.
struct Copy {
    file: File,
    done: u64,
    size: u64,
    told: watch::Sender<Update>,
}

impl Write for Copy {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.done + bytes.len() as u64 > self.size {
            return Err(std::io::Error::other("it is longer than the stick says"));
        }
        let count = self.file.write(bytes)?;
        self.done += count as u64;
        let percent = u8::try_from(self.done * 100 / self.size.max(1)).unwrap_or(100);
        self.told.send_if_modified(|update| {
            let changed = update.percent != percent;
            update.percent = percent;
            changed
        });
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_the_network_and_of_one_line() {
        for good in ["http://box/x.raucb", "https://10.0.0.1:8443/a?b=c", "https://[fd00::1]/x.raucb"] {
            check_url(good).unwrap();
        }
        for bad in [
            "",
            "/etc/shadow",
            "file:///x",
            "ftp://x/y",
            "https://",
            "https:// x",
            "https://x/\ny",
            "http:///x",
        ] {
            assert!(matches!(check_url(bad), Err(Error::InvalidArgument(_))), "{bad:?}");
        }
    }
}
