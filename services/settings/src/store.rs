//! Where the answers are kept: `settings.toml`, in the format of the configuration disk, and beside it an empty file
//! `set-up`, made when everything in it has been carried out once.
//!
//! Until that second file exists, the box is still in its first boot, however often the power was cut: it carries on from
//! `settings.toml`, and a configuration disk or a person at the console may replace it, so that a mistake in it can be mended.
//!
//! A file `factory-reset` asks the next start to wipe everything on the state partition: the initramfs does, and removes the
//! mark last (`recipes/appliance/files/etc/initramfs-tools/scripts/wipe-state`, which knows its name).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use understudy_answers::Answers;

/// The answers.
const SETTINGS: &str = "settings.toml";
/// They were carried out.
const SET_UP: &str = "set-up";
/// All is to be forgotten.
pub const FACTORY_RESET: &str = "factory-reset";

/// The state directory.
pub struct Store {
    folder: PathBuf,
    #[cfg(test)]
    power: std::sync::Arc<crate::simulated::Power>,
}

impl Store {
    /// `folder` exists already.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            #[cfg(test)]
            power: std::sync::Arc::default(),
        }
    }

    /// One whose writes end when the power does.
    #[cfg(test)]
    pub fn powered(folder: PathBuf, power: std::sync::Arc<crate::simulated::Power>) -> Self {
        Self { folder, power }
    }

    /// The answers, if there are any.
    pub fn read(&self) -> anyhow::Result<Option<Answers>> {
        let path = self.folder.join(SETTINGS);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        understudy_answers::parse(&text).map(Some).context("the settings kept on this box cannot be read")
    }

    /// Keeps new answers. A power cut leaves the old ones or the new ones, never a part.
    pub fn write(&self, answers: &Answers) -> anyhow::Result<()> {
        self.replace(SETTINGS, answers.to_string().as_bytes())
    }

    /// Whether the answers were carried out completely once.
    pub fn is_set_up(&self) -> bool {
        self.folder.join(SET_UP).exists()
    }

    /// Ends the first boot.
    pub fn mark_set_up(&self) -> anyhow::Result<()> {
        self.replace(SET_UP, b"")
    }

    /// From the next start on there is nothing left of what is kept here or anywhere on the state partition.
    pub fn mark_factory_reset(&self) -> anyhow::Result<()> {
        self.replace(FACTORY_RESET, b"")
    }

    fn replace(&self, name: &str, contents: &[u8]) -> anyhow::Result<()> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        self.write_durably(&new, &path, contents)
            .with_context(|| format!("cannot write {}; is the state partition full?", path.display()))
    }

    fn write_durably(&self, new: &Path, path: &Path, contents: &[u8]) -> std::io::Result<()> {
        // It may hold a password's hash.
        use std::os::unix::fs::OpenOptionsExt;
        self.step()?;
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(new)?;
        self.step()?;
        file.write_all(contents)?;
        file.sync_all()?;
        self.step()?;
        std::fs::rename(new, path)?;
        self.step()?;
        std::fs::File::open(&self.folder)?.sync_all()
    }

    /// Where a test may cut the power.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only a test has something to cut"))]
    fn step(&self) -> std::io::Result<()> {
        #[cfg(test)]
        self.power.spend()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::answers;

    #[test]
    fn answers_read_back_and_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        assert_eq!(store.read().unwrap(), None);
        let mut kept = answers();
        store.write(&kept).unwrap();
        kept.network.dns.clear();
        store.write(&kept).unwrap();
        assert_eq!(store.read().unwrap(), Some(kept));
        assert!(!store.is_set_up());
        store.mark_set_up().unwrap();
        assert!(store.is_set_up());
    }

    #[test]
    fn a_write_cut_short_leaves_the_old_answers() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        store.write(&answers()).unwrap();
        std::fs::write(folder.path().join("settings.toml.new"), "ne").unwrap();
        assert_eq!(store.read().unwrap(), Some(answers()));
    }

    #[test]
    fn what_the_first_version_kept_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = "# from a disk\nversion = 1\nhost_name = \"box\"\ntime_zone = \"Etc/UTC\"\n\n[network]\naddress = \"10.0.0.2/24\"\n\n\
                   [pool]\nlayout = \"mirror\"\ndisks = [\"data-a\", \"data-b\"]\n";
        std::fs::write(folder.path().join(SETTINGS), old).unwrap();
        let kept = Store::new(folder.path().to_owned()).read().unwrap().unwrap();
        assert_eq!((kept.host_name.as_str(), kept.keyboard.as_str()), ("box", "us"));
    }

    #[test]
    fn answers_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Store::new(folder.path().to_owned()).write(&answers()).unwrap();
        let mode = folder.path().join(SETTINGS).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
