//! Debian packages for a stage: exactly those of a lock, or, where that cannot be, what the mirror has now.

mod archive;
pub(crate) mod lock;
mod repository;
pub(crate) mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use archive::Archive;
use lock::{Lock, LockError, Pins, Section};

use crate::apt::Mirrors;
use crate::cache::{Cache, Stage, held};
use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::stages::bootstrap::{Bootstrap, Installer};

/// Where the stages of one release take packages from.
pub(crate) struct Packages<'a> {
    pub cache: &'a Cache,
    pub mirrors: &'a Mirrors,
    /// Whether only locked packages will do.
    pub strict: bool,
    /// The builder's own lock: its tools, and the date of its images.
    pub own: Lock,
    /// The stages known to be unlocked, which were told of.
    pub unlocked: &'a Mutex<BTreeSet<String>>,
}

/// The date of images without a lock: Debian 13's.
const SOURCE_DATE_WITHOUT_LOCK: u64 = 1_754_697_600;

/// The folder of our own apt, for one part of a build at a time.
const APT: &str = "apt";

impl Packages<'_> {
    /// The same for a part of the build.
    pub fn on<'a>(&'a self, cache: &'a Cache) -> Packages<'a> {
        let Self { mirrors, strict, own, unlocked, .. } = self;
        Packages { cache, mirrors, strict: *strict, own: own.clone(), unlocked }
    }

    /// `SOURCE_DATE_EPOCH`, from which every date in an image comes (reproducible-builds.org, "SOURCE_DATE_EPOCH specification").
    pub fn source_date(&self) -> u64 {
        self.own.source_date.unwrap_or(SOURCE_DATE_WITHOUT_LOCK)
    }

    /// A stage made by `build` out of the packages of `section`.
    pub fn stage(
        &self,
        name: &str,
        key: Key,
        bootstrap: &Bootstrap,
        section: Option<&Section>,
        build: impl FnOnce(&Installer, &Path) -> Result<()>,
    ) -> Result<Stage> {
        let key = key.value("source date", &self.source_date());
        let pins = self.choose(name, &key, bootstrap, section)?;
        let key = pins.map_or_else(|| key.clone(), |pins| locked(&key, pins));
        self.cache.stage(name, &key, |out, scratch, log| {
            build(&Installer { packages: self, bootstrap, pins, name, scratch, log }, out)
        })
    }

    /// The packages of `section`, or, where they cannot be had and need not be, none: then it will be what the mirror has. Says so.
    fn choose<'s>(
        &self,
        name: &str,
        key: &Key,
        bootstrap: &Bootstrap,
        section: Option<&'s Section>,
    ) -> Result<Option<&'s Pins>> {
        let _turn = self.cache.turn(name); // whoever else asks for this stage shall choose the same
        if held(self.unlocked).contains(name) {
            return Ok(None);
        }
        match self.locked(key, bootstrap, section) {
            Ok(pins) => Ok(Some(pins)),
            Err(Error::Lock(why)) if why.is_want_of_packages() => {
                if self.strict {
                    return Err(LockError::Unlocked { stage: name.into(), why: Box::new(why) }.into());
                }
                self.cache.say(&format!("{name} is unlocked, with what the mirror has now: {why}"));
                held(self.unlocked).insert(name.into());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The packages of `section`, if they fit what is asked for, and are installed already or at hand.
    fn locked<'s>(&self, key: &Key, bootstrap: &Bootstrap, section: Option<&'s Section>) -> Result<&'s Pins> {
        let packages = bootstrap.fitting(section)?;
        if self.cache.has(&locked(key, packages))? {
            return Ok(packages);
        }
        let debs = self.cache.folder().join("debs");
        if !self.cache.explains() {
            std::fs::create_dir_all(&debs).at("create", &debs)?;
            // What another part of the build is downloading need not be downloaded again, and apt has but one folder.
            let _turn = self.cache.turn(APT);
            self.obtain(bootstrap, repository::missing(&debs, packages)?, &debs)?;
        } else if self.cache.has(key)? {
            // Explaining asks no mirror: what it lacked at the last build it is taken to lack still.
            let missing = repository::missing(&debs, packages)?;
            if !missing.is_empty() {
                return Err(LockError::Gone(told(&missing)).into());
            }
        }
        Ok(packages)
    }

    /// Downloads what the package cache `debs` lacks.
    fn obtain(&self, bootstrap: &Bootstrap, missing: Pins, debs: &Path) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let log = self.log()?;
        let folder = self.archive_folder(bootstrap)?;
        let Bootstrap { release, components, .. } = bootstrap;
        let archive = Archive::open(&folder, self.mirrors, release, components, &log).map_err(|error| {
            let why = error.to_string().lines().next().unwrap_or_default().to_owned();
            LockError::NoMirror { lacking: told(&missing), why }
        })?;
        let lost = archive.lacks(&missing)?;
        if !lost.is_empty() {
            return Err(LockError::Gone(told(&lost)).into());
        }
        self.cache.say(&format!("downloading {} locked packages", missing.len()));
        let downloads = tempfile::tempdir_in(&folder).at("create a folder in", &folder)?;
        archive.download(&missing, downloads.path())?;
        for (name, pin) in &missing {
            let file = downloads.path().join(pin.file_name(name));
            if !repository::is_genuine(&file, pin)? {
                return Err(LockError::OtherBytes(format!("{name} {}", pin.version)).into());
            }
            std::fs::rename(&file, debs.join(pin.file_name(name))).at("move to the package cache", &file)?;
        }
        Ok(())
    }

    /// What the mirror would install now.
    fn resolve(&self, bootstrap: &Bootstrap) -> Result<Section> {
        let _turn = self.cache.turn(APT);
        let (folder, log) = (self.archive_folder(bootstrap)?, self.log()?);
        let archive = Archive::open(&folder, self.mirrors, &bootstrap.release, &bootstrap.components, &log)?;
        Ok(Section { request: bootstrap.request(), packages: archive.resolve(&bootstrap.packages)? })
    }

    fn archive_folder(&self, bootstrap: &Bootstrap) -> Result<std::path::PathBuf> {
        self.cache.persistent(&format!("{APT}/{}-{}", bootstrap.release, bootstrap.components.join("-")))
    }

    fn log(&self) -> Result<Log> {
        Ok(Log(self.cache.persistent("logs")?.join("packages.log")))
    }
}

/// The key of a stage that is made of `pins`. Versions stand apart from hashes: they are what a person compares.
fn locked(key: &Key, pins: &Pins) -> Key {
    let versions: BTreeMap<_, _> = pins.iter().map(|(name, pin)| (name, &pin.version)).collect();
    let hashes: String = pins.values().map(|pin| pin.sha256.as_str()).collect();
    key.clone().value("locked versions", &versions).value("locked bytes", &hashes)
}

/// Packages with their versions.
fn told(pins: &Pins) -> Vec<String> {
    pins.iter().map(|(name, pin)| format!("{name} {}", pin.version)).collect()
}

/// Makes a repository of `pins` in the new folder `to`, see [`repository`].
pub(crate) fn repository(cache: &Cache, pins: &Pins, release: &str, to: &Path, log: &Log) -> Result<()> {
    repository::make(&cache.persistent("debs")?, pins, release, to, log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Outcome, Reason};
    use lock::Pin;

    /// A cache, a stage's request, and a lock's section for it whose only package nobody has.
    struct Fixture {
        dir: tempfile::TempDir,
        cache: Cache,
        bootstrap: Bootstrap,
        section: Section,
        unlocked: Mutex<BTreeSet<String>>,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::open(dir.path()).unwrap();
            let bootstrap = Bootstrap {
                release: "trixie".into(),
                components: vec!["main".into()],
                packages: vec!["a".into()],
                ..Bootstrap::default()
            };
            let pin = Pin { version: "1".into(), architecture: "all".into(), sha256: "0".repeat(64) };
            let section = Section { request: bootstrap.request(), packages: [("a".to_owned(), pin)].into() };
            Self { dir, cache, bootstrap, section, unlocked: Mutex::default() }
        }

        /// The pins a stage is built with, on a host whose apt knows no mirror.
        fn build(&self, section: Option<&Section>, strict: bool) -> Result<Option<Option<Pins>>> {
            self.build_in(&self.cache, section, strict)
        }

        fn build_in(
            &self,
            cache: &Cache,
            section: Option<&Section>,
            strict: bool,
        ) -> Result<Option<Option<Pins>>> {
            let (mirrors, mut built) = (Mirrors::default(), None);
            let unlocked = &self.unlocked;
            let packages = Packages { cache, mirrors: &mirrors, strict, own: Lock::default(), unlocked };
            packages.stage("root x", Key::default(), &self.bootstrap, section, |installer, _| {
                built = Some(installer.pins.cloned());
                Ok(())
            })?;
            Ok(built)
        }
    }

    #[test]
    fn what_cannot_be_had_as_locked_is_built_unlocked_once_and_is_refused_where_only_locked_will_do() {
        let stale = Section { request: "trixie main: b".into(), ..Fixture::new().section };
        for (section, why) in [
            (None, "there is no lock"),
            (Some(stale), "another list of packages"),
            (Some(Fixture::new().section), "the package cache lacks a 1, and the mirror cannot be asked"),
        ] {
            let fixture = Fixture::new();
            let message = fixture.build(section.as_ref(), true).unwrap_err().to_string();
            assert!(message.starts_with("root x cannot be made of locked packages alone"), "{message}");
            assert!(message.contains(why), "{message}");
            assert_eq!(fixture.build(section.as_ref(), false).unwrap(), Some(None));
            assert_eq!(fixture.build(section.as_ref(), false).unwrap(), None, "reused");
        }
    }

    #[test]
    fn cached_packages_with_the_locked_bytes_are_built_from_without_a_mirror() {
        let mut fixture = Fixture::new();
        let debs = fixture.cache.persistent("debs").unwrap();
        let pin = fixture.section.packages.get_mut("a").unwrap();
        let file = debs.join(pin.file_name("a"));
        std::fs::write(&file, "bytes").unwrap();
        pin.sha256 = crate::sha256(&file).unwrap();
        let section = fixture.section.clone();
        assert_eq!(fixture.build(Some(&section), true).unwrap(), Some(Some(section.packages.clone())));
        std::fs::remove_file(file).unwrap();
        assert_eq!(fixture.build(Some(&section), true).unwrap(), None, "what is installed needs no packages");
    }

    #[test]
    fn a_damaged_package_in_the_cache_does_not_count() {
        let fixture = Fixture::new();
        let debs = fixture.cache.persistent("debs").unwrap();
        std::fs::write(debs.join(fixture.section.packages["a"].file_name("a")), "other bytes").unwrap();
        assert!(fixture.build(Some(&fixture.section), true).is_err());
    }

    #[test]
    fn what_the_mirror_lacked_for_the_last_build_is_explained_as_lacking_still() {
        let Fixture { dir, cache, section, .. } = &Fixture::new();
        let told = |section| {
            let fixture = Fixture::new();
            let cache = Cache::explaining(dir.path()).unwrap();
            assert_eq!(fixture.build_in(&cache, Some(section), false).unwrap(), None);
            cache.into_forecast().unwrap().stages.remove(0).outcome
        };
        assert_eq!(told(section), Outcome::Built { reason: Reason::FirstBuild });
        assert_eq!(Fixture::new().build_in(cache, Some(section), false).unwrap(), Some(None));
        assert_eq!(told(section), Outcome::Reused);
    }
}
