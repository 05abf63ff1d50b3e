//! Where the settings are kept: `settings.toml`, in the format of the configuration disk, and beside it an empty file
//! `set-up`, made when everything in it has been carried out once.
//!
//! Until that second file exists, the box is still in its first boot, however often the power was cut: it carries on from
//! `settings.toml`, and a configuration disk that is connected wins over it, so that a mistake in it can be mended.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The state directory.
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// `folder` exists already.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The settings' text, if there are any.
    pub fn read(&self) -> anyhow::Result<Option<String>> {
        let path = self.folder.join("settings.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps new settings. A power cut leaves the old ones or the new ones, never a part.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        self.replace("settings.toml", text.as_bytes())
    }

    /// Whether the settings were carried out completely once.
    pub fn is_set_up(&self) -> bool {
        self.folder.join("set-up").exists()
    }

    /// Ends the first boot.
    pub fn mark_set_up(&self) -> anyhow::Result<()> {
        self.replace("set-up", b"")
    }

    fn replace(&self, name: &str, contents: &[u8]) -> anyhow::Result<()> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        write_durably(&self.folder, &new, &path, contents)
            .with_context(|| format!("cannot write {}; is the state partition full?", path.display()))
    }
}

fn write_durably(folder: &Path, new: &Path, path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(new)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(new, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_and_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        assert_eq!(store.read().unwrap(), None);
        store.write("long text").unwrap();
        store.write("short").unwrap();
        assert_eq!(store.read().unwrap().as_deref(), Some("short"));
        assert!(!store.is_set_up());
        store.mark_set_up().unwrap();
        assert!(store.is_set_up());
    }

    #[test]
    fn a_write_cut_short_leaves_the_old_settings() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        store.write("old").unwrap();
        std::fs::write(folder.path().join("settings.toml.new"), "ne").unwrap();
        assert_eq!(store.read().unwrap().as_deref(), Some("old"));
    }
}
