//! The key of a stage: a hash over everything that decides its bytes, kept part by part so that a
//! rebuild can say which part changed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{IoContext, Result};

/// Named inputs of a stage, each as a BLAKE3 hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Key(BTreeMap<String, String>);

impl Key {
    /// Adds any serialisable value.
    pub fn value(mut self, label: &str, value: &impl serde::Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("inputs are plain data with string keys");
        self.0.insert(label.into(), blake3::hash(&text).to_hex().to_string());
        self
    }

    /// Adds a file or a folder with all in it: names, types, permission to execute, content.
    pub fn path(mut self, label: &str, path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hash_path(&mut hasher, path, path)?;
        self.0.insert(label.into(), hasher.finalize().to_hex().to_string());
        Ok(self)
    }

    /// Adds every part of `other`, its labels prefixed.
    pub fn merge(mut self, prefix: &str, other: Key) -> Self {
        self.0.extend(other.0.into_iter().map(|(label, hash)| (format!("{prefix}{label}"), hash)));
        self
    }

    /// The hash over all parts: the name of the stage's folder.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (label, hash) in &self.0 {
            hasher.update(label.as_bytes()).update(b"\0").update(hash.as_bytes()).update(b"\n");
        }
        hasher.finalize().to_hex()[..24].to_string()
    }

    /// Why a stage with this key has to be built when the last one had `before`.
    pub fn why(&self, before: Option<&Key>) -> String {
        let Some(before) = before else { return "first build".into() };
        let labels: std::collections::BTreeSet<_> = self.0.keys().chain(before.0.keys()).collect();
        let changed: Vec<_> =
            labels.into_iter().filter(|l| self.0.get(*l) != before.0.get(*l)).map(String::as_str).collect();
        if changed.is_empty() {
            "its result is gone".into()
        } else {
            format!("{} changed", changed.join(", "))
        }
    }
}

fn hash_path(hasher: &mut blake3::Hasher, top: &Path, path: &Path) -> Result<()> {
    let meta = path.symlink_metadata().at("read", path)?;
    let name = path.strip_prefix(top).unwrap_or(path);
    hasher.update(name.as_os_str().as_encoded_bytes()).update(b"\0");
    if meta.is_symlink() {
        let target = path.read_link().at("read", path)?;
        hasher.update(b"l").update(target.as_os_str().as_encoded_bytes());
    } else if meta.is_dir() {
        hasher.update(b"d");
        for child in sorted_children(path)? {
            hash_path(hasher, top, &child)?;
        }
        hasher.update(b"e");
    } else {
        let executable = meta.permissions().mode() & 0o111 != 0;
        hasher.update(if executable { b"x" } else { b"f" }).update(&meta.len().to_le_bytes());
        let file = std::fs::File::open(path).at("read", path)?;
        hasher.update_reader(file).at("read", path)?;
    }
    Ok(())
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

    #[test]
    fn the_reason_names_the_parts_that_changed() {
        let before = Key::default().value("packages", &["zfs"]).value("release", &"trixie");
        let after = Key::default().value("packages", &["zfs", "dbus"]).value("release", &"trixie");
        assert_eq!(after.why(Some(&before)), "packages changed");
        assert_eq!(after.why(None), "first build");
        assert_eq!(after.why(Some(&after)), "its result is gone");
        assert_ne!(after.hash(), before.hash());
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
