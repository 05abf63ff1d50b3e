//! QEMU's translator as the release has it, with one lock more: for hosts without a usable KVM, where an
//! image that runs virtual machines itself is booted under emulated SVM.
//!
//! QEMU up to 11.1 calls `cpu_interrupt` without its big lock when a guest's guest writes CR8 while a
//! virtual interrupt waits, and ends with a failed assertion (`bql_locked`). UEFI firmware writes CR8 at
//! the end of every interrupt, so a nested UEFI machine brings the emulator down sooner or later. And up
//! to 10.1, VMRUN changes the word of pending interrupts without that lock, which can lose one that
//! another thread is just raising: the guest then waits for ever. Where KVM works nothing of this is
//! needed, nor built.
//!
//! It has the devices named here and no others: QEMU has many, and who needs this one waits for their compilation.

use crate::cache::Stage;
use crate::command::quote;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::packages::Packages;
use crate::stages::bootstrap::{Bootstrap, Installer};

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

/// A symbol of QEMU's configuration (its `Kconfig` files), and the devices that it brings and machines can be given, by the names of
/// `-device`. The rest of a q35 machine comes with its board: interrupt controllers, flash, iTCO watchdog, keyboard.
const DEVICES: [(&str, &[&str]); 14] = [
    ("Q35", &["ich9-ahci", "ide-cd", "ide-hd", "isa-serial"]),
    ("HPET", &[]), // the clock that guests take where the processor's is not steady; part of the board
    ("VIRTIO_PCI", &[]),
    ("VIRTIO_BLK", &["virtio-blk-pci"]),
    ("VIRTIO_NET", &["virtio-net-pci"]),
    ("VIRTIO_RNG", &["virtio-rng-pci"]),
    ("VIRTIO_SERIAL", &["virtio-serial-pci", "virtconsole", "virtserialport"]),
    ("VGA_PCI", &["VGA"]),
    ("E1000E_PCI_EXPRESS", &["e1000e"]),
    ("NVME_PCI", &["nvme"]),
    ("USB_XHCI_PCI", &["qemu-xhci"]),
    ("USB_STORAGE_CLASSIC", &["usb-storage"]),
    ("WDT_IB6300ESB", &["i6300esb"]),
    ("PVPANIC_ISA", &["pvpanic"]),
];

/// Every device that a machine run by the emulator can be given, by the names of QEMU's `-device`.
pub fn devices() -> impl Iterator<Item = &'static str> {
    DEVICES.into_iter().flat_map(|(_, models)| models.iter().copied())
}

/// Runs inside the root, with [`DEVICES`] in the configuration `guests`. Firmware and option ROMs are the host's, where Debian's packages put them.
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
printf 'CONFIG_%s=y\n' "$@" > configs/devices/x86_64-softmmu/guests.mak
cd out
../configure --target-list=x86_64-softmmu --without-default-features --without-default-devices --with-devices-x86_64=guests \
    --enable-system --enable-tcg --enable-linux-aio --enable-pixman --enable-png --enable-slirp --enable-trace-backends=nop \
    --disable-fdt --disable-download --disable-install-blobs \
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

/// The program and, in `lib/`, what it needs. No byte of an image comes from here, so it is not locked.
pub(crate) fn stage(packages: &Packages, release: &str) -> Result<Stage> {
    let bootstrap = Bootstrap {
        release: release.into(),
        components: vec!["main".to_owned()],
        packages: PACKAGES.iter().map(|name| name.to_string()).collect(),
        ..Bootstrap::default()
    };
    let key = Key::default()
        .value("packages", &bootstrap)
        .value("builder", &[include_str!("emulator.rs"), include_str!("bootstrap.rs")]);
    let name = format!("emulator {release}");
    packages.cache.stage(&name, &key, |out, scratch, log| {
        let tar = scratch.join("result.tar");
        let symbols = DEVICES.map(|(symbol, _)| symbol).join(" ");
        let hooks = [
            format!("chroot \"$1\" sh -euc {} sh {symbols}", quote(BUILD)),
            format!("tar-out /build/result {}", quote(&tar)),
        ];
        let installer = Installer { packages, bootstrap: &bootstrap, pins: None, name: &name, scratch, log };
        installer.run("build QEMU from the release's source", None, &hooks)?;
        let mut unpack = std::process::Command::new("tar");
        unpack.arg("-xf").arg(&tar).arg("--strip-components=1").arg("-C").arg(out);
        log.run("unpack QEMU", unpack)?;
        let launcher = out.join(PROGRAM);
        std::fs::write(&launcher, LAUNCHER).at("write", &launcher)?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&launcher, executable).at("make executable", &launcher)?;
        let mut list = std::process::Command::new(&launcher);
        list.args(["-machine", "q35", "-device", "help"]);
        let listed = log.run("ask QEMU for its devices", list)?;
        let lacking = lacking(&String::from_utf8_lossy(&listed));
        if lacking.is_empty() {
            return Ok(());
        }
        Err(Error::content(
            &name,
            format!("the QEMU built from {release}'s source has no device {}", lacking.join(", ")),
            "see which symbol of the source's Kconfig files brings it now, and name that in stages/emulator.rs",
        ))
    })
}

/// Those of [`devices`] that `-device help` does not list.
fn lacking(listed: &str) -> Vec<&'static str> {
    let listed: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("name \"")?.split_once('"'))
        .map(|(name, _)| name)
        .collect();
    devices().filter(|model| !listed.contains(model)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_qemu_does_not_list_is_named() {
        let line = |model| format!("name \"{model}\", bus PCI, desc \"like nvme\"\n");
        let listed: String = devices().filter(|model| *model != "nvme").map(line).collect();
        assert_eq!(lacking(&format!("Storage devices:\n{listed}name \"nvme-ns\", bus nvme-bus\n")), ["nvme"]);
    }
}
