//! Compiles the tracker's BPF programs with clang, and links Debian's libiscsi statically.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "bpf/tracker.bpf.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-env-changed=CLANG");
    compile_tracker();
    link_iscsi();
}

fn compile_tracker() {
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let object = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("tracker.o");
    // Debug information becomes the BTF that CO-RE needs. Relative paths only, so that the object is the same
    // wherever it is built.
    let status = Command::new(&clang)
        .args([
            "-target",
            "bpf",
            "-mcpu=v3",
            "-O2",
            "-g",
            "-fdebug-compilation-dir=.",
            "-Wall",
            "-Wextra",
            "-Werror",
        ])
        .args(["-Wno-unused-parameter", "-c", SOURCE, "-o"])
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("`{clang}` could not compile {SOURCE} ({status}); its words stand above"),
        Err(error) => {
            panic!("cannot start `{clang}`, which compiles the write tracker: {error}; install clang")
        }
    }
}

/// Where Debian and its relatives keep static libraries.
fn library(name: &str) -> Option<PathBuf> {
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"]
        .into_iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

fn link_iscsi() {
    let Some(archive) = library("libiscsi.a") else {
        panic!("libiscsi.a was not found: install libiscsi-dev");
    };
    println!("cargo::rerun-if-changed={}", archive.display());
    let folder = archive.parent().expect("a file has a folder");
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=static=iscsi");
}
