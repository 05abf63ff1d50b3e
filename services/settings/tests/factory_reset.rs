//! What the initramfs does to a state partition that is marked for a factory reset, on a folder that stands for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MARK: &str = "understudy/settings/factory-reset";
/// All kinds of names, and the folder that the file system has by itself.
const FILES: [&str; 9] = [
    "machine-id",
    ".hidden",
    "..odd",
    "a name with spaces/and folders/file",
    "journal/system.journal",
    "rauc/central.raucs",
    "understudy/gateway/authority.key",
    "understudy/settings/settings.toml",
    "understudy/settings/set-up",
];

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../recipes/appliance/files/etc/initramfs-tools/scripts/wipe-state")
}

fn put(folder: &Path, name: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "x").unwrap();
}

fn state() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    FILES.iter().chain(&["lost+found/#12"]).for_each(|name| put(folder.path(), name));
    folder
}

fn left(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs the script, with other programs before the system's own if `programs` is given.
fn wipe(state: &Path, programs: Option<&Path>) -> bool {
    let mut command = Command::new("sh");
    command.arg(script()).arg(state);
    if let Some(programs) = programs {
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", programs.display()));
    }
    command.output().unwrap().status.success()
}

#[test]
fn without_the_mark_nothing_is_touched() {
    let state = state();
    assert!(wipe(state.path(), None));
    assert!(FILES.iter().all(|name| state.path().join(name).exists()));
}

#[test]
fn with_the_mark_nothing_is_left_and_the_mark_neither() {
    let state = state();
    put(state.path(), MARK);
    assert!(wipe(state.path(), None));
    assert_eq!(left(state.path()), ["lost+found"]);
    assert!(left(&state.path().join("lost+found")).is_empty());
}

/// Every program the script starts is the last one once; then the box starts again.
#[test]
fn a_power_cut_anywhere_wipes_again() {
    let mut cuts = 0;
    loop {
        let (state, programs) = (state(), tempfile::tempdir().unwrap());
        put(state.path(), MARK);
        let count = programs.path().join("count");
        for program in ["rm", "sync", "rmdir"] {
            // One more is done, or nothing any more.
            let text = format!(
                "#!/bin/sh\nn=$(cat {count} 2>/dev/null || echo 0)\necho $((n + 1)) >{count}\n\
                 [ $n -lt {cuts} ] || {{ kill -9 $PPID; exit 1; }}\nPATH=${{PATH#*:}} exec {program} \"$@\"\n",
                count = count.display()
            );
            let file = programs.path().join(program);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let through = wipe(state.path(), Some(programs.path()));
        let rest = FILES.iter().filter(|name| state.path().join(name).exists()).count();
        assert!(
            rest == 0 || state.path().join(MARK).exists(),
            "{rest} files outlived the mark after {cuts} steps"
        );
        assert!(wipe(state.path(), None));
        assert!(FILES.iter().all(|name| !state.path().join(name).exists()), "after {cuts} steps");
        if through {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 10, "only {cuts} places were visited");
}
