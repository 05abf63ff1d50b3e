use std::path::Path;
use std::process::Command;

use super::*;
use crate::command::{Log, quote};
use crate::namespace;

/// The same stage made twice by a script that is told which one it is, and where they go apart.
fn compare(script: &str) -> Option<Divergence> {
    let dir = tempfile::tempdir().unwrap();
    let log = Log(dir.path().join("log"));
    let builds = ["1", "2"].map(|number| {
        let path = dir.path().join(number);
        std::fs::create_dir(&path).unwrap();
        let mut make = Command::new("sh");
        make.args(["-euc", script]).current_dir(&path).env("BUILD", number).env("LC_ALL", "C");
        log.run("make a stage", make).unwrap();
        [StageReport { stage: "root x".into(), path, built: None, seconds: 0.0 }]
    });
    let run = |folder: &Path, script: &str| {
        Ok(log.run("look inside", namespace::command(&format!("cd {}\n{script}", quote(folder))))?)
    };
    let inspector = Inspector { run: &run, scratch: dir.path() };
    inspector.first_divergence([&builds[0], &builds[1]]).unwrap()
}

/// A tar of the folder `t`, as the builder packs.
const PACK: &str = "tar --sort=name --mtime=@0 --owner=0 --group=0 -cf root.tar t; rm -r t";

#[test]
fn equal_builds_have_no_difference() {
    assert_eq!(compare(&format!("mkdir t; echo same > t/file; {PACK}")), None);
}

#[test]
fn a_file_with_a_random_content_is_named_inside_its_archive() {
    let random = "mkdir t t/etc; echo same > t/etc/a; cat /proc/sys/kernel/random/uuid > t/etc/random; echo same > t/z";
    let difference = compare(&format!("{random}; {PACK}")).unwrap();
    assert_eq!(difference.path, ["root.tar", "t/etc/random"]);
    assert!(difference.what.starts_with("it differs from byte "), "{difference}");
}

#[test]
fn archives_in_archives_are_opened_and_the_offset_counts_in_the_innermost_file() {
    let difference =
        compare(&format!("mkdir t; printf 1234$BUILD > t/file; {PACK}; gzip -n root.tar")).unwrap();
    assert_eq!(
        difference.to_string(),
        "stage root x > root.tar.gz > content > t/file: it differs from byte 4 on"
    );
}

#[test]
fn a_file_that_only_one_build_has_is_named_and_so_is_a_different_mode_or_date() {
    let difference = compare(&format!("mkdir t; touch t/$BUILD; {PACK}")).unwrap();
    assert_eq!(
        (difference.path[1].as_str(), difference.what.as_str()),
        ("t/1", "only the first build has it")
    );
    let difference = compare(&format!("mkdir t; touch t/file; chmod 64$BUILD t/file; {PACK}")).unwrap();
    assert_eq!(
        (difference.path[1].as_str(), difference.what.as_str()),
        ("t/file", "its mode is 641 and 642")
    );
    let dated = PACK.replace("@0", "@$BUILD");
    let difference = compare(&format!("mkdir t; touch t/file; {dated}")).unwrap();
    assert_eq!(difference.what, "its date is 1.0000000000 and 2.0000000000");
}

#[test]
fn an_archive_whose_files_are_the_same_differs_itself() {
    let order = "touch a b; if [ $BUILD = 1 ]; then set a b; else set b a; fi; tar --mtime=@0 -cf root.tar $@; rm a b";
    let difference = compare(order);
    let difference = difference.unwrap();
    assert_eq!(difference.path, ["root.tar"]);
    assert!(difference.what.ends_with("every file in it is the same"), "{difference}");
}

#[test]
fn an_initramfs_of_two_archives_is_searched_to_its_end() {
    let pack = "find t | sort | cpio --quiet -o -H newc --reproducible -R 0:0";
    let script = format!(
        "mkdir t; echo early > t/early; {pack} > initrd; rm t/early; mkdir t/etc; touch -d @1 t/etc t; printf 12$BUILD > t/etc/late
         touch -d @1 t/etc/late t/etc t; {pack} | gzip -n >> initrd; rm -r t"
    );
    // The first archive of either build has dates of its own.
    let script = script.replacen("echo early > t/early;", "echo early > t/early; touch -d @1 t/early t;", 1);
    let difference = compare(&script).unwrap();
    assert_eq!(difference.path, ["initrd", "second archive", "content", "t/etc/late"]);
    assert_eq!(difference.what, "it differs from byte 2 on");
}

#[test]
fn a_partition_is_named_by_its_label() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = "name = \"n\"\nrelease = \"r\"\npartitions = [{ label = \"esp\", size = \"1MiB\" }, { label = \"state\", size = \"1MiB\" }]";
    let recipe: crate::recipe::Recipe = toml::from_str(recipe).unwrap();
    let disk = dir.path().join("disk.raw");
    let starts = crate::stages::disk::write_table(&recipe, &disk).unwrap();
    let other = dir.path().join("other.raw");
    std::fs::copy(&disk, &other).unwrap();
    std::os::unix::fs::FileExt::write_all_at(
        &File::options().write(true).open(&other).unwrap(),
        b"x",
        starts[1] + 7,
    )
    .unwrap();
    let inspector = Inspector { run: &|_, _| panic!("no program is needed"), scratch: dir.path() };
    let found = inspector.files([&disk, &other]).unwrap().unwrap();
    assert_eq!((found.path, found.what.as_str()), (vec!["state".to_owned()], "it differs from byte 7 on"));
}
