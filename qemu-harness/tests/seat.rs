//! A person in front of a real machine under QEMU: a boot sector that shows what is typed, at both doors.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod boot_sector;

use std::fs;
use std::path::Path;
use std::time::Duration;

use qemu_harness::{Bytes, Disk, Font, Key, Layout, Pattern, Seat, Vm};

const ENOUGH: Duration = Duration::from_secs(60);

/// Clears the screen (VGA's text mode), prints [`Font::SAMPLE`] on it, and from then on shows each character from the
/// keyboard (which the BIOS takes for an American one) and from the first serial port, on the screen and on that port.
fn echoing_disk(folder: &Path) -> Disk {
    #[rustfmt::skip]
    let code: &[u8] = &[
        0x31, 0xc0,             // xor ax, ax
        0x8e, 0xd8,             // mov ds, ax
        0x8e, 0xd0,             // mov ss, ax
        0xbc, 0x00, 0x7c,       // mov sp, 0x7c00
        0xb8, 0x03, 0x00,       // mov ax, 3 (text mode of 80 x 25)
        0xcd, 0x10,             // int 0x10
        0xbe, 0x58, 0x7c,       // mov si, text
        0xac,                   // next: lodsb
        0x84, 0xc0,             // test al, al
        0x74, 0x05,             // jz keyboard
        0xe8, 0x22, 0x00,       // call show
        0xeb, 0xf6,             // jmp next
        0xb4, 0x01,             // keyboard: mov ah, 1 (is there a key?)
        0xcd, 0x16,             // int 0x16
        0x74, 0x07,             // jz serial
        0xb4, 0x00,             // mov ah, 0 (take it)
        0xcd, 0x16,             // int 0x16
        0xe8, 0x13, 0x00,       // call show
        0xba, 0xfd, 0x03,       // serial: mov dx, 0x3fd (line status)
        0xec,                   // in al, dx
        0xa8, 0x01,             // test al, 1 (a byte is there)
        0x74, 0xeb,             // jz keyboard
        0xba, 0xf8, 0x03,       // mov dx, 0x3f8
        0xec,                   // in al, dx
        0xe8, 0x04, 0x00,       // call show
        0xeb, 0xe2,             // jmp keyboard
        0x90, 0x90,
        0x50,                   // show: push ax
        0xb4, 0x0e,             // mov ah, 0xe (as a teletype)
        0xbb, 0x07, 0x00,       // mov bx, 7
        0xcd, 0x10,             // int 0x10
        0x58,                   // pop ax
        0xba, 0xf8, 0x03,       // mov dx, 0x3f8
        0xee,                   // out dx, al
        0x3c, 0x0d,             // cmp al, 13
        0x75, 0x04,             // jne shown
        0xb0, 0x0a,             // mov al, 10
        0xeb, 0xeb,             // jmp show
        0xc3,                   // shown: ret
    ];
    boot_sector::disk(folder, code, 0x58, Font::SAMPLE.map(|line| format!("{line}\r")).concat().as_bytes())
}

fn launched(folder: &Path) -> Vm {
    Vm::build("box").memory(Bytes::mib(64)).disk(echoing_disk(folder)).launch(folder).unwrap()
}

/// The same at both doors.
fn plays(seat: &Seat) {
    let before = seat.keys_pressed();
    let text = "Hello {World} ~ \\ | ^_` \"42\" <=> z-y!";
    seat.type_text(text).unwrap();
    seat.press(Key::Enter).unwrap();
    seat.wait_for(Pattern::text(text), ENOUGH).unwrap();
    assert_eq!(seat.keys_pressed() - before, text.len() as u64 + 1);

    // More than any queue on the way holds.
    let long: String = ('!'..='~').cycle().take(76 * 4).collect();
    let lines: Vec<&str> = (0..4).map(|line| &long[line * 76..(line + 1) * 76]).collect();
    seat.type_text(&lines.join("\n")).unwrap();
    let screen = seat.wait_for(Pattern::text(lines[3]), ENOUGH).unwrap();
    assert!(screen.text().contains(&lines.join("\n")), "{screen}");
    assert!(!screen.text().contains(char::REPLACEMENT_CHARACTER), "{screen}");

    seat.type_text("\nnear\nfar").unwrap();
    let screen = seat.wait_for("near\nfar$", ENOUGH).unwrap();
    assert_eq!(screen.find("far").unwrap().row, screen.find("near").unwrap().row + 1);
    assert_eq!(seat.wait_stable(Duration::from_millis(500), ENOUGH).unwrap().text(), screen.text());

    let said = seat.wait_for("something else", Duration::from_millis(50)).unwrap_err().to_string();
    assert!(said.contains("nothing matched /something else/ within 0.05 s; the screen:\n"), "{said}");
    assert!(said.ends_with("\n    | near\n    | far"), "{said}");
}

#[test]
fn a_person_at_the_monitor_types_and_reads() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = launched(run_dir.path());
    let font = vm.learn_font(&Font::SAMPLE, ENOUGH).unwrap();
    assert_eq!(font.cell_size(), (9, 16));
    let seat = Seat::at_monitor(&vm, Layout::US, font.clone());
    let screen = seat.screen().unwrap();
    assert_eq!((screen.rows(), screen.columns()), (25, 80));
    assert_eq!(screen.lines()[..4], Font::SAMPLE);
    plays(&seat);

    // The same picture gives the same file, and a small one.
    vm.pause().unwrap();
    let files = ["first", "second"].map(|name| seat.screenshot(run_dir.path().join(name)).unwrap());
    vm.resume().unwrap();
    assert_eq!(files[0].file_name().unwrap(), "first.png");
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(&files[0]).unwrap()));
    let reader = decoder.read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (720, 400));
    assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    assert!(fs::metadata(&files[1]).unwrap().len() < 10_000);
}

#[test]
fn keys_are_those_of_the_keyboard_and_not_of_the_machine() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = launched(run_dir.path());
    let font = vm.learn_font(&Font::SAMPLE, ENOUGH).unwrap();
    let seat = Seat::at_monitor(&vm, Layout::DE, font);
    // The machine takes the German keyboard for an American one.
    seat.type_text("zy-/ö_").unwrap();
    seat.wait_for(Pattern::text("yz/&;?"), ENOUGH).unwrap();
    assert_eq!(seat.keys_pressed(), 6);
    let said = seat.type_text("ñ").unwrap_err().to_string();
    assert_eq!(said, "no key of the keyboard layout de writes 'ñ'");

    vm.pause().unwrap();
    let said = seat.press(Key::Enter).unwrap_err().to_string();
    assert_eq!(said, "box is paused: it would never see Enter pressed");
}

#[test]
fn a_person_at_a_terminal_types_and_reads() {
    let run_dir = tempfile::tempdir().unwrap();
    let vm = launched(run_dir.path());
    let seat = Seat::at_terminal(&vm);
    seat.wait_for(Pattern::text(&Font::SAMPLE.join("\n")), ENOUGH).unwrap();
    plays(&seat);
    let file = seat.screenshot(run_dir.path().join("terminal")).unwrap();
    assert_eq!(file.file_name().unwrap(), "terminal.txt");
    assert_eq!(fs::read_to_string(file).unwrap(), seat.screen().unwrap().text() + "\n");

    vm.power_cut().unwrap();
    let said = seat.wait_for("anything else", ENOUGH).unwrap_err().to_string();
    assert!(
        said.contains("box ttyS0 (terminal): nothing matched /anything else/ and the machine has ended"),
        "{said}"
    );
}
