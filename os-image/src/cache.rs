//! Stages on disk: each a folder named after the hash of its inputs, complete or absent.

use std::cell::RefCell;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::command::Log;
use crate::error::{IoContext, Result};
use crate::explain::{Forecast, Reason};
use crate::host;
use crate::key::Key;

/// Results kept of every stage: the newest, and the one before it for going back and forth.
const KEPT: usize = 2;

/// The user's cache folder, locked for one builder at a time.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Held as long as the cache is; the kernel releases it when the process dies.
    _lock: Option<File>,
    reports: RefCell<Vec<StageReport>>,
    /// Only where nothing is to be built: what a build would do.
    forecast: Option<RefCell<Forecast>>,
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
    /// Seconds it took.
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
        let cache = Self {
            folder: folder.to_owned(),
            _lock: Some(lock),
            reports: RefCell::default(),
            forecast: None,
        };
        if std::fs::read_dir(&tmp).at("list", &tmp)?.next().is_some() {
            host::remove(&tmp)?;
            std::fs::create_dir_all(&tmp).at("create", &tmp)?;
        }
        Ok(cache)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
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
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            reports: RefCell::default(),
            forecast: Some(RefCell::new(Forecast::new(in_use))),
        })
    }

    /// What a build would do; nothing from a cache that builds.
    pub fn into_forecast(self) -> Option<Forecast> {
        self.forecast.map(RefCell::into_inner)
    }

    /// A folder that lives on between builds: downloads, the compiler's intermediate results.
    pub fn persistent(&self, name: &str) -> Result<PathBuf> {
        let dir = self.folder.join(name);
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        Ok(dir)
    }

    /// What was built and reused so far.
    pub fn reports(&self) -> Vec<StageReport> {
        self.reports.borrow().clone()
    }

    /// Whether a build is only explained.
    pub fn explains(&self) -> bool {
        self.forecast.is_some()
    }

    /// Whether some stage has a result for these inputs.
    pub fn has(&self, key: &Key) -> Result<bool> {
        Ok(self.elsewhere(&key.hash())?.is_some())
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
        let family = self.folder.join("stages").join(name.replace(' ', "-"));
        // A key says all that decides the bytes, its builder's source included: another recipe's result with the same one is as good.
        let path = self.elsewhere(&hash)?.unwrap_or_else(|| family.join(&hash));
        let stage = Stage { path: path.clone(), hash: hash.clone() };
        let last_key = family.join("last-key.json");
        let before = std::fs::read(&last_key).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(forecast) = &self.forecast {
            forecast.borrow_mut().note(name, &stage, key, before.as_ref());
            return Ok(stage);
        }
        if path.is_dir() {
            touch(&path)?;
            self.report(StageReport { stage: name.into(), path, built: None, seconds: 0.0 });
            return Ok(stage);
        }
        let why = Reason::of(key, before.as_ref()).to_string();
        let tmp = self.folder.join("tmp").join(format!("{}-{hash}", name.replace(' ', "-")));
        let (result, scratch, logs) = (tmp.join("result"), tmp.join("scratch"), self.folder.join("logs"));
        for dir in [&family, &result, &scratch, &logs] {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let log = Log(logs.join(format!("{}.log", name.replace(' ', "-"))));
        let _ = std::fs::remove_file(&log.0); // a log tells of the last build only
        let started = Instant::now();
        let progress = spinner(name, &why);
        let built = build(&result, &scratch, &log);
        progress.finish_and_clear();
        built?;
        std::fs::rename(&result, &path).at("move into place", &path)?;
        let text = serde_json::to_vec_pretty(key).expect("a key is plain text");
        std::fs::write(&last_key, text).at("write", &last_key)?;
        host::remove(&tmp)?;
        self.prune(&family, &hash)?;
        self.report(StageReport {
            stage: name.into(),
            path,
            built: Some(why),
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(stage)
    }

    /// A result with this hash, of whatever stage.
    fn elsewhere(&self, hash: &str) -> Result<Option<PathBuf>> {
        let stages = self.folder.join("stages");
        if !stages.is_dir() {
            return Ok(None); // a cache that never was, asked what a build would do
        }
        let results = crate::key::sorted_children(&stages)?.into_iter().map(|family| family.join(hash));
        Ok(results.into_iter().find(|path| path.is_dir()))
    }

    fn report(&self, report: StageReport) {
        eprintln!("{report}");
        self.reports.borrow_mut().push(report);
    }

    /// Removes all but the most recently used results of a stage.
    fn prune(&self, family: &Path, current: &str) -> Result<()> {
        let mut old = Vec::new();
        for path in crate::key::sorted_children(family)? {
            let meta = path.metadata().at("read", &path)?;
            if meta.is_dir() && path.file_name().is_some_and(|name| name != current) {
                old.push((meta.modified().at("read", &path)?, path));
            }
        }
        old.sort();
        old.reverse();
        old.iter().skip(KEPT - 1).try_for_each(|(_, path)| Ok(host::remove(path)?))
    }
}

/// Marks a result as used now, for [`Cache::prune`].
fn touch(path: &Path) -> Result<()> {
    let now = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now());
    File::open(path).and_then(|dir| dir.set_times(now)).at("touch", path)
}

/// Shows on a terminal what is being built and for how long; silent elsewhere.
fn spinner(name: &str, why: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} building {msg} {elapsed}").expect("the template is fixed");
    let bar = ProgressBar::new_spinner().with_style(style).with_message(format!("{name} ({why})"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn write(dir: &Path, text: &str) -> Result<()> {
        let file = dir.join("out");
        std::fs::write(&file, text).at("write", &file)
    }

    #[test]
    fn a_stage_is_built_once_per_input() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let key = Key::default().value("packages", &1);
        let first = cache.stage("root x", &key, |out, _, _| write(out, "1")).unwrap();
        let again = cache.stage("root x", &key, |_, _, _| panic!("must be reused")).unwrap();
        assert_eq!(first.path, again.path);
        let other = Key::default().value("packages", &2);
        cache.stage("root x", &other, |out, _, _| write(out, "2")).unwrap();
        let lines: Vec<_> = cache.reports().iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "built root x (first build) 0 s");
        assert_eq!(lines[1], "reused root x");
        assert_eq!(lines[2], "built root x (packages changed) 0 s");
    }

    #[test]
    fn what_one_recipe_has_built_serves_another() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let key = Key::default().value("packages", &1);
        let first = cache.stage("root x", &key, |out, _, _| write(out, "1")).unwrap();
        let other = cache.stage("root y", &key, |_, _, _| panic!("must be reused")).unwrap();
        assert_eq!(first.path, other.path);
    }

    #[test]
    fn a_failed_build_leaves_no_result_and_the_next_one_starts_clean() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::default().value("packages", &1);
        {
            let cache = Cache::open(dir.path()).unwrap();
            let failed = cache.stage("root x", &key, |out, _, _| {
                write(out, "half")?;
                Err(Error::content("x", "it broke", "mend it"))
            });
            assert!(failed.is_err());
        }
        assert!(std::fs::read_dir(dir.path().join("tmp")).unwrap().next().is_some());
        let cache = Cache::open(dir.path()).unwrap();
        assert!(std::fs::read_dir(dir.path().join("tmp")).unwrap().next().is_none());
        let stage = cache.stage("root x", &key, |out, _, _| write(out, "whole")).unwrap();
        assert_eq!(std::fs::read_to_string(stage.path.join("out")).unwrap(), "whole");
    }

    #[test]
    fn old_results_are_pruned_but_the_previous_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let build = |n: u32| {
            let key = Key::default().value("packages", &n);
            cache.stage("root x", &key, |out, _, _| write(out, "x")).unwrap().path
        };
        let paths: Vec<_> = (0..3).map(build).collect();
        assert_eq!(paths.iter().map(|p| p.is_dir()).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_second_builder_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Cache::open(dir.path()).unwrap();
        let folder = dir.path().to_owned();
        let (sender, receiver) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let cache = Cache::open(&folder);
            sender.send(()).unwrap();
            cache.map(|_| ())
        });
        assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err(), "entered a locked cache");
        drop(first);
        second.join().unwrap().unwrap();
    }

    /// Run by the next test in a process of its own: a build that never ends.
    #[test]
    fn endless_build_for_the_test_below() {
        let Some(dir) = std::env::var_os("OS_IMAGE_TEST_ENDLESS") else { return };
        let cache = Cache::open(Path::new(&dir)).unwrap();
        let key = Key::default().value("packages", &1);
        let _ = cache.stage("root x", &key, |out, _, log| {
            write(out, "half")?;
            let script = format!("echo $$ > {}/pid; exec sleep 600", dir.display());
            let mut command = crate::command::tied("sh");
            command.args(["-c", &script]);
            log.run("wait", command)?;
            Ok(())
        });
    }

    #[test]
    fn a_killed_build_leaves_no_process_no_result_and_a_usable_cache() {
        let dir = tempfile::tempdir().unwrap();
        let mut build = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cache::tests::endless_build_for_the_test_below"])
            .env("OS_IMAGE_TEST_ENDLESS", dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid_file = dir.path().join("pid");
        let pid: i32 = wait_for("the build to start its program", || {
            std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        });
        build.kill().unwrap();
        build.wait().unwrap();
        let process = PathBuf::from(format!("/proc/{pid}/cmdline"));
        wait_for("its program to die with it", || {
            std::fs::read(&process).map_or(true, |line| line.is_empty()).then_some(())
        });
        let cache = Cache::open(dir.path()).unwrap();
        let key = Key::default().value("packages", &1);
        let stage = cache.stage("root x", &key, |out, _, _| write(out, "whole")).unwrap();
        assert_eq!(std::fs::read_to_string(stage.path.join("out")).unwrap(), "whole");
    }

    fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(Instant::now() < deadline, "waited a minute for {what}");
            std::thread::yield_now();
        }
    }
}
