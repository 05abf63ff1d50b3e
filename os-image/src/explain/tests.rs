//! Small caches, built and then asked.

use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::cache::{Cache, Stage};
use crate::error::IoContext;
use crate::key::Key;

/// A chain as recipes have them: a root, modules for the kernel that came out of it, and a disk made from both.
fn chain(cache: &Cache, packages: &[&str], size: u64) -> Result<()> {
    let write = |folder: &Path, name: &str| {
        let file = folder.join(name);
        std::fs::write(&file, "6.12").at("write", &file)
    };
    let key = Key::default().value("packages", &packages);
    let root = cache.stage("root x", &key, |out, _, _| write(out, "kernel-version"))?;
    let kernel = |root: &Stage| {
        let file = root.path.join("kernel-version");
        std::fs::read_to_string(&file).at("read", &file)
    };
    let key =
        Key::default().value("module packages", &["zfs-dkms"]).content("kernel", &root, || kernel(&root))?;
    let modules = cache.stage("modules x", &key, |out, _, _| write(out, "modules"))?;
    let key = Key::default().value("modules", &modules.hash).value("size", &size);
    let base = cache.stage("base x", &key, |out, _, _| write(out, "base"))?;
    let key = Key::default().value("root and base", &(&root.hash, &base.hash));
    cache.stage("disk x", &key, |out, _, _| write(out, "disk"))?;
    Ok(())
}

fn build(folder: &Path) {
    chain(&Cache::open(folder).unwrap(), &["zfs", "dbus"], 1).unwrap();
}

/// A line for each stage, with a line for each input that changed.
fn told(folder: &Path, packages: &[&str], size: u64) -> Vec<String> {
    let cache = Cache::explaining(folder).unwrap();
    chain(&cache, packages, size).unwrap();
    let mut lines = Vec::new();
    for StageForecast { stage, outcome } in cache.into_forecast().unwrap().stages {
        match outcome {
            Outcome::Reused => lines.push(format!("{stage}: reused")),
            Outcome::Open { depends_on } => {
                lines.push(format!("{stage}: depends on {}", depends_on.join(", ")))
            }
            Outcome::Built { reason } => {
                lines.push(format!("{stage}: {reason}"));
                let Reason::Changed { changes } = reason else { continue };
                for Change { input, stages, differences } in changes {
                    let details = differences.iter().map(ToString::to_string).chain(stages);
                    lines.push(format!("  {input}: {}", details.collect::<Vec<_>>().join(", ")));
                }
            }
        }
    }
    lines
}

#[test]
fn what_is_up_to_date_would_be_reused() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path());
    assert_eq!(
        told(dir.path(), &["zfs", "dbus"], 1),
        ["root x: reused", "modules x: reused", "base x: reused", "disk x: reused"]
    );
}

#[test]
fn a_changed_input_is_told_with_what_changed_and_what_follows_from_it() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path());
    assert_eq!(
        told(dir.path(), &["zfs", "dbus"], 2),
        [
            "root x: reused",
            "modules x: reused",
            "base x: size changed",
            "  size: 1 -> 2",
            "disk x: root and base changed",
            "  root and base: base x",
        ]
    );
}

#[test]
fn what_needs_the_result_of_a_stage_that_is_not_built_is_open_and_the_rest_is_certain() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path());
    assert_eq!(
        told(dir.path(), &["zfs", "jq"], 1),
        [
            "root x: packages changed",
            "  packages: - dbus, + jq",
            "modules x: depends on root x",
            "base x: depends on root x",
            "disk x: depends on root x",
        ]
    );
    assert_eq!(
        told(dir.path(), &["zfs", "jq"], 2)[3..],
        [
            "base x: size changed",
            "  size: 1 -> 2",
            "disk x: root and base changed",
            "  root and base: root x, base x"
        ]
    );
}

#[test]
fn a_result_that_was_removed_would_be_built_and_an_older_one_reused() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path());
    chain(&Cache::open(dir.path()).unwrap(), &["zfs", "dbus"], 2).unwrap();
    assert_eq!(told(dir.path(), &["zfs", "dbus"], 1)[2], "base x: reused");
    let base = Cache::explaining(dir.path()).unwrap();
    chain(&base, &["zfs", "dbus"], 2).unwrap();
    for entry in std::fs::read_dir(dir.path().join("stages/base-x")).unwrap() {
        let _ = std::fs::remove_dir_all(entry.unwrap().path());
    }
    assert_eq!(told(dir.path(), &["zfs", "dbus"], 2)[2..], ["base x: its result is gone", "disk x: reused"]);
}

#[test]
fn in_a_cache_that_never_was_everything_is_a_first_build_and_no_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let expected = ["root x", "modules x", "base x", "disk x"].map(|stage| format!("{stage}: first build"));
    assert_eq!(told(&cache, &["zfs"], 1), expected);
    assert!(!cache.exists());
}

#[test]
fn what_two_recipes_need_alike_would_be_built_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::explaining(dir.path()).unwrap();
    for name in ["root x", "root y", "root x"] {
        cache.stage(name, &Key::default().value("packages", &["zfs"]), |_, _, _| Ok(())).unwrap();
    }
    let stages = cache.into_forecast().unwrap().stages;
    let outcomes: Vec<_> = stages.into_iter().map(|stage| (stage.stage, stage.outcome)).collect();
    let built = Outcome::Built { reason: Reason::FirstBuild };
    assert_eq!(outcomes, [("root x".into(), built), ("root y".into(), Outcome::Reused)]);
}

#[test]
fn explaining_changes_nothing_in_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path());
    let before = listing(dir.path());
    told(dir.path(), &["zfs", "dbus"], 1);
    told(dir.path(), &["jq"], 2);
    assert_eq!(listing(dir.path()), before);
}

/// Everything below a folder: path, time of its last change, content.
fn listing(folder: &Path) -> Vec<(std::path::PathBuf, SystemTime, Vec<u8>)> {
    let time = |path: &Path| path.metadata().unwrap().modified().unwrap();
    let mut found = vec![(folder.to_owned(), time(folder), Vec::new())];
    for path in crate::key::sorted_children(folder).unwrap() {
        if path.is_dir() {
            found.extend(listing(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.push((path.clone(), time(&path), content));
        }
    }
    found
}

#[test]
fn a_build_that_runs_is_not_waited_for_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let in_use = || Cache::explaining(dir.path()).unwrap().into_forecast().unwrap().cache_in_use;
    assert!(!in_use());
    let builder = Cache::open(dir.path()).unwrap();
    assert!(in_use());
    drop(builder);
    assert!(!in_use());
}
