//! What the manager remembers across a restart, in files of its state directory: which pool is the box's own, the recovery
//! key, and the disks that a pool is being made of. Each is replaced as a whole, so that a power cut leaves the old or the new.
//!
//! Older versions of this software know only the last of them, whose form stays as it is; they pass over the others.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use understudy_bus::error::{Error, Result};
use understudy_recovery_key::RecoveryKey;

/// Version of the files.
const VERSION: u64 = 1;
const OWN: &str = "pool";
const KEY: &str = "recovery-key";
const INTENT: &str = "making-pool-of";

/// Which pool is the box's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Nothing was ever written: the box is new, was reset, or an older version made its pool.
    Unknown,
    /// It has none, for it was told to forget it.
    None,
    /// This one.
    Pool(Identity),
}

/// A pool, by what stays the same whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its GUID.
    pub guid: u64,
    /// Whether it takes the recovery key to open it.
    pub encrypted: bool,
}

/// The kept recovery key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// The key.
    pub key: RecoveryKey,
    /// Whether its owner has said that he has it.
    pub confirmed: bool,
}

#[derive(Serialize, Deserialize)]
struct OwnFile {
    version: u64,
    pool: Option<Identity>,
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    version: u64,
    key: String,
    confirmed: bool,
}

/// The state directory.
#[derive(Debug, Clone)]
pub struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// In `folder`, which exists.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The box's own pool. Fails where that was written by another version: then no pool may be taken for it.
    pub fn own(&self) -> Result<Own> {
        Ok(match self.read::<OwnFile>(OWN, |file| file.version)? {
            None => Own::Unknown,
            Some(OwnFile { pool: None, .. }) => Own::None,
            Some(OwnFile { pool: Some(pool), .. }) => Own::Pool(pool),
        })
    }

    /// Remembers the box's own pool, or that it has none.
    pub fn set_own(&self, pool: Option<Identity>) -> Result<()> {
        self.write(OWN, &to_json(&OwnFile { version: VERSION, pool })?)
    }

    /// The kept key.
    pub fn key(&self) -> Result<Option<KeptKey>> {
        let Some(file) = self.read::<KeyFile>(KEY, |file| file.version)? else { return Ok(None) };
        let key = file.key.parse().map_err(|error| {
            Error::Corrupt(format!("{} holds no recovery key: {error}", self.folder.join(KEY).display()))
        })?;
        Ok(Some(KeptKey { key, confirmed: file.confirmed }))
    }

    /// Keeps a key in place of the one before, or none.
    pub fn set_key(&self, key: Option<&KeptKey>) -> Result<()> {
        let Some(KeptKey { key, confirmed }) = key else { return self.remove(KEY) };
        let file = KeyFile { version: VERSION, key: key.to_string(), confirmed: *confirmed };
        self.write(KEY, &to_json(&file)?)
    }

    /// The disks that a pool is being made of, which were proved empty or erased; none when no pool is being made.
    pub fn intent(&self) -> Option<Vec<PathBuf>> {
        let text = std::fs::read_to_string(self.folder.join(INTENT)).ok()?;
        Some(text.lines().map(PathBuf::from).collect())
    }

    /// Notes that a pool is about to be made of these disks.
    pub fn set_intent(&self, disks: &[PathBuf]) -> Result<()> {
        let names: Vec<_> = sorted(disks).iter().map(|disk| disk.to_string_lossy().into_owned()).collect();
        self.write(INTENT, &names.join("\n"))
    }

    /// Whether a pool was being made of exactly these disks.
    pub fn intends(&self, disks: &[PathBuf]) -> bool {
        self.intent().is_some_and(|intent| intent == sorted(disks))
    }

    /// No pool is being made any more.
    pub fn forget_intent(&self) -> Result<()> {
        self.remove(INTENT)
    }

    fn read<T: DeserializeOwned>(&self, name: &str, version: impl Fn(&T) -> u64) -> Result<Option<T>> {
        let path = self.folder.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::Failed(format!("cannot read {}: {error}", path.display()))),
        };
        match serde_json::from_str::<T>(&text) {
            Ok(file) if version(&file) == VERSION => Ok(Some(file)),
            // Not with the parser's words: they may repeat what it read.
            _ => Err(Error::Corrupt(format!(
                "{} was written by another version of this software, or is damaged; update the box, or let it forget \
                 its pool and import that again",
                path.display()
            ))),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        replace(&path, text)
            .map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        let remove = || {
            // With what a power cut has left of writing it.
            for path in [&path, &path.with_extension("new")] {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            // Also where it was gone already: the removal may not have reached the disk.
            std::fs::File::open(&self.folder)?.sync_all()
        };
        remove().map_err(|error| Error::Failed(format!("cannot remove {}: {error}", path.display())))
    }
}

fn sorted(disks: &[PathBuf]) -> Vec<PathBuf> {
    let mut disks = disks.to_vec();
    disks.sort();
    disks
}

fn to_json<T: Serialize>(file: &T) -> Result<String> {
    serde_json::to_string(file).map_err(|error| Error::Failed(format!("cannot write down as JSON: {error}")))
}

/// Writes a small file that only its owner may read so that a power cut leaves the old or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    // Left there by a power cut, with whatever access it had.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn memory() -> (tempfile::TempDir, Memory) {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path().to_owned());
        (folder, memory)
    }

    #[test]
    fn a_box_that_never_had_a_pool_differs_from_one_that_forgot_it() {
        let (_folder, memory) = memory();
        assert_eq!(memory.own().unwrap(), Own::Unknown);
        let pool = Identity { guid: u64::MAX, encrypted: true };
        memory.set_own(Some(pool)).unwrap();
        assert_eq!(memory.own().unwrap(), Own::Pool(pool));
        memory.set_own(None).unwrap();
        assert_eq!(memory.own().unwrap(), Own::None);
    }

    #[test]
    fn a_key_is_kept_for_its_owner_alone() {
        let (folder, memory) = memory();
        assert_eq!(memory.key().unwrap(), None);
        std::fs::write(folder.path().join("recovery-key.new"), "left by a power cut").unwrap();
        let kept = KeptKey { key: RecoveryKey::generate().unwrap(), confirmed: false };
        memory.set_key(Some(&kept)).unwrap();
        assert_eq!(memory.key().unwrap(), Some(kept));
        let mode = folder.path().join(KEY).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(folder.path().join("recovery-key.new"), "left by a power cut").unwrap();
        memory.set_key(None).unwrap();
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        memory.set_key(None).unwrap();
        assert_eq!(memory.key().unwrap(), None);
    }

    #[test]
    fn what_another_version_wrote_is_refused_without_repeating_it() {
        let (folder, memory) = memory();
        for text in ["{\"version\":2,\"pool\":null}", "", "123453-", "{\"version\":1,\"pool\":{\"guid\":-1}}"]
        {
            std::fs::write(folder.path().join(OWN), text).unwrap();
            std::fs::write(folder.path().join(KEY), text).unwrap();
            assert!(matches!(memory.own(), Err(Error::Corrupt(_))), "{text}");
            let error = memory.key().unwrap_err().message();
            assert!(error.contains("another version") && !error.contains("123453"), "{error}");
        }
        let key = "{\"version\":1,\"key\":\"123453-123454\",\"confirmed\":true}";
        std::fs::write(folder.path().join(KEY), key).unwrap();
        assert!(!memory.key().unwrap_err().message().contains("123453"));
    }

    #[test]
    fn an_intent_stands_for_exactly_its_disks_until_forgotten() {
        let (folder, memory) = memory();
        let (a, b) = (PathBuf::from("/dev/disk/by-id/a"), PathBuf::from("/dev/disk/by-id/b"));
        memory.set_intent(&[b.clone(), a.clone()]).unwrap();
        // Older versions compare these very bytes.
        let text = std::fs::read_to_string(folder.path().join(INTENT)).unwrap();
        assert_eq!(text, "/dev/disk/by-id/a\n/dev/disk/by-id/b");
        assert!(memory.intends(&[a, b.clone()]) && !memory.intends(std::slice::from_ref(&b)));
        memory.forget_intent().unwrap();
        memory.forget_intent().unwrap();
        assert!(!memory.intends(&[b]) && memory.intent().is_none());
    }
}
