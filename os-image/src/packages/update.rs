//! Locks what the mirror has now.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Packages;
use super::lock::{Lock, LockError, Section};
use crate::error::{IoContext, Result};
use crate::recipe::Recipe;
use crate::stages::{modules, root, tools};

/// A lock file that is up to date with the mirror.
#[derive(Debug)]
pub struct LockUpdate {
    /// The file. There is none where a recipe's lock is its parent's.
    pub file: PathBuf,
    /// What moved, a line a package.
    pub changes: Vec<String>,
}

/// Locks the packages of a recipe.
pub(crate) fn of_recipe(packages: &Packages, recipe: &Recipe) -> Result<LockUpdate> {
    let section = packages.resolve(&root::bootstrap(recipe))?;
    let mut lock = Lock::default();
    let kernel = root::kernel_version(section.packages.keys());
    if let (Some(kernel), false) = (kernel, recipe.module_packages.is_empty()) {
        let modules = packages.resolve(&modules::bootstrap(recipe, kernel))?;
        lock.sections.insert(modules::SECTION.into(), modules);
    }
    lock.sections.insert(root::SECTION.into(), section);
    store(&recipe.locks, &lock)
}

/// Locks the builder's tools, and dates the images.
pub(crate) fn of_tools(packages: &Packages, release: &str, file: PathBuf) -> Result<LockUpdate> {
    let tools = packages.resolve(&tools::bootstrap(release))?;
    let mut lock = Lock { source_date: packages.own.source_date, ..Lock::default() };
    lock.sections.insert(tools::SECTION.into(), tools);
    if lock != packages.own || lock.source_date.is_none() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        lock.source_date = Some(now / 86400 * 86400); // the day will do
    }
    store(&[file], &lock)
}

/// Makes sure that the locks of a recipe and of the builder's tools, in `workspace`, are of the packages that are asked for now.
pub fn check_locks(workspace: &Path, recipe: &Recipe) -> Result<()> {
    let lock = Lock::load(&recipe.locks)?;
    let packages = root::bootstrap(recipe).fitting(lock.sections.get(root::SECTION))?;
    if let (Some(kernel), false) = (root::kernel_version(packages.keys()), recipe.module_packages.is_empty())
    {
        modules::bootstrap(recipe, kernel).fitting(lock.sections.get(modules::SECTION))?;
    }
    if tools_are_locked(workspace, &recipe.release)? { Ok(()) } else { Err(LockError::Stale.into()) }
}

/// Whether there is a lock of the builder's tools, of those that it takes now.
pub(crate) fn tools_are_locked(workspace: &Path, release: &str) -> Result<bool> {
    let own = Lock::load([&tools_lock(workspace, release)])?;
    Ok(tools::bootstrap(release).fitting(own.sections.get(tools::SECTION)).is_ok())
}

/// The builder's own lock lies with the recipes.
pub(crate) fn tools_lock(workspace: &Path, release: &str) -> PathBuf {
    workspace.join(format!("recipes/tools-{release}.lock"))
}

/// Makes the last of `files` say what `lock` has and the files before do not.
fn store(files: &[PathBuf], lock: &Lock) -> Result<LockUpdate> {
    let (file, parents) = files.split_last().expect("a recipe is at least one file");
    let before = Lock::load(files)?;
    let text = lock.text(&Lock::load(parents)?);
    if !text.is_empty() {
        // By another name first: half a lock would be one of other packages.
        let draft = file.with_extension("lock.new");
        std::fs::write(&draft, text).at("write", &draft)?;
        std::fs::rename(&draft, file).at("write", file)?;
    } else if file.exists() {
        std::fs::remove_file(file).at("remove", file)?;
    }
    let changes = if before.sections.is_empty() {
        let count =
            |(name, section): (&String, &Section)| format!("{name}: {} packages", section.packages.len());
        lock.sections.iter().map(count).collect()
    } else {
        before.changes(lock)
    };
    Ok(LockUpdate { file: file.clone(), changes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::lock::tests::lock;

    #[test]
    fn an_update_tells_what_moved_and_leaves_no_file_where_the_parents_says_it_all() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["parent.lock", "child.lock"].map(|name| dir.path().join(name));
        assert_eq!(store(&files[..1], &lock(&[("a", "1")])).unwrap().changes, ["root: 1 packages"]);
        let next = lock(&[("a", "2"), ("b", "1")]);
        assert_eq!(store(&files, &next).unwrap().changes, ["root: a 1 -> 2", "root: added b 1"]);
        assert_eq!(Lock::load(&files).unwrap(), next);
        assert!(store(&files[..1], &next).unwrap().changes.len() == 2 && files[1].exists());
        assert!(store(&files, &next).unwrap().changes.is_empty());
        assert!(!files[1].exists());
    }
}
