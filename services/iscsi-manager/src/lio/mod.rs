//! The engine on the kernel's own target (LIO), through configfs.

mod plan;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use understudy_bus::error::{Error, Result};
use understudy_bus::iscsi::Target;
use understudy_bus::wire::JobId;

use crate::chap::Credentials;
use crate::engine::{Engine, Publication};
use crate::firewall::Firewall;
use crate::names::{Device, Name};
use plan::Step;

/// How long the kernel may take over all steps of one target. Removing an ACL waits for the initiator's sessions to end, which
/// the kernel forces; a step that still does not return never will.
const DEADLINE: Duration = Duration::from_secs(60);

/// LIO, and the firewall before it.
pub struct Lio<F> {
    root: PathBuf,
    firewall: F,
    /// Held while targets change, so that the firewall is always set from a complete picture.
    changing: Mutex<()>,
}

impl<F: Firewall> Lio<F> {
    /// `root` is `/sys/kernel/config/target`.
    pub fn new(root: &Path, firewall: F) -> Self {
        Self { root: root.to_owned(), firewall, changing: Mutex::new(()) }
    }

    /// Opens the firewall to the initiators of what is published, as after a restart of this service.
    pub async fn restore_firewall(&self) {
        let _changing = self.changing.lock().await;
        if let Err(error) = self.set_firewall().await {
            // At boot the rules are not loaded yet and nothing is published; publishing reports the same again.
            tracing::info!("{}", error.message());
        }
    }

    async fn set_firewall(&self) -> Result<()> {
        let names = plan::published(&self.root).into_iter();
        let addresses: BTreeSet<_> = names.filter_map(|name| plan::address(&self.root, name)).collect();
        self.firewall.allow(&addresses).await
    }

    async fn withdraw_one(&self, name: Name) -> Result<()> {
        let root = self.root.clone();
        let steps = move || plan::withdraw(&root, name);
        carry_out(steps, format!("withdraw target {}", name.iqn())).await
    }

    async fn make(&self, publication: &Publication, chap: &Credentials) -> Result<()> {
        let name = Name { job: publication.job, disk: publication.disk };
        let device = resolve(&publication.device)?;
        let steps = plan::publish(&self.root, publication, &device, chap);
        carry_out(move || steps, format!("publish target {}", name.iqn())).await?;
        self.set_firewall().await
    }
}

/// The zvol behind the volume's name: the kernel is given the device itself, so that nothing changes between check and use.
fn resolve(device: &Device) -> Result<PathBuf> {
    let path = device.path();
    let node = Path::new(path)
        .canonicalize()
        .map_err(|error| Error::NotFound(format!("cannot publish {path}: {error}; make the volume first")))?;
    let number = node.to_str().and_then(|node| node.strip_prefix("/dev/zd"));
    if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())) {
        return Ok(node);
    }
    Err(Error::InvalidArgument(format!("{path} leads to {}, which is no volume", node.display())))
}

/// Carries out steps in a thread of its own: one that hangs in the kernel can be neither ended nor waited for.
async fn carry_out(steps: impl FnOnce() -> Vec<Step> + Send + 'static, what: String) -> Result<()> {
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("configfs".to_owned()).spawn(move || {
        let result = steps().iter().try_for_each(|step| {
            tracing::debug!("{step:?}");
            carry_out_one(step).map_err(|error| (format!("{step:?}"), error))
        });
        // Nobody listens any more after the deadline.
        let _ = done.send(result);
    });
    thread.map_err(|error| Error::Failed(format!("cannot start a thread to {what}: {error}")))?;
    match tokio::time::timeout(DEADLINE, result).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err((step, error)))) => Err(name_failure(&what, &step, &error)),
        Ok(Err(_)) => Err(Error::Failed(format!("cannot {what}: the thread doing it panicked"))),
        Err(_) => Err(Error::Busy(format!(
            "cannot {what}: the kernel did not finish within {} s, most likely over a session that does not end. It goes on \
             trying; if it stays, restart the box",
            DEADLINE.as_secs()
        ))),
    }
}

fn name_failure(what: &str, step: &str, error: &std::io::Error) -> Error {
    let text = format!("cannot {what}: {step}: {error}");
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotReady(format!(
            "{text}. Are the kernel's target modules loaded (target_core_mod, iscsi_target_mod)?"
        )),
        std::io::ErrorKind::ResourceBusy => {
            Error::Busy(format!("{text}. Something else holds it; try again"))
        }
        _ => Error::Failed(text),
    }
}

fn carry_out_one(step: &Step) -> std::io::Result<()> {
    match step {
        Step::Make(path) => std::fs::create_dir(path),
        Step::MakeShared(path) => match std::fs::create_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        },
        Step::MakeAny(paths) => {
            let mut last = Ok(());
            for path in paths {
                last = std::fs::create_dir(path);
                if last.is_ok() {
                    break;
                }
            }
            last
        }
        Step::Write(path, value) | Step::WriteSecret(path, value) => write(path, value),
        Step::Link(to, at) => std::os::unix::fs::symlink(to, at),
        Step::Unlink(path) => std::fs::remove_file(path),
        Step::Remove(path) => std::fs::remove_dir(path),
    }
}

/// One `write`, into a file that must exist: an attribute takes its value whole.
fn write(path: &Path, value: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

impl<F: Firewall> Engine for Lio<F> {
    async fn publish(&self, publication: Publication) -> Result<Target> {
        let _changing = self.changing.lock().await;
        let name = Name { job: publication.job, disk: publication.disk };
        self.withdraw_one(name).await?;
        let chap = Credentials::new(publication.job)?;
        if let Err(error) = self.make(&publication, &chap).await {
            // Nothing stays published that nobody was told of. Both causes count.
            if let Err(undo) = self.withdraw_one(name).await {
                tracing::error!(job = %publication.job, "{}", undo.message());
            }
            return Err(error);
        }
        tracing::info!(
            job = %publication.job,
            "published disk {} to {} at {}", publication.disk, publication.initiator, publication.address
        );
        Ok(Target { iqn: name.iqn(), port: plan::PORT, lun: plan::LUN, user: chap.user, secret: chap.secret })
    }

    async fn withdraw(&self, job: JobId) -> Result<()> {
        let _changing = self.changing.lock().await;
        let names: Vec<_> = plan::published(&self.root).into_iter().filter(|name| name.job == job).collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        for name in names {
            // One that hangs does not keep the others published.
            result = self.withdraw_one(name).await.and(result);
        }
        self.set_firewall().await.and(result)?;
        tracing::info!(job = %job, "withdrew all of its targets");
        Ok(())
    }

    async fn published(&self) -> Result<Vec<JobId>> {
        let mut jobs: Vec<_> = plan::published(&self.root).into_iter().map(|name| name.job).collect();
        jobs.dedup();
        Ok(jobs)
    }
}
