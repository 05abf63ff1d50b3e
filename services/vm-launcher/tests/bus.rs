//! The launcher through its D-Bus interface, with real QEMU as plain processes (no systemd) and an emulated processor.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use understudy_bus::error::Error;
use understudy_bus::vms::{Disk, PATH, Spec, Vm, VmsProxy};
use understudy_qemu_runner::{Accelerator, Processes};
use understudy_vm_launcher::dbus::{Manager, tell};
use understudy_vm_launcher::launcher::Launcher;
use understudy_vm_launcher::spec::Host;
use understudy_wire::VmId;

/// 16-bit code for the BIOS to start. Tells COM1 "OK"; then a byte typed powers the machine off (q35: PM1a_CNT at 0x604).
const BOOT_SECTOR: &[u8] = &[
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xb0, b'O', 0xee, // mov al, 'O'; out dx, al
    0xb0, b'K', 0xee, // mov al, 'K'; out dx, al
    0xba, 0xfd, 0x03, // again: mov dx, 0x3fd (line status)
    0xec, 0xa8, 0x01, // in al, dx; test al, 1 (data ready)
    0x74, 0xf8, // jz again
    0xba, 0x04, 0x06, // mov dx, 0x604
    0xb8, 0x00, 0x20, 0xef, // mov ax, 0x2000 (SLP_EN, S5); out dx, ax
    0xeb, 0xfe, // jmp here
];

/// `understudy-qemu` beside this test's own program, as cargo builds both.
fn understudy_qemu() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "understudy-qemu-runner", "--bin", "understudy-qemu"])
        .status()
        .unwrap();
    assert!(built.success(), "understudy-qemu cannot be built");
    let deps = std::env::current_exe().unwrap();
    deps.parent().and_then(Path::parent).unwrap().join("understudy-qemu")
}

struct Bench {
    proxy: VmsProxy<'static>,
    _server: zbus::Connection,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let units = Processes::new(understudy_qemu(), directory.path());
        let host = Host::this(Accelerator::Tcg).unwrap();
        let (launcher, changes) = Launcher::new(units, host, directory.path().to_owned());
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let server = zbus::connection::Builder::unix_stream(theirs)
            .server(zbus::Guid::generate())
            .unwrap()
            .p2p()
            .serve_at(PATH, Manager::new(Arc::new(launcher)))
            .unwrap();
        let client = zbus::connection::Builder::unix_stream(ours).p2p();
        let (server, client) = tokio::try_join!(server.build(), client.build()).unwrap();
        let teller = server.clone();
        tokio::spawn(async move { tell(&teller, changes).await });
        let proxy = VmsProxy::new(&client).await.unwrap();
        Self { proxy, _server: server, _directory: directory }
    }
}

fn spec() -> Spec {
    let mut disk = tempfile::tempfile().unwrap();
    disk.write_all(BOOT_SECTOR).unwrap();
    disk.seek(SeekFrom::Start(510)).unwrap();
    disk.write_all(&[0x55, 0xaa]).unwrap();
    disk.set_len(1 << 20).unwrap();
    Spec {
        vm: VmId::new().to_string(),
        name: "ledger".to_owned(),
        cpus: 1,
        memory: 32 << 20,
        firmware: "bios".to_owned(),
        network: "isolated".to_owned(),
        macs: vec!["52:54:00:12:34:56".to_owned()],
        disks: vec![Disk {
            disk: VmId::new().to_string(),
            contents: OwnedFd::from(disk).into(),
            size: 1_000_448,
            sector_size: 512,
        }],
    }
}

fn console(fd: zbus::zvariant::OwnedFd) -> UnixStream {
    let stream = UnixStream::from(OwnedFd::from(fd));
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

async fn read(mut stream: UnixStream, count: usize) -> (UnixStream, String) {
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).unwrap();
        (stream, String::from_utf8(bytes).unwrap())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_machine_is_started_seen_and_stopped_over_the_bus() {
    let bench = Bench::new().await;
    let spec = spec();
    let id = spec.vm.clone();
    let vm = bench.proxy.start(spec).await.unwrap();
    assert_eq!((vm.vm.as_str(), vm.name.as_str(), vm.state.as_str()), (id.as_str(), "ledger", "running"));
    assert!(vm.started_after > 0);
    assert_eq!(bench.proxy.list().await.unwrap(), [vm]);
    let (_, said) = read(console(bench.proxy.console(&id).await.unwrap()), 2).await;
    assert_eq!(said, "OK");
    let mut picture = Vec::new();
    let screen = OwnedFd::from(bench.proxy.screenshot(&id).await.unwrap());
    std::fs::File::from(screen).read_to_end(&mut picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    bench.proxy.stop(&id).await.unwrap();
    assert_eq!(bench.proxy.list().await.unwrap(), []);
    bench.proxy.stop(&id).await.unwrap();
    assert!(matches!(bench.proxy.console(&id).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_guest_that_powers_itself_off_is_told_as_stopped_and_stays_listed_until_it_is_stopped() {
    let bench = Bench::new().await;
    let mut changes = bench.proxy.receive_state_changed().await.unwrap();
    let spec = spec();
    let id = spec.vm.clone();
    bench.proxy.start(spec).await.unwrap();
    let (mut typist, said) = read(console(bench.proxy.console(&id).await.unwrap()), 2).await;
    assert_eq!(said, "OK");
    typist.write_all(b"q").unwrap();
    let stopped = async {
        loop {
            let vm: Vm = changes.next().await.unwrap().args().unwrap().vm;
            if vm.state == "stopped" {
                return vm;
            }
        }
    };
    let vm = tokio::time::timeout(Duration::from_secs(60), stopped).await.expect("no signal told of the end");
    assert_eq!((vm.vm.as_str(), vm.message.as_str()), (id.as_str(), "the guest powered itself off"));
    assert_eq!(bench.proxy.list().await.unwrap()[0].state, "stopped");
    bench.proxy.stop(&id).await.unwrap();
    assert_eq!(bench.proxy.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_machine_that_cannot_start_is_refused_by_name_and_leaves_nothing() {
    let bench = Bench::new().await;
    let mut wrong = spec();
    wrong.network = "lan".to_owned();
    assert!(
        matches!(bench.proxy.start(wrong).await, Err(Error::InvalidArgument(text)) if text.contains("lan"))
    );
    let mut dead = spec();
    dead.firmware = "uefi".to_owned();
    let id = dead.vm.clone();
    // The host of this test may have no UEFI firmware, or another one: what counts is that a failure is whole.
    match bench.proxy.start(dead).await {
        Ok(_) => bench.proxy.stop(&id).await.unwrap(),
        Err(error) => assert!(matches!(&error, Error::Failed(text) if text.contains("OVMF")), "{error:?}"),
    }
    assert_eq!(bench.proxy.list().await.unwrap(), []);
}
