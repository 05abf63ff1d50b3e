//! Stages on disk: each a folder named after the hash of its inputs, complete or absent.

mod turns;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use turns::{Turn, Turns};

use crate::command::Log;
use crate::error::{IoContext, Result};
use crate::explain::{Forecast, Reason};
use crate::host;
use crate::key::Key;

/// Results kept of every stage: the newest, and the one before it for going back and forth.
const KEPT: usize = 2;

/// The user's cache folder, locked for one builder at a time, as one part of that builder's work sees it.
#[derive(Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    /// Of this part, in its order.
    reports: Mutex<Vec<StageReport>>,
}

/// What the parts have in common.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Held as long as the cache is; the kernel releases it when the process dies.
    _lock: Option<File>,
    /// Only where nothing is to be built: what a build would do.
    forecast: Option<Mutex<Forecast>>,
    turns: Turns,
    /// Results that some part of the work has, or was told of. They stay.
    in_use: Mutex<BTreeSet<PathBuf>>,
    progress: MultiProgress,
}

/// One finished stage, or the place of one whose build is only explained.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Folder with its results. Never written to again.
    pub path: PathBuf,
    /// Hash of its inputs.
    pub hash: String,
}

/// What became of a stage in this run.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct StageReport {
    /// "root appliance".
    pub stage: String,
    /// Folder with its results.
    pub path: PathBuf,
    /// Why it was built; absent when it was reused.
    pub built: Option<String>,
    /// Seconds it took, those included in which it waited for the compiler to be done with another stage.
    pub seconds: f64,
}

impl std::fmt::Display for StageReport {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match &self.built {
            Some(why) => write!(f, "built {} ({why}) {:.0} s", self.stage, self.seconds),
            None => write!(f, "reused {}", self.stage),
        }
    }
}

impl Cache {
    /// Opens the cache in `folder`, waits for another builder to end, and clears away what a killed one left.
    pub fn open(folder: &Path) -> Result<Self> {
        let (stages, tmp) = (folder.join("stages"), folder.join("tmp"));
        for dir in [folder, &stages, &tmp] {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let lock_file = folder.join("lock");
        let lock = File::create(&lock_file).at("create", &lock_file)?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another build to leave the cache {}", folder.display());
            lock.lock().at("lock", &lock_file)?;
        }
        let cache = Self::new(folder, Some(lock), None);
        if std::fs::read_dir(&tmp).at("list", &tmp)?.next().is_some() {
            host::remove(&tmp)?;
            std::fs::create_dir_all(&tmp).at("create", &tmp)?;
        }
        Ok(cache)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// The cache in `folder`, to be asked what a build would do: it changes nothing in there, and does not wait for a build that runs.
    pub fn explaining(folder: &Path) -> Result<Self> {
        let lock_file = folder.join("lock");
        let lock = match File::open(&lock_file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None, // nothing was ever built
            file => Some(file.at("open", &lock_file)?),
        };
        let in_use = match lock.as_ref().map(File::try_lock_shared) {
            None | Some(Ok(())) => false,
            Some(Err(TryLockError::WouldBlock)) => true,
            Some(Err(TryLockError::Error(error))) => return Err(error).at("lock", &lock_file),
        };
        Ok(Self::new(folder, lock, Some(Forecast::new(in_use))))
    }

    fn new(folder: &Path, lock: Option<File>, forecast: Option<Forecast>) -> Self {
        let shared = Shared {
            folder: folder.to_owned(),
            _lock: lock,
            forecast: forecast.map(Mutex::new),
            turns: Turns::default(),
            in_use: Mutex::default(),
            progress: MultiProgress::new(),
        };
        Self { shared: Arc::new(shared), reports: Mutex::default() }
    }

    /// The same cache for a part of the work, which may be done in a thread of its own.
    pub fn part(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), reports: Mutex::default() }
    }

    /// Takes over what a part that has ended reported, as if it had been done here and now: so the order of reports does not depend
    /// on which part was faster.
    pub fn take_over(&self, part: Self) {
        let reports = part.reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        held(&self.reports).extend(reports);
    }

    /// What a build would do; nothing from a cache that builds.
    pub fn into_forecast(self) -> Option<Forecast> {
        let forecast = self.shared.forecast.as_ref()?;
        Some(std::mem::take(&mut *held(forecast)))
    }

    /// A folder that lives on between builds: downloads, the compiler's intermediate results.
    pub fn persistent(&self, name: &str) -> Result<PathBuf> {
        let dir = self.folder().join(name);
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        Ok(dir)
    }

    /// What was built and reused so far.
    pub fn reports(&self) -> Vec<StageReport> {
        held(&self.reports).clone()
    }

    /// Whether a build is only explained.
    pub fn explains(&self) -> bool {
        self.shared.forecast.is_some()
    }

    /// Whether some stage has a result for these inputs.
    pub fn has(&self, key: &Key) -> Result<bool> {
        Ok(self.result(&key.hash())?.is_some())
    }

    /// Waits until no other part of the work has the turn at what is called `name`: a stage, a folder.
    pub fn turn(&self, name: &str) -> Turn<'_> {
        self.shared.turns.take([name])
    }

    /// Tells the person who waits, in a line of its own.
    pub fn say(&self, line: &str) {
        self.shared.progress.suspend(|| eprintln!("{line}"));
    }

    /// The result of the stage `name` for these inputs: reused, or made by `build` in an empty folder. Where a build is only
    /// explained, the place it would have.
    ///
    /// `build` gets the folder for the results, a scratch folder of its own, and the stage's log.
    pub fn stage(
        &self,
        name: &str,
        key: &Key,
        build: impl FnOnce(&Path, &Path, &Log) -> Result<()>,
    ) -> Result<Stage> {
        let hash = key.hash();
        // Two parts of the work may ask for one result, be it by different names; or for different ones by one name, which would
        // write one log.
        let _turn = self.shared.turns.take([name, &hash]);
        let family = self.folder().join("stages").join(name.replace(' ', "-"));
        // A key says all that decides the bytes, its builder's source included: another recipe's result with the same one is as good.
        let path = self.result(&hash)?.unwrap_or_else(|| family.join(&hash));
        let stage = Stage { path: path.clone(), hash: hash.clone() };
        let last_key = family.join("last-key.json");
        let before = std::fs::read(&last_key).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(forecast) = &self.shared.forecast {
            held(forecast).note(name, &stage, key, before.as_ref());
            return Ok(stage);
        }
        if path.is_dir() {
            touch(&path)?;
            self.report(StageReport { stage: name.into(), path, built: None, seconds: 0.0 });
            return Ok(stage);
        }
        let why = Reason::of(key, before.as_ref()).to_string();
        let tmp = self.folder().join("tmp").join(format!("{}-{hash}", name.replace(' ', "-")));
        let (result, scratch, logs) = (tmp.join("result"), tmp.join("scratch"), self.folder().join("logs"));
        if tmp.exists() {
            host::remove(&tmp)?; // of a part of this build that failed at it
        }
        for dir in [&family, &result, &scratch, &logs] {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let log = Log(logs.join(format!("{}.log", name.replace(' ', "-"))));
        let _ = std::fs::remove_file(&log.0); // a log tells of the last build only
        let started = Instant::now();
        let progress = self.spinner(name, &why);
        let built = build(&result, &scratch, &log);
        progress.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        if built.is_err() {
            // The error itself may have to wait for other parts of the work.
            self.say(&format!("failed {name} after {seconds:.0} s"));
        }
        built?;
        std::fs::rename(&result, &path).at("move into place", &path)?;
        held(&self.shared.in_use).insert(path.clone());
        let text = serde_json::to_vec_pretty(key).expect("a key is plain text");
        std::fs::write(&last_key, text).at("write", &last_key)?;
        host::remove(&tmp)?;
        self.prune(&family, &hash)?;
        self.report(StageReport { stage: name.into(), path, built: Some(why), seconds });
        Ok(stage)
    }

    /// A result with this hash, of whatever stage. It is in use from now on.
    fn result(&self, hash: &str) -> Result<Option<PathBuf>> {
        let mut in_use = held(&self.shared.in_use); // before it is looked for: nobody may remove it meanwhile
        let stages = self.folder().join("stages");
        if !stages.is_dir() {
            return Ok(None); // a cache that never was, asked what a build would do
        }
        let mut results = crate::key::sorted_children(&stages)?.into_iter().map(|family| family.join(hash));
        let found = results.find(|path| path.is_dir());
        in_use.extend(found.clone());
        Ok(found)
    }

    fn report(&self, report: StageReport) {
        self.say(&report.to_string());
        held(&self.reports).push(report);
    }

    /// Removes all but the most recently used results of a stage, and those in use.
    fn prune(&self, family: &Path, current: &str) -> Result<()> {
        let in_use = held(&self.shared.in_use);
        let mut old = Vec::new();
        for path in crate::key::sorted_children(family)? {
            let meta = path.metadata().at("read", &path)?;
            if meta.is_dir() && path.file_name().is_some_and(|name| name != current) {
                old.push((meta.modified().at("read", &path)?, path));
            }
        }
        old.sort();
        old.reverse();
        let mut lost = old.iter().map(|(_, path)| path).skip(KEPT - 1).filter(|path| !in_use.contains(*path));
        lost.try_for_each(|path| Ok(host::remove(path)?))
    }

    /// Shows on a terminal what is being built and for how long; silent elsewhere.
    fn spinner(&self, name: &str, why: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} building {msg} {elapsed}")
            .expect("the template is fixed");
        let bar = self.shared.progress.add(ProgressBar::new_spinner());
        bar.set_style(style);
        bar.set_message(format!("{name} ({why})"));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// The value in `mutex`. Whoever panicked with it has left nothing half done: a set or list has an entry or has it not.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Marks a result as used now, for [`Cache::prune`].
fn touch(path: &Path) -> Result<()> {
    let now = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now());
    File::open(path).and_then(|dir| dir.set_times(now)).at("touch", path)
}

#[cfg(test)]
mod tests;
