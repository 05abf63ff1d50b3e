//! The tools of a release: every program that writes bytes of an image or compiles for it, so that
//! the versions of the host do not matter.

use crate::cache::Stage;
use crate::command::quote;
use crate::error::Result;
use crate::key::Key;
use crate::namespace;
use crate::packages::Packages;
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

/// Packs `what` of the folder `from` into `tar` (all shell words), the same bytes wherever and whenever: in order, with no date
/// after `source_date`, and without what a pax header tells of the packing process.
pub(crate) fn pack(from: &str, what: &str, tar: &str, source_date: u64) -> String {
    format!(
        "tar -C {from} --sort=name --mtime=@{source_date} --clamp-mtime --numeric-owner --xattrs --xattrs-include='*' \
         --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf {tar} {what}"
    )
}

/// The section of the builder's lock with these packages.
pub(crate) const SECTION: &str = "tools";

pub(crate) fn bootstrap(release: &str) -> Bootstrap {
    let owned = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    Bootstrap {
        release: release.into(),
        components: owned(&["main"]),
        packages: owned(PACKAGES),
        exclude: owned(EXCLUDE),
        ..Bootstrap::default()
    }
}

/// The tools of `release`, in `root/`.
pub(crate) fn stage(packages: &Packages, release: &str) -> Result<Stage> {
    let bootstrap = bootstrap(release);
    let key = Key::default()
        .value("packages", &bootstrap)
        .value("builder", &[include_str!("tools.rs"), include_str!("bootstrap.rs")]);
    let locked = packages.own.sections.get(SECTION);
    packages.stage(&format!("tools {release}"), key, &bootstrap, locked, |installer, out| {
        let tar = installer.scratch.join("root.tar");
        installer.run("install the tools with mmdebstrap", Some(&tar), &[])?;
        let script = extract(&quote(&tar), &quote(out.join("root")));
        installer.log.run("unpack the tools", namespace::command(&script))?;
        Ok(())
    })
}
