//! What the service is doing, for `understudy-agent status` and for systemd.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use understudy_wire::JobId;

use crate::state::{StateDir, write_atomically};

const DIRECTORY: &str = "/run/understudy-agent";
const FILE: &str = "status.json";

/// Where the service says what it is doing: systemd's `RuntimeDirectory=`, whose usual place `status` knows.
pub fn directory() -> PathBuf {
    std::env::var_os("RUNTIME_DIRECTORY").map_or_else(|| PathBuf::from(DIRECTORY), PathBuf::from)
}

/// What the service is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Activity {
    /// It has just started.
    Starting,
    /// There is no pairing yet.
    WaitingForPairing,
    /// The box answers; nothing is due.
    Waiting,
    /// A backup runs.
    BackingUp {
        /// Which.
        job: JobId,
    },
    /// Something does not work; it is tried again.
    Failing {
        /// What, why, what next.
        reason: String,
    },
}

/// How the last backup ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// Which.
    pub job: JobId,
    /// When, seconds since 1970-01-01 UTC.
    pub ended: u64,
    /// Absent on success.
    pub error: Option<String>,
}

/// The service's own account of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its process.
    pub pid: u32,
    /// What it is doing.
    pub activity: Activity,
    /// The last backup since it started.
    pub last_backup: Option<LastBackup>,
}

/// Where the service posts its account. Failing to is logged, and harms nothing.
pub struct Board {
    path: PathBuf,
    service: Service,
}

impl Board {
    /// Posts in this directory.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let service = Service { pid: std::process::id(), activity: Activity::Starting, last_backup: None };
        let board = Self { path: directory.join(FILE), service };
        board.post();
        Ok(board)
    }

    /// The service does something else now.
    pub fn show(&mut self, activity: Activity) {
        if self.service.activity != activity {
            self.service.activity = activity;
            self.post();
        }
    }

    /// A backup has ended.
    pub fn ended(&mut self, job: JobId, error: Option<String>) {
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.service.last_backup = Some(LastBackup { job, ended, error });
        self.post();
    }

    fn post(&self) {
        let posted = serde_json::to_vec_pretty(&self.service)
            .map_err(anyhow::Error::from)
            .and_then(|text| write_atomically(&self.path, &text));
        if let Err(error) = posted {
            tracing::warn!("the status cannot be shown: {error:#}");
        }
        let text = self.service.activity.to_string();
        if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Status(&text)]) {
            tracing::debug!("systemd cannot be told the status: {error}");
        }
    }
}

impl std::fmt::Display for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting => write!(f, "starting"),
            Self::WaitingForPairing => write!(f, "waiting for `understudy-agent pair ADDRESS CODE`"),
            Self::Waiting => write!(f, "connected; nothing is due"),
            Self::BackingUp { job } => write!(f, "backing up, job {job}"),
            Self::Failing { reason } => write!(f, "trying again: {reason}"),
        }
    }
}

/// Everything `understudy-agent status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    version: u32,
    paired: Option<Paired>,
    service: Option<Service>,
}

#[derive(Debug, Serialize)]
struct Paired {
    machine: String,
    address: String,
}

impl Status {
    /// Reads the pairing and the service's account; the latter counts only while its process lives.
    pub fn read(state: &StateDir, directory: &Path) -> anyhow::Result<Self> {
        let paired = state.pairing()?.map(|pairing| Paired {
            machine: pairing.machine.to_string(),
            address: pairing.address.to_string(),
        });
        let service = match std::fs::read(directory.join(FILE)) {
            Ok(text) => {
                Some(serde_json::from_slice::<Service>(&text).context("the service's status is damaged")?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context("cannot read the service's status"),
        };
        let alive = |service: &Service| Path::new("/proc").join(service.pid.to_string()).exists();
        Ok(Self { version: 1, paired, service: service.filter(alive) })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.paired {
            Some(Paired { machine, address }) => {
                writeln!(f, "paired:      with {address}, as machine {machine}")?
            }
            None => writeln!(f, "paired:      no; run `understudy-agent pair ADDRESS CODE`")?,
        }
        let Some(service) = &self.service else {
            return write!(f, "service:     not running; run `systemctl start understudy-agent`");
        };
        write!(f, "service:     {}", service.activity)?;
        if let Some(LastBackup { job, error, .. }) = &service.last_backup {
            let how = error.as_ref().map_or_else(|| "done".to_owned(), |error| format!("failed: {error}"));
            write!(f, "\nlast backup: job {job} {how}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_what_to_do_next() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let text = Status::read(&state, dir.path()).unwrap().to_string();
        assert!(text.contains("understudy-agent pair") && text.contains("systemctl start"), "{text}");
    }

    #[test]
    fn the_services_account_is_shown_while_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let mut board = Board::open(dir.path()).unwrap();
        let job = JobId::new();
        board.show(Activity::BackingUp { job });
        board.ended(job, Some("the disk is gone".into()));
        let text = Status::read(&state, dir.path()).unwrap().to_string();
        assert!(
            text.contains(&format!("backing up, job {job}")) && text.contains("the disk is gone"),
            "{text}"
        );

        board.service.pid = u32::MAX; // beyond the largest process id
        board.post();
        assert_eq!(Status::read(&state, dir.path()).unwrap().service, None);
    }
}
