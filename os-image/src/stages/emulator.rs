//! QEMU's translator as the release has it, with one lock more: for hosts without a usable KVM, where an
//! image that runs virtual machines itself is booted under emulated SVM.
//!
//! QEMU up to 11.1 calls `cpu_interrupt` without its big lock when a guest's guest writes CR8 while a
//! virtual interrupt waits, and ends with a failed assertion (`bql_locked`). UEFI firmware writes CR8 at
//! the end of every interrupt, so a nested UEFI machine brings the emulator down sooner or later. And up
//! to 10.1, VMRUN changes the word of pending interrupts without that lock, which can lose one that
//! another thread is just raising: the guest then waits for ever. Where KVM works nothing of this is
//! needed, nor built.

use crate::apt::Mirrors;
use crate::cache::{Cache, Stage};
use crate::command::quote;
use crate::error::{IoContext, Result};
use crate::key::Key;
use crate::stages::bootstrap::Bootstrap;

/// The program, in the stage's folder.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

const PACKAGES: &[&str] = &[
    "apt",
    "bison",
    "dpkg-dev",
    "flex",
    "gcc",
    "libaio-dev",
    "libc6-dev",
    "libglib2.0-dev",
    "libpixman-1-dev",
    "libpng-dev",
    "libslirp-dev",
    "meson",
    "ninja-build",
    "pkgconf",
    "python3-venv",
    "zlib1g-dev",
];

/// Runs inside the root. Firmware and option ROMs are the host's, where Debian's packages put them.
///
/// `BQL_LOCK_GUARD` is QEMU's own: it takes the lock unless this thread holds it, until the scope ends.
const BUILD: &str = r#"
sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/source.list
apt-get update
mkdir /build
cd /build
apt-get source --download-only qemu
dpkg-source --extract qemu_*.dsc qemu
cd qemu/target/i386/tcg/system
lock() { # FILE STATEMENT
    test "$(grep -cF "$2" "$1")" = 1
    sed -i "s/$2/{ BQL_LOCK_GUARD(); & }/" "$1"
}
lock misc_helper.c 'cpu_interrupt(cs, CPU_INTERRUPT_VIRQ);'
if grep -qF 'interrupt_request |=' svm_helper.c; then
    lock svm_helper.c 'cs->interrupt_request |= CPU_INTERRUPT_VIRQ;'
    sed -i '0,/^#include "cpu.h"/s//#include "qemu\/main-loop.h"\n&/' svm_helper.c
fi
cd /build/qemu
mkdir out /build/result /build/result/lib
cd out
../configure --target-list=x86_64-softmmu --without-default-features --enable-system --enable-tcg --enable-linux-aio \
    --enable-pixman --enable-png --enable-slirp --disable-fdt --disable-download --disable-install-blobs \
    --prefix=/nowhere --firmwarepath=/usr/share/qemu:/usr/share/seabios --extra-cflags=-g0
ninja qemu-system-x86_64
cd /build/result
strip -o lib/qemu-system-x86_64 ../qemu/out/qemu-system-x86_64
ldd lib/qemu-system-x86_64 | grep -o '/[^ ]*' | xargs -I {} cp -L {} lib/
"#;

/// Starts the program with the libraries it was linked with: the host may be of another release.
const LAUNCHER: &str = r#"#!/bin/sh
lib=$(dirname "$(readlink -f "$0")")/lib
exec "$lib/ld-linux-x86-64.so.2" --argv0 "$0" --library-path "$lib" "$lib/qemu-system-x86_64" "$@"
"#;

/// The program and, in `lib/`, what it needs.
pub(crate) fn stage(cache: &Cache, mirrors: &Mirrors, release: &str) -> Result<Stage> {
    let packages: Vec<_> = PACKAGES.iter().map(|name| name.to_string()).collect();
    let bootstrap = Bootstrap {
        release,
        components: &["main".to_owned()],
        packages: &packages,
        exclude: &[],
        setup_hooks: Vec::new(),
    };
    let key = Key::default()
        .value("packages", &bootstrap)
        .value("builder", &[include_str!("emulator.rs"), include_str!("bootstrap.rs")]);
    cache.stage(&format!("emulator {release}"), &key, |out, scratch, log| {
        let tar = scratch.join("result.tar");
        let hooks = [
            format!("chroot \"$1\" sh -euc {}", quote(BUILD)),
            format!("tar-out /build/result {}", quote(&tar)),
        ];
        bootstrap.run(cache, mirrors, log, "build QEMU from the release's source", scratch, None, &hooks)?;
        let mut unpack = std::process::Command::new("tar");
        unpack.arg("-xf").arg(&tar).arg("--strip-components=1").arg("-C").arg(out);
        log.run("unpack QEMU", unpack)?;
        let launcher = out.join(PROGRAM);
        std::fs::write(&launcher, LAUNCHER).at("write", &launcher)?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&launcher, executable).at("make executable", &launcher)?;
        let mut check = std::process::Command::new(&launcher);
        check.arg("--version");
        log.run("start QEMU", check)?;
        Ok(())
    })
}
