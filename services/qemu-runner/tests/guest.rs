//! Real QEMU, started through `understudy-qemu` as plain processes, with a boot sector of a few instructions as its guest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use understudy_qemu_runner::{
    Accelerator, Access, Boot, Disk, Guest, Machine, Place, Processes, Units, attach, end, launch,
};
use understudy_wire::VmId;

/// 16-bit code for the BIOS to start: tells COM1 "OK", then answers each byte it is sent with the next one in value.
const BOOT_SECTOR: &[u8] = &[
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xb0, b'O', 0xee, // mov al, 'O'; out dx, al
    0xb0, b'K', 0xee, // mov al, 'K'; out dx, al
    0xba, 0xfd, 0x03, // again: mov dx, 0x3fd (line status)
    0xec, 0xa8, 0x01, // in al, dx; test al, 1 (data ready)
    0x74, 0xf8, // jz again
    0xba, 0xf8, 0x03, 0xec, // mov dx, 0x3f8; in al, dx
    0xfe, 0xc0, 0xee, // inc al; out dx, al
    0xeb, 0xee, // jmp again
];
const SIZE: u64 = 1_000_448;

struct Bench {
    directory: tempfile::TempDir,
    units: Processes,
    id: VmId,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let units = Processes::new(env!("CARGO_BIN_EXE_understudy-qemu"), directory.path());
        Self { directory, units, id: VmId::new() }
    }

    fn place(&self) -> Place {
        Place::new(self.directory.path(), self.id)
    }

    /// A machine with one bootable disk whose file is larger than what the guest shall see.
    fn machine(&self) -> (Machine, OwnedFd) {
        let mut disk = tempfile::tempfile().unwrap();
        disk.write_all(BOOT_SECTOR).unwrap();
        disk.seek(SeekFrom::Start(510)).unwrap();
        disk.write_all(&[0x55, 0xaa]).unwrap();
        disk.set_len(2 << 20).unwrap();
        let disk = OwnedFd::from(disk);
        let machine = Machine {
            id: self.id,
            accelerator: Accelerator::Tcg,
            cpus: 1,
            memory_mib: 32,
            boot: Boot::Bios,
            disks: vec![Disk {
                serial: "0123456789abcdef0123".to_owned(),
                size: SIZE,
                sector_size: 512,
                read_only: false,
                access: Access::of(&disk).unwrap(),
            }],
            interfaces: vec!["52:54:00:12:34:56".parse().unwrap()],
            screen: true,
            report_port: None,
        };
        (machine, disk)
    }

    async fn launch(&self) -> Guest {
        let (machine, disk) = self.machine();
        launch(&self.units, &self.place(), &machine, vec![disk]).await.unwrap()
    }
}

async fn expect(guest: &Guest, typed: &str, wanted: &str) {
    let console = std::os::unix::net::UnixStream::from(guest.console.connect().unwrap());
    console.set_nonblocking(true).unwrap();
    let mut console = UnixStream::from_std(console).unwrap();
    console.write_all(typed.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let waiting = async {
        while !seen.contains(wanted) {
            let mut piece = [0; 256];
            let count = console.read(&mut piece).await.unwrap();
            assert!(count > 0, "the console ended after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect(wanted);
}

#[tokio::test]
async fn a_guest_boots_from_its_disk_talks_on_its_console_and_shows_its_screen() {
    let bench = Bench::new();
    let guest = bench.launch().await;
    expect(&guest, "", "OK").await;
    expect(&guest, "1", "2").await;

    let picture = guest.monitor.screenshot().await.unwrap();
    let mut bytes = Vec::new();
    std::fs::File::from(picture).read_to_end(&mut bytes).unwrap();
    let picture = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    assert!(picture.info().width >= 640, "{:?}", picture.info());
    guest.monitor.screenshot().await.unwrap();

    let nodes = guest.monitor.execute("query-named-block-nodes", json!({"flat": true})).await.unwrap();
    let disk = nodes.as_array().unwrap().iter().find(|node| node["node-name"] == "disk0").unwrap();
    assert_eq!(disk["image"]["virtual-size"], SIZE, "the guest sees the true size");
    end(&bench.units, &bench.place(), bench.id, Some(&guest.monitor)).await.unwrap();
}

#[tokio::test]
async fn ending_a_guest_leaves_no_process_and_no_folder() {
    let bench = Bench::new();
    let (machine, disk) = bench.machine();
    let mut guest = launch(&bench.units, &bench.place(), &machine, vec![disk]).await.unwrap();
    assert_eq!(bench.units.running().await.unwrap(), [bench.id]);
    end(&bench.units, &bench.place(), bench.id, Some(&guest.monitor)).await.unwrap();
    assert!(bench.units.running().await.unwrap().is_empty());
    assert!(Place::all(bench.directory.path()).unwrap().is_empty());
    let mut names = Vec::new();
    while let Some(event) = guest.events.next().await {
        names.push(event.name);
    }
    assert!(names.iter().any(|name| name == "SHUTDOWN"), "{names:?}");
}

#[tokio::test]
async fn a_guest_is_found_again_by_a_new_process_of_its_service() {
    let bench = Bench::new();
    let guest = bench.launch().await;
    expect(&guest, "", "OK").await;
    drop(guest);
    let again = attach(&bench.place()).await.unwrap();
    expect(&again, "a", "b").await;
    let status = again.monitor.execute("query-status", None).await.unwrap();
    assert_eq!(status["status"], "running");
    end(&bench.units, &bench.place(), bench.id, Some(&again.monitor)).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_cannot_start_leaves_nothing_and_qemus_reason() {
    let bench = Bench::new();
    let (mut machine, disk) = bench.machine();
    machine.disks[0].size = 64 << 20; // more than the file has
    let error = launch(&bench.units, &bench.place(), &machine, vec![disk]).await.err().unwrap().to_string();
    assert!(error.contains("size"), "QEMU's own words are missing: {error}");
    assert!(bench.units.running().await.unwrap().is_empty());
    assert!(Place::all(bench.directory.path()).unwrap().is_empty());
}

#[tokio::test]
async fn a_second_machine_of_the_same_id_is_refused_and_the_first_lives() {
    let bench = Bench::new();
    let guest = bench.launch().await;
    let (machine, disk) = bench.machine();
    let error = launch(&bench.units, &bench.place(), &machine, vec![disk]).await.err().unwrap().to_string();
    assert!(error.contains("exists already"), "{error}");
    expect(&guest, "x", "y").await;
    end(&bench.units, &bench.place(), bench.id, Some(&guest.monitor)).await.unwrap();
}
