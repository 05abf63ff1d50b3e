//! The catalogue's file: opened, set aside when it is damaged, exchanged for a new one.
//!
//! No power cut leaves the box without its old catalogue or a whole new one. The new file is made under a name of its own, is complete and on disk
//! before it gets another, and takes the old one's place in one step that also gives the old one its dated name
//! (renameat2(2), `RENAME_EXCHANGE`). What a cut leaves behind is a file that nobody reads.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{Catalogue, CatalogueError, Result};
use crate::files;
use crate::pool_contents::Contents;

/// The catalogue.
const FILE: &str = "catalogue.sqlite";
/// A new one that is being made.
const NEW: &str = "catalogue.new.sqlite";

fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> CatalogueError {
    let path = path.display().to_string();
    move |source| CatalogueError::File { path, what, source }
}

/// SQLite's journal of a file.
fn journal(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-journal");
    name.into()
}

/// A name that tells what a set-aside file is, and when it became that; no file has it yet.
fn dated(folder: &Path, what: &str) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let mut path = folder.join(format!("catalogue.{what}-{now}.sqlite"));
    let mut count = 1;
    while path.exists() {
        count += 1;
        path = folder.join(format!("catalogue.{what}-{now}-{count}.sqlite"));
    }
    path
}

/// Gives a file another name, which no other file loses by it. On disk when it returns.
fn rename(folder: &Path, from: &Path, to: &Path, how: RenameFlags) -> Result<()> {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, how)
        .map_err(io::Error::from)
        .and_then(|()| files::sync_folder(folder))
        .map_err(failed(from, "renamed"))
}

/// Opens the catalogue in a folder and makes it if there is none. A damaged one is set aside under a dated name: an empty one is filled from
/// the pool again, and a box that does not start at all helps nobody.
pub fn open(folder: &Path) -> Result<Catalogue> {
    let path = folder.join(FILE);
    match Catalogue::open(&path) {
        Err(error) if error.is_damage() => {
            let aside = dated(folder, "damaged");
            tracing::error!(
                "{error}; it is kept as {}, and a new one is made from what the pool has",
                aside.display()
            );
            rename(folder, &path, &aside, RenameFlags::RENAME_NOREPLACE)?;
            // SQLite itself removes a journal without a file; beside its file it may be of use to whoever mends that.
            if journal(&path).exists() {
                rename(folder, &journal(&path), &journal(&aside), RenameFlags::RENAME_NOREPLACE)?;
            }
            Catalogue::open(&path)
        }
        other => other,
    }
}

/// Makes a new catalogue beside the one in use, checks it, and returns its file. Nothing is changed by it.
pub fn build(folder: &Path, contents: &Contents) -> Result<PathBuf> {
    let path = folder.join(NEW);
    let clear = || files::remove(&path).and_then(|()| files::remove(&journal(&path)));
    clear().map_err(failed(&path, "removed"))?;
    let catalogue = Catalogue::open(&path)?;
    let taken = catalogue.take_in(contents)?;
    catalogue.check(contents, taken)?;
    drop(catalogue);
    files::remove(&journal(&path)).map_err(failed(&path, "completed"))?;
    std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed(&path, "written to disk"))?;
    Ok(path)
}

/// Puts a new catalogue in place and opens it; returns it with the file that holds the old one now. Nobody may write to the old one meanwhile.
pub fn install(folder: &Path, new: &Path) -> Result<(Catalogue, PathBuf)> {
    let current = folder.join(FILE);
    let kept = prepare_exchange(folder, new)?;
    let exchange = || rename(folder, &kept, &current, RenameFlags::RENAME_EXCHANGE);
    exchange()?;
    match Catalogue::open(&current) {
        Ok(catalogue) => Ok((catalogue, kept)),
        Err(error) => {
            tracing::error!("the new catalogue cannot be opened, the old one is put back: {error}");
            exchange()?;
            Err(error)
        }
    }
}

/// Gives the new file the name that the old one will have after the exchange.
fn prepare_exchange(folder: &Path, new: &Path) -> Result<PathBuf> {
    let journal = journal(&folder.join(FILE));
    match std::fs::metadata(&journal) {
        // A change that has not ended: after a power cut SQLite would undo it in the new file, where it was never made.
        Ok(metadata) if metadata.len() > 0 => {
            return Err(CatalogueError::Damaged(format!("{} holds an unfinished change", journal.display())));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&journal, "looked at")(error));
        }
        _ => {}
    }
    let kept = dated(folder, "before-rebuild");
    rename(folder, new, &kept, RenameFlags::RENAME_NOREPLACE)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn contents(names: &[&str]) -> Contents {
        let machines = names.iter().map(|name| samples::machine_record(name)).collect();
        Contents { machines, ..Contents::default() }
    }

    fn names(catalogue: &Catalogue) -> Vec<String> {
        catalogue.machines().unwrap().into_iter().map(|row| row.name).collect()
    }

    /// Every catalogue in a folder but the one in use, by file name.
    fn others(folder: &Path) -> Vec<(String, Vec<String>)> {
        let mut others: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sqlite") && name != FILE)
            .map(|name| (name.clone(), names(&Catalogue::open(&folder.join(name)).unwrap())))
            .collect();
        others.sort();
        others
    }

    #[test]
    fn after_an_exchange_the_new_one_is_in_use_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let old = open(folder.path()).unwrap();
        old.take_in(&contents(&["old"])).unwrap();
        for round in 1..=3 {
            let new = build(folder.path(), &contents(&["new"])).unwrap();
            let mut kept = PathBuf::new();
            old.replace(|| {
                let (new, old) = install(folder.path(), &new)?;
                kept = old;
                Ok(new)
            })
            .unwrap();
            assert_eq!(names(&old), ["new"]);
            assert!(kept.exists());
            assert_eq!(others(folder.path()).len(), round, "each is kept under a name of its own");
        }
        // What is written now is in the file, not in one that nobody will open again.
        old.take_in(&contents(&["later"])).unwrap();
        assert_eq!(names(&open(folder.path()).unwrap()), ["later", "new"]);
        assert!(others(folder.path()).iter().any(|(_, names)| names == &["old"]));
    }

    #[test]
    fn a_power_cut_at_any_step_leaves_the_old_one_or_the_new_one_in_use_and_the_old_one_whole() {
        let (old, new) = (contents(&["old"]), contents(&["new"]));
        for steps in 0..=3 {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            open(folder).unwrap().take_in(&old).unwrap();
            let mut kept = PathBuf::new();
            if steps >= 1 {
                kept = build(folder, &new).unwrap();
            }
            if steps >= 2 {
                kept = prepare_exchange(folder, &kept).unwrap();
            }
            if steps >= 3 {
                rename(folder, &kept, &folder.join(FILE), RenameFlags::RENAME_EXCHANGE).unwrap();
            }
            // The box is on again.
            let used = open(folder).unwrap();
            assert_eq!(names(&used), [if steps < 3 { "old" } else { "new" }], "after {steps} steps");
            if steps >= 3 {
                assert_eq!(names(&Catalogue::open(&kept).unwrap()), ["old"]);
            }
            // And a rebuild goes through, whatever was left behind.
            let (used, _) = install(folder, &build(folder, &new).unwrap()).unwrap();
            assert_eq!(names(&used), ["new"]);
            assert!(others(folder).iter().any(|(_, names)| names == &["old"]));
        }
    }

    #[test]
    fn a_cut_while_the_new_one_is_written_leaves_rubbish_that_the_next_rebuild_removes() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap().take_in(&contents(&["old"])).unwrap();
        std::fs::write(folder.path().join(NEW), b"half a page").unwrap();
        std::fs::write(journal(&folder.path().join(NEW)), b"half a journal").unwrap();
        assert_eq!(names(&open(folder.path()).unwrap()), ["old"]);
        let new = build(folder.path(), &contents(&["new"])).unwrap();
        assert_eq!(names(&Catalogue::open(&new).unwrap()), ["new"]);
    }

    #[test]
    fn an_unfinished_change_of_the_old_one_never_ends_up_in_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap().take_in(&contents(&["old"])).unwrap();
        let new = build(folder.path(), &contents(&["new"])).unwrap();
        std::fs::write(journal(&folder.path().join(FILE)), b"a change that has not ended").unwrap();
        let error = install(folder.path(), &new).unwrap_err().to_string();
        assert!(error.contains("unfinished change"), "{error}");
    }

    #[test]
    fn a_damaged_catalogue_is_kept_and_an_empty_one_takes_its_place() {
        for damage in
            [&b"this is no database, it only has its length............................."[..], &[0xff; 8192]]
        {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE), damage).unwrap();
            let catalogue = open(folder.path()).unwrap();
            assert!(catalogue.is_empty().unwrap());
            let kept = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.to_string_lossy().contains("damaged-"))
                .expect("it is kept");
            assert_eq!(std::fs::read(kept).unwrap(), damage);
        }
    }

    #[test]
    fn damage_in_the_middle_of_the_file_is_found_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        open(folder.path()).unwrap().take_in(&contents(&["one", "two", "three"])).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let page = 4096;
        assert!(bytes.len() > 2 * page);
        bytes[page..2 * page].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        assert!(open(folder.path()).unwrap().is_empty().unwrap());
    }

    #[test]
    fn a_catalogue_of_a_newer_release_is_not_taken_for_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        open(folder.path()).unwrap();
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(folder.path()), Err(CatalogueError::TooNew { .. })));
        assert!(path.exists());
    }
}
