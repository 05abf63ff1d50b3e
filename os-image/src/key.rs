//! The key of a stage: a hash over everything that decides its bytes, kept part by part so that a
//! rebuild can say which part changed.

mod listing;
mod part;

use std::collections::BTreeMap;
use std::path::Path;

use crate::cache::Stage;
use crate::error::{IoContext, Result};
pub(crate) use part::{Made, Part};

/// Named inputs of a stage.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Key(BTreeMap<String, Part>);

impl Key {
    /// Adds any serialisable value.
    pub fn value(mut self, label: &str, value: &impl serde::Serialize) -> Self {
        self.0.insert(label.into(), Part::of_value(value));
        self
    }

    /// Adds a file or a folder with all in it: names, types, permission to execute, content.
    pub fn path(mut self, label: &str, path: &Path) -> Result<Self> {
        self.0.insert(label.into(), Part::of_files(listing::of(path)?));
        Ok(self)
    }

    /// Adds what `read` finds in the result of an earlier stage. Where that is not there, because a build is only explained, nobody
    /// knows the key yet: the stage depends on the earlier one.
    pub fn content<T: serde::Serialize>(
        mut self,
        label: &str,
        stage: &Stage,
        read: impl FnOnce() -> Result<T>,
    ) -> Result<Self> {
        if stage.path.is_dir() {
            return Ok(self.value(label, &read()?));
        }
        self.0.insert(label.into(), Part::not_known_before(&stage.hash));
        Ok(self)
    }

    /// Adds every part of `other`, its labels prefixed.
    pub fn merge(mut self, prefix: &str, other: Key) -> Self {
        self.0.extend(other.0.into_iter().map(|(label, part)| (format!("{prefix}{label}"), part)));
        self
    }

    /// The hash over all parts: the name of the stage's folder.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (label, part) in &self.0 {
            hasher.update(label.as_bytes()).update(b"\0").update(part.hash.as_bytes()).update(b"\n");
        }
        hasher.finalize().to_hex()[..24].to_string()
    }

    /// Its parts by their labels.
    pub(crate) fn parts(&self) -> &BTreeMap<String, Part> {
        &self.0
    }
}

/// The entries of a folder in an order that does not depend on the filesystem.
pub(crate) fn sorted_children(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        children.push(entry.at("list", dir)?.path());
    }
    children.sort();
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_part_decides_the_hash() {
        let key = |packages: &[&str]| Key::default().value("packages", &packages).value("release", &"trixie");
        assert_eq!(key(&["zfs"]).hash(), key(&["zfs"]).hash());
        assert_ne!(key(&["zfs"]).hash(), key(&["zfs", "dbus"]).hash());
        assert_ne!(key(&["zfs"]).hash(), Key::default().value("packages", &["zfs"]).hash());
    }

    #[test]
    fn content_names_and_execute_permission_of_files_count() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        let hash = || Key::default().path("files", dir.path()).unwrap().hash();
        std::fs::write(&file, "1").unwrap();
        let first = hash();
        assert_eq!(first, hash());
        std::fs::write(&file, "2").unwrap();
        let second = hash();
        assert_ne!(first, second);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let third = hash();
        assert_ne!(second, third);
        std::fs::rename(&file, dir.path().join("b")).unwrap();
        assert_ne!(third, hash());
    }
}
