//! The tools of a release: every program that writes bytes of an image or compiles for it, so that
//! the versions of the host do not matter.

use crate::apt::Mirrors;
use crate::cache::{Cache, Stage};
use crate::command::quote;
use crate::error::Result;
use crate::key::Key;
use crate::namespace;
use crate::stages::bootstrap::Bootstrap;

const PACKAGES: &[&str] = &[
    // filesystems, boot loader, firmware, archives
    "cpio",
    "dosfstools",
    "dpkg-dev",
    "e2fsprogs",
    "erofs-utils",
    "grub-efi-amd64-bin",
    "kmod",
    "mtools",
    "squashfs-tools",
    "ovmf",
    "busybox-static",
    "xfsprogs",
    "xz-utils",
    "zstd",
    // compilers and the libraries that services link
    "clang",
    "gcc",
    "g++",
    "libbpf-dev",
    "libc6-dev",
    "libelf-dev",
    "libiscsi-dev",
    "lld",
    "llvm",
    "make",
    "pkgconf",
    "zlib1g-dev",
];

const EXCLUDE: &[&str] = &["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*"];

/// Extracts `root.tar` (a shell word) into the folder `to` (a shell word). Device nodes cannot be made
/// in a user namespace and are not needed: the kernel fills `/dev`.
pub(crate) fn extract(tar: &str, to: &str) -> String {
    format!(
        "mkdir -p {to}; tar -C {to} -xpf {tar} --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*'"
    )
}

/// The tools of `release`, in `root/`.
pub(crate) fn stage(cache: &Cache, mirrors: &Mirrors, release: &str) -> Result<Stage> {
    let owned = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    let (packages, exclude, components) = (owned(PACKAGES), owned(EXCLUDE), owned(&["main"]));
    let bootstrap = Bootstrap {
        release,
        components: &components,
        packages: &packages,
        exclude: &exclude,
        setup_hooks: Vec::new(),
    };
    let key = Key::default()
        .value("packages", &bootstrap)
        .value("builder", &[include_str!("tools.rs"), include_str!("bootstrap.rs")]);
    cache.stage(&format!("tools {release}"), &key, |out, scratch, log| {
        let tar = scratch.join("root.tar");
        bootstrap.run(cache, mirrors, log, "install the tools with mmdebstrap", scratch, Some(&tar), &[])?;
        let script = extract(&quote(&tar), &quote(out.join("root")));
        log.run("unpack the tools", namespace::command(&script))?;
        Ok(())
    })
}
