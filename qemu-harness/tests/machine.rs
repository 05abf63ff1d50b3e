//! Real machines under QEMU, with its BIOS and no operating system: launched, watched, paused, cut and frozen.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod boot_sector;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use qemu_harness::{Bytes, Disk, Firmware, Mac, Network, UserNic, Vm, VmBuilder, zero_block_hash};
use serde_json::json;

const ENOUGH: Duration = Duration::from_secs(60);

fn small(name: &str) -> VmBuilder {
    Vm::build(name).memory(Bytes::mib(64))
}

/// A boot sector that prints to the first serial port, waits for a key there, and prints it back with its successor.
fn talking_disk(folder: &Path) -> Disk {
    #[rustfmt::skip]
    let code: &[u8] = &[
        0x31, 0xc0,             // xor ax, ax
        0x8e, 0xd8,             // mov ds, ax
        0xba, 0xf8, 0x03,       // mov dx, 0x3f8
        0xbe, 0x2a, 0x7c,       // mov si, text
        0xac,                   // next: lodsb
        0x84, 0xc0,             // test al, al
        0x74, 0x03,             // jz key
        0xee,                   // out dx, al
        0xeb, 0xf8,             // jmp next
        0xba, 0xfd, 0x03,       // key: mov dx, 0x3fd (line status)
        0xec,                   // in al, dx
        0xa8, 0x01,             // test al, 1 (a byte is there)
        0x74, 0xf8,             // jz key
        0xba, 0xf8, 0x03,       // mov dx, 0x3f8
        0xec,                   // in al, dx
        0xee,                   // out dx, al
        0x40,                   // inc ax
        0xee,                   // out dx, al
        0xeb, 0xef,             // jmp key
    ];
    boot_sector::disk(folder, code, 0x2a, b"\x1b[1mhello from the boot sector\x1b[m\r\n")
}

#[test]
fn a_guest_is_heard_from_its_first_byte_and_answered_also_after_a_reset_and_a_relaunch() {
    let run_dir = tempfile::tempdir().unwrap();
    let mut vm = small("box").disk(talking_disk(run_dir.path())).launch(run_dir.path()).unwrap();
    let hello = "hello from the (boot sector)\n";
    let greeting = vm.serial().expect(hello, ENOUGH).unwrap();
    assert_eq!(greeting.group(1), "boot sector");
    vm.serial().send(b"a").unwrap();
    vm.serial().expect("ab", ENOUGH).unwrap();

    vm.reset().unwrap();
    vm.serial().expect(hello, ENOUGH).unwrap();
    vm.relaunch().unwrap();
    vm.serial().expect(hello, ENOUGH).unwrap();
    let log = fs::read_to_string(vm.serial().log()).unwrap();
    assert_eq!(log.matches("\x1b[1mhello from the boot sector").count(), 3, "{log}");
}

#[test]
fn a_machine_is_paused_resumed_and_cut_off() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = small("box").launch(run_dir.path()).unwrap();
    assert!(!vm.is_paused().unwrap());
    vm.pause().unwrap();
    vm.wait_event("STOP", ENOUGH).unwrap();
    assert!(vm.is_paused().unwrap());
    vm.resume().unwrap();
    vm.wait_event("RESUME", ENOUGH).unwrap();
    assert!(!vm.is_paused().unwrap());
    let said = vm.wait_event("BALLOON_CHANGE", Duration::from_millis(50)).unwrap_err().to_string();
    assert!(said.contains("box: no event BALLOON_CHANGE within 0.05 s"), "{said}");

    vm.power_cut().unwrap();
    assert!(!vm.is_running());
    assert!(vm.power_cut().unwrap_err().to_string().contains("the moment to cut its power"));
    let said = vm.pause().unwrap_err().to_string();
    assert!(said.contains("box: QEMU ended (killed by SIGKILL)") && said.contains("qemu.log"), "{said}");
    let log = fs::read_to_string(vm.folder().join("qmp.log")).unwrap();
    for line in [r#"> {"execute":"stop""#, r#"< {"timestamp""#, r#"< {"QMP""#] {
        assert!(log.contains(line), "{line} in\n{log}");
    }
    assert!(fs::read_to_string(vm.folder().join("command")).unwrap().contains("qemu-system-x86_64"));
}

#[test]
fn a_guest_without_an_operating_system_does_not_power_off_and_the_error_says_where_to_look() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = small("box").launch(run_dir.path()).unwrap();
    let said = vm.power_off(Duration::from_millis(300)).unwrap_err().to_string();
    assert!(said.contains("box: no power-off by the guest within 0.3 s; logs are in "), "{said}");
    vm.qmp("quit", None).unwrap();
    vm.wait_off(ENOUGH).unwrap();
}

#[test]
fn a_screenshot_is_a_png_of_the_screen() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = small("box").launch(run_dir.path()).unwrap();
    let path = run_dir.path().join("screen.png");
    vm.screenshot(&path).unwrap();
    let decoder = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap()));
    let info = decoder.read_info().unwrap().info().clone();
    assert!(info.width >= 640 && info.height >= 400, "{info:?}");
}

#[test]
fn what_qemu_refuses_is_told_in_its_own_words() {
    let run_dir = tempfile::tempdir().unwrap();
    let refused = small("box").qemu_args(["-device", "flux-capacitor"]).launch(run_dir.path()).unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("box: QEMU ended (exit status 1)") && said.contains("flux-capacitor"), "{said}");
    let again = small("box").launch(run_dir.path()).unwrap_err().to_string();
    assert!(again.contains("holds an earlier run"), "{again}");
    let vm = small("other").launch(run_dir.path()).unwrap();
    let said = vm.qmp("fly", json!({"to": "the moon"})).unwrap_err().to_string();
    assert!(said.contains(r#"`fly {"to":"the moon"}`"#) && said.contains("qmp.log"), "{said}");
}

#[test]
fn a_run_folder_may_have_a_path_that_no_socket_could_have() {
    let run_dir = tempfile::tempdir().unwrap();
    let deep = run_dir.path().join("a-rather-long-name-of-a-folder/".repeat(6));
    let vm = small("box").port("org.example.test").launch(deep).unwrap();
    vm.port("org.example.test").unwrap();
    assert!(vm.port("org.example.other").unwrap_err().to_string().contains("built without"));
}

/// What a guest would do, done by QEMU itself on the disk's node.
fn guest_writes(vm: &Vm, disk: &str, pattern: u8, offset: u64, length: u64) {
    let command = format!("qemu-io -d {disk}-device/virtio-backend \"write -P {pattern} {offset} {length}\"");
    let said = vm.qmp("human-monitor-command", json!({"command-line": command})).unwrap();
    assert!(said.as_str().unwrap().is_empty(), "{said}");
}

#[test]
fn all_disks_are_frozen_at_one_instant_and_the_machine_goes_on_also_after_a_power_cut() {
    let run_dir = tempfile::tempdir().unwrap();
    let base = run_dir.path().join("base.raw");
    fs::write(&base, vec![1; 1 << 20]).unwrap();
    let odd = Bytes((1 << 20) + 512);
    let mut vm = small("box")
        .disk(Disk::overlay_of(&base).named("root"))
        .disk(Disk::blank(odd).named("data").serial("DATA-1"))
        .disk(Disk::files("CONFIG", [("name", "box")]))
        .launch(run_dir.path())
        .unwrap();
    assert_eq!(vm.disk_names(), ["root", "data"]);
    guest_writes(&vm, "root", 2, 0, 65536);
    guest_writes(&vm, "data", 3, 1 << 20, 512);

    vm.pause().unwrap();
    let first = vm.snapshot_all().unwrap();
    vm.resume().unwrap();
    guest_writes(&vm, "root", 9, 0, 131_072);
    guest_writes(&vm, "data", 9, 0, 512);
    let second = vm.snapshot(&["root", "data"]).unwrap();

    let block = Bytes::kib(64);
    let byte = |disk: &qemu_harness::FrozenDisk, index| disk.read_block(block, index).unwrap()[0];
    assert_eq!((byte(&first[0], 0), byte(&first[0], 1)), (2, 1));
    assert_eq!((byte(&second[0], 0), byte(&second[0], 1), byte(&second[0], 2)), (9, 9, 1));
    assert_eq!(first[1].size(), odd);
    assert_eq!(first[1].read_block(block, 16).unwrap(), vec![3; 512]);
    let hashes = first[1].hash_blocks(block).unwrap();
    assert_eq!(hashes[0], zero_block_hash(block));
    assert_ne!(second[1].hash_blocks(block).unwrap()[0], hashes[0]);

    // The machine comes back on its newest files, and can be frozen again.
    guest_writes(&vm, "data", 7, 4096, 512);
    vm.relaunch().unwrap();
    let third = vm.snapshot(&["data"]).unwrap();
    let content = third[0].read_block(block, 0).unwrap();
    assert_eq!((content[0], content[4096], content[8192]), (9, 7, 0));
    assert!(fs::read(&base).unwrap().iter().all(|byte| *byte == 1), "the base was written to");
    let said = vm.snapshot(&["swap"]).unwrap_err().to_string();
    assert!(said.contains("box has no writable disk swap; it has: root, data"), "{said}");
}

#[test]
fn a_blank_flash_pair_is_taken_as_firmware_with_variables_of_its_own() {
    let run_dir = tempfile::tempdir().unwrap();
    let (code, vars) = (run_dir.path().join("code.fd"), run_dir.path().join("vars.fd"));
    fs::write(&code, vec![0xf4; 1 << 20]).unwrap();
    fs::write(&vars, vec![0xff; 128 << 10]).unwrap();
    let firmware = Firmware { code, vars: vars.clone() };
    let vm = small("box").firmware(&firmware).launch(run_dir.path()).unwrap();
    let flash = vm.qmp("query-named-block-nodes", json!({"flat": true})).unwrap();
    let names: Vec<&str> = flash.as_array().unwrap().iter().filter_map(|n| n["node-name"].as_str()).collect();
    assert!(names.contains(&"flash-vars"), "{names:?}");
    assert_eq!(fs::read(vm.folder().join("nvram.fd")).unwrap(), fs::read(vars).unwrap());
}

#[test]
fn cards_are_on_their_networks_and_forwarded_ports_are_found() {
    let run_dir = tempfile::tempdir().unwrap();
    let lan = Network::new("lan");
    let vm = small("box")
        .nic(&lan, Mac::numbered(1))
        .user_nic(UserNic::new(Mac::numbered(2)).forward(22))
        .launch(run_dir.path())
        .unwrap();
    lan.cut(&vm).unwrap();
    lan.restore(&vm).unwrap();
    assert!(lan.cut("nobody").is_err());
    let port = vm.forwarded(22).unwrap();
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("QEMU listens there");
    assert!(vm.forwarded(443).unwrap_err().to_string().contains("forwards port 443"));
}

/// The sticks that QEMU's USB controller knows.
fn sticks(vm: &Vm) -> Vec<String> {
    let said = vm.qmp("human-monitor-command", json!({"command-line": "info usb"})).unwrap();
    let lines = said.as_str().unwrap().lines();
    lines.filter_map(|line| Some(line.split_once("ID: ")?.1.trim().to_owned())).collect()
}

#[test]
fn a_stick_is_plugged_in_pulled_out_and_stays_over_a_relaunch() {
    let run_dir = tempfile::tempdir().unwrap();
    let mut vm = small("box")
        .disk(Disk::blank(Bytes::mib(1)).named("data"))
        .usb_sockets()
        .launch(run_dir.path())
        .unwrap();
    assert!(sticks(&vm).is_empty());
    vm.plug_usb(Disk::blank(Bytes::mib(8)).named("stick").serial("S-1")).unwrap();
    vm.plug_usb(Disk::files("KEYS", [("name", "box")]).named("keys")).unwrap();
    assert_eq!(sticks(&vm), ["stick-device", "keys-device"]);
    assert_eq!(vm.disk_names(), ["data", "stick"]);
    let said = vm.plug_usb(Disk::blank(Bytes::mib(8)).named("stick")).unwrap_err().to_string();
    assert_eq!(said, "box already has a disk named stick");

    vm.snapshot(&["stick"]).unwrap();
    let file = vm.disk_file("stick").unwrap();
    vm.unplug_usb("stick").unwrap();
    assert_eq!(sticks(&vm), ["keys-device"]);
    assert!(vm.disk_file("stick").is_err());
    // QEMU holds no lock on it any more, nor on what is below.
    for file in [&file, &vm.folder().join("stick.raw")] {
        assert!(Command::new("qemu-img").arg("info").arg(file).output().unwrap().status.success());
    }
    let said = vm.unplug_usb("stick").unwrap_err().to_string();
    assert_eq!(said, "box has no USB stick stick; there are: keys");
    assert!(vm.unplug_usb("data").is_err(), "it is no stick");
    let said = vm.plug_usb(Disk::blank(Bytes::mib(8)).named("stick")).unwrap_err().to_string();
    assert!(said.contains("stick.raw is the file of an earlier disk"), "{said}");
    vm.plug_usb(Disk::file(&file).named("stick")).unwrap();

    vm.power_cut().unwrap();
    vm.relaunch().unwrap();
    assert_eq!(sticks(&vm), ["keys-device", "stick-device"]);
    vm.snapshot(&["stick"]).unwrap();
    vm.relaunch().unwrap();
    vm.unplug_usb("stick").unwrap();
    vm.unplug_usb("keys").unwrap();
    assert!(sticks(&vm).is_empty());

    let without = small("other").launch(run_dir.path()).unwrap();
    let said = without.plug_usb(Disk::blank(Bytes::mib(8))).unwrap_err().to_string();
    assert_eq!(said, "other was built without `.usb_sockets()`");
}

#[test]
fn a_card_without_its_cable_sends_nothing() {
    let run_dir = tempfile::tempdir().unwrap();
    let lan = Network::new("lan");
    let vm = small("box")
        .nic(&lan, Mac::numbered(1))
        .user_nic(UserNic::new(Mac::numbered(2)))
        .launch(run_dir.path())
        .unwrap();
    // QEMU lets the card say who it is, as after a migration.
    let announce = || {
        let once = json!({"initial": 1, "max": 1, "rounds": 1, "step": 1, "interfaces": ["net0-device"]});
        vm.qmp("announce-self", once).unwrap();
    };
    vm.unplug_cable(Mac::numbered(1)).unwrap();
    announce();
    vm.plug_cable(Mac::numbered(1)).unwrap();
    assert_eq!(lan.traffic().frames, 0);
    announce();
    let started = std::time::Instant::now();
    while lan.traffic().frames == 0 && started.elapsed() < ENOUGH {
        std::thread::yield_now();
    }
    assert_eq!(lan.traffic().frames, 1);
    vm.unplug_cable(Mac::numbered(2)).unwrap();
    let said = vm.plug_cable(Mac::numbered(3)).unwrap_err().to_string();
    assert!(said.contains("no network card 52:54:00:00:00:03; there are: 52:54:00:00:00:01, 52"), "{said}");
}

/// Set for the process that is killed; holds the run folder.
const VICTIM: &str = "QEMU_HARNESS_TEST_VICTIM";

/// Plays a test run that is killed in the middle, when started by the next test; nothing by itself.
#[test]
fn the_run_that_is_killed() {
    let Some(run_dir) = std::env::var_os(VICTIM) else { return };
    let watched = ["-chardev", "socket,id=watch,path=watch.sock,server=on,wait=off"];
    let vm = small("box").qemu_args(watched).launch(Path::new(&run_dir)).unwrap();
    println!("launched {}", vm.pid());
    std::io::stdout().flush().unwrap();
    // Until SIGKILL.
    let _ = vm.serial().expect("something that no BIOS says", Duration::from_secs(600));
}

#[test]
fn qemu_is_gone_when_its_test_is_killed() {
    let run_dir = tempfile::tempdir().unwrap();
    let mut test_run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_run_that_is_killed", "--nocapture"])
        .env(VICTIM, run_dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let launched = BufReader::new(test_run.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("launched ")?.1.trim().to_owned()))
        .expect("the other run says that its machine is there");
    let process = Path::new("/proc").join(launched);
    let mut qemu = UnixStream::connect(run_dir.path().join("box/watch.sock")).unwrap();
    assert!(fs::read_to_string(process.join("cmdline")).unwrap().contains("watch.sock"));

    test_run.kill().unwrap();
    test_run.wait().unwrap();
    qemu.set_read_timeout(Some(ENOUGH)).unwrap();
    let end = qemu.read(&mut [0; 1]);
    let ended =
        end.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |count| *count == 0);
    assert!(ended, "QEMU did not end within a minute: {end:?}");
}
