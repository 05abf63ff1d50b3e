//! A small root, listed as a builder lists it.

use std::path::Path;
use std::process::Command;

use super::contents::Contents;
use super::*;

/// Makes a root with files of every origin in `root`, and a listing of it in `listing`. Returns the bytes in it.
fn recorded(root: &Path, listing: &Path) -> u64 {
    let files = [
        ("usr/bin/tool", 100),
        ("usr/bin/box", 1000),
        ("usr/lib/modules/6.12/kernel/zfs.ko", 500),
        ("usr/lib/vendor/scheduler", 3000),
        ("usr/lib/vendor/helper/vmlinuz", 700),
        ("boot/vmlinuz-6.12", 40),
        ("boot/initrd.img-6.12", 50),
        ("usr/lib/udev/deep/below/made", 7),
        ("usr/lib/udev/deep/made", 8),
        ("etc/made here", 9),
    ];
    for (name, bytes) in files {
        write(&root.join(name), &"x".repeat(bytes));
    }
    std::fs::hard_link(root.join("usr/bin/box"), root.join("usr/bin/a-name-of-nobody")).unwrap();
    std::fs::hard_link(root.join("usr/bin/box"), root.join("usr/bin/sh")).unwrap();
    let info = root.join("var/lib/dpkg/info");
    let status = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n\n"
        )
    };
    write(&root.join("var/lib/dpkg/status"), &["tools", "linux"].map(status).concat());
    write(
        &info.join("tools.list"),
        "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/box\n/usr/bin/sh\n/usr/bin/left-out\n",
    );
    write(&info.join("linux.list"), "/.\n/boot/vmlinuz-6.12\n/usr/lib/modules/6.12/kernel/zfs.ko\n");
    let script = record(root.to_str().unwrap(), listing.to_str().unwrap());
    assert!(Command::new("sh").args(["-euc", &script]).status().unwrap().success());
    let dpkg = ["status", "info/tools.list", "info/linux.list"];
    let dpkg = dpkg.map(|name| root.join("var/lib/dpkg").join(name).metadata().unwrap().len());
    files.map(|(_, bytes)| bytes as u64).iter().chain(&dpkg).sum()
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

#[test]
fn every_byte_counts_once_for_whoever_brought_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("listing")).unwrap();
    let in_root = recorded(&path("root"), &path("listing"));
    write(&path("vmlinuz"), "four");
    write(&path("initrd.img"), "sixsix");
    let makeup = Makeup {
        filesystem: Some(Stage { path: path("listing"), hash: String::new() }),
        origins: [
            ("usr/lib/vendor/scheduler".to_owned(), Origin::Service("scheduler".into())),
            ("usr/lib/vendor/helper/vmlinuz".to_owned(), Origin::Recipe("helper".into())),
        ]
        .into(),
        kernel_apart: true,
    };
    let sizes = Sizes::of("box", &makeup, &path("vmlinuz"), &path("initrd.img")).unwrap();
    assert_eq!(sizes.bytes, in_root + 4 + 6);
    assert_eq!(sizes.contributors.iter().map(|part| part.bytes).sum::<u64>(), sizes.bytes);
    let told = sizes.contributors.iter().map(|part| format!("{} {}", part.bytes, part.origin));
    let told: Vec<_> = told.filter(|line| !line.ends_with("/var/lib/dpkg")).collect();
    assert_eq!(
        told,
        [
            "3000 service scheduler",
            "1100 package tools",
            "700 recipe helper",
            "500 kernel modules",
            "56 initramfs",
            "44 kernel",
            "15 others in /usr/lib/udev",
            "9 others in /etc",
        ]
    );
}

#[test]
fn a_listing_that_is_not_understood_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("files"), "12 13\n");
    write(&dir.path().join("packages"), "");
    let message = Contents::read(dir.path()).unwrap_err().to_string();
    assert!(message.contains("files") && message.contains("not understood"), "{message}");
}
