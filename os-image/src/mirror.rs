//! A copy of source folders whose files change their times only when their content changes.
//!
//! Cargo tells by a file's time whether it must compile again. Two checkouts that share one folder of
//! intermediate results, or one that goes back to an older state, would get each other's stale programs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{IoContext, Result};
use crate::key::sorted_children;

/// Makes `to` equal to `from`: a file or a folder with all in it.
pub(crate) fn mirror(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return mirror_file(from, to);
    }
    if !to.is_dir() {
        let _ = std::fs::remove_file(to);
        std::fs::create_dir_all(to).at("create", to)?;
    }
    let mut names = BTreeSet::new();
    for path in sorted_children(from)? {
        let name = path.file_name().unwrap_or_default().to_owned();
        mirror(&path, &to.join(&name))?;
        names.insert(name);
    }
    for path in sorted_children(to)? {
        if !names.contains(path.file_name().unwrap_or_default()) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn mirror_file(from: &Path, to: &Path) -> Result<()> {
    let content = std::fs::read(from).at("read", from)?;
    if to.is_file() && std::fs::read(to).at("read", to)? == content {
        return Ok(());
    }
    if to.is_dir() {
        remove(to)?;
    }
    std::fs::write(to, content).at("write", to)
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.at("remove", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn only_changed_files_get_a_new_time_and_lost_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("src")).unwrap();
        for name in ["src/same", "src/changed", "lost"] {
            std::fs::write(from.join(name), "1").unwrap();
        }
        mirror(&from, &to).unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        for name in ["src/same", "src/changed"] {
            std::fs::File::options().write(true).open(to.join(name)).unwrap().set_modified(old).unwrap();
        }
        std::fs::write(from.join("src/same"), "1").unwrap();
        std::fs::write(from.join("src/changed"), "2").unwrap();
        std::fs::remove_file(from.join("lost")).unwrap();
        mirror(&from, &to).unwrap();
        let time = |name: &str| to.join(name).metadata().unwrap().modified().unwrap();
        assert_eq!(time("src/same"), old);
        assert!(time("src/changed") > old);
        assert!(!to.join("lost").exists());
    }

    #[test]
    fn a_file_may_become_a_folder_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder, to) = (dir.path().join("file"), dir.path().join("folder"), dir.path().join("to"));
        std::fs::write(&file, "1").unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("x"), "2").unwrap();
        for from in [&file, &folder, &file] {
            mirror(from, &to).unwrap();
            assert_eq!(to.is_dir(), from.is_dir());
        }
    }
}
