//! Files to be laid over a root filesystem, collected before they are written so that their modes do
//! not depend on the checkout's umask and their content can be hashed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};
use crate::key::sorted_children;

/// Destination (without leading `/`) to source. A later entry replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub struct Overlay(BTreeMap<String, Source>);

#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Text { text: String, executable: bool },
    Symlink(PathBuf),
}

impl Overlay {
    /// Adds a file; it becomes 0755 if it is executable, else 0644.
    ///
    /// It is looked at when everything is written: while a build is only explained, programs may not be there.
    pub fn file(&mut self, to: impl Into<String>, path: &Path) {
        self.insert(to, Source::File(path.to_owned()));
    }

    /// Adds a text file.
    pub fn text(&mut self, to: impl Into<String>, text: impl Into<String>) {
        self.insert(to, Source::Text { text: text.into(), executable: false });
    }

    /// Adds a script.
    pub fn program(&mut self, to: impl Into<String>, text: impl Into<String>) {
        self.insert(to, Source::Text { text: text.into(), executable: true });
    }

    /// Adds all of a folder.
    pub fn folder(&mut self, folder: &Path) -> Result<()> {
        self.folder_below(folder, folder)
    }

    fn folder_below(&mut self, top: &Path, folder: &Path) -> Result<()> {
        for path in sorted_children(folder)? {
            let to = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
            let meta = path.symlink_metadata().at("read", &path)?;
            if meta.is_dir() {
                self.folder_below(top, &path)?;
            } else if meta.is_symlink() {
                self.insert(to, Source::Symlink(path.read_link().at("read", &path)?));
            } else {
                self.file(to, &path);
            }
        }
        Ok(())
    }

    /// Adds all of another one.
    pub fn extend(&mut self, other: Overlay) {
        self.0.extend(other.0);
    }

    fn insert(&mut self, to: impl Into<String>, source: Source) {
        self.0.insert(to.into().trim_start_matches('/').to_owned(), source);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Destinations, in order.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Writes everything below `dir`.
    pub fn write_to(&self, dir: &Path) -> Result<()> {
        for (to, source) in &self.0 {
            let target = dir.join(to);
            let parent = target.parent().unwrap_or(dir);
            create_dir_all_0755(dir, parent)?;
            let executable = match source {
                Source::Symlink(link) => {
                    std::os::unix::fs::symlink(link, &target).at("create", &target)?;
                    continue;
                }
                Source::Text { text, executable } => {
                    std::fs::write(&target, text).at("write", &target)?;
                    *executable
                }
                Source::File(path) => {
                    std::fs::copy(path, &target).at("copy", path)?;
                    path.metadata().at("read", path)?.permissions().mode() & 0o111 != 0
                }
            };
            let mode = if executable { 0o755 } else { 0o644 };
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).at("chmod", &target)?;
        }
        Ok(())
    }
}

/// A folder and its parents below `top`, all 0755 whatever the umask.
fn create_dir_all_0755(top: &Path, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).at("create", dir)?;
    for folder in dir.ancestors().take_while(|a| a.starts_with(top)) {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).at("chmod", folder)?;
    }
    Ok(())
}

/// A shell command that lays the folder `from` over the root `to` (both as shell words), leaving the
/// modes of folders that exist and links to folders (`/lib`) alone; everything belongs to root.
pub fn lay_over(from: &str, to: &str) -> String {
    format!(
        "tar -C {from} --owner=0 --group=0 -cf - . | tar -C {to} -xpf - --no-overwrite-dir \
         --keep-directory-symlink --numeric-owner"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_the_same_modes_whatever_the_checkout_had() {
        let dir = tempfile::tempdir().unwrap();
        let (source, out) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(source.join("etc")).unwrap();
        for (name, mode) in [("etc/plain", 0o600), ("etc/tool", 0o700)] {
            std::fs::write(source.join(name), name).unwrap();
            std::fs::set_permissions(source.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", source.join("etc/link")).unwrap();
        let mut overlay = Overlay::default();
        overlay.folder(&source).unwrap();
        overlay.text("/etc/hostname", "box\n");
        overlay.write_to(&out).unwrap();
        let mode = |name: &str| out.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("etc/plain"), mode("etc/tool"), mode("etc")), (0o644, 0o755, 0o755));
        assert_eq!(out.join("etc/link").read_link().unwrap(), Path::new("/dev/null"));
        assert_eq!(std::fs::read_to_string(out.join("etc/hostname")).unwrap(), "box\n");
    }

    #[test]
    fn laying_over_keeps_links_to_folders_and_modes_of_folders() {
        let dir = tempfile::tempdir().unwrap();
        let (over, root) = (dir.path().join("over"), dir.path().join("root"));
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::create_dir(root.join("tmp")).unwrap();
        std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
        let mut overlay = Overlay::default();
        overlay.text("lib/new", "x");
        overlay.text("tmp/new", "x");
        overlay.write_to(&over).unwrap();
        let quote = crate::command::quote;
        let script = lay_over(&quote(&over), &quote(&root)).replace("--owner=0 --group=0", "");
        assert!(std::process::Command::new("sh").args(["-euc", &script]).status().unwrap().success());
        assert!(root.join("lib").is_symlink() && root.join("usr/lib/new").exists());
        assert_eq!(root.join("tmp").metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
    }
}
