use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// Runs one of mtools' programs as the units do, on an image instead of a stick.
fn mtools(image: &Path, program: &str, arguments: &[&str], from: Option<File>) -> (bool, Vec<u8>) {
    let mut command = Command::new(super::program(program).unwrap());
    command.arg("-i").arg(image).args(arguments).env("LC_ALL", "C.UTF-8");
    if let Some(file) = from {
        command.stdin(file);
    }
    let output = command.output().expect("mtools are installed; they are in Debian's package mtools");
    (output.status.success(), output.stdout)
}

/// A folder with the image of a stick in it.
pub fn stick() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("stick");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mformat").arg("-i").arg(&image).args(["-v", "STICK", "::"]).status().unwrap();
    assert!(made.success());
    folder
}

fn write(image: &Path, name: &str, contents: &[u8]) -> bool {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    mtools(image, "/usr/bin/mcopy", &["-o", "-", &on_stick(name)], Some(file)).0
}

#[test]
fn what_mtools_writes_is_listed_read_renamed_and_removed() {
    let folder = stick();
    let image = folder.path().join("stick");
    let list =
        || parse(&String::from_utf8(mtools(&image, "/usr/bin/mdir", &["-a", "-f", "::/"], None).1).unwrap());
    assert_eq!(list(), []);
    for (name, size) in [("appliance-0.2.0.raucb", 100_000), ("two  words.raucb", 0), ("größe.raucb", 7)] {
        assert!(write(&image, name, &vec![7; size]));
        assert!(
            list().contains(&Listed { name: name.to_owned(), size: size as u64 }),
            "{name}: {:?}",
            list()
        );
    }
    let (_, read) = mtools(&image, "/usr/bin/mtype", &["::appliance-0.2.0.raucb"], None);
    assert!(read == vec![7; 100_000]);
    let renamed = mtools(&image, "/usr/bin/mren", &["::two  words.raucb", "::other.tar.gz"], None).0;
    assert!(renamed && list().iter().any(|file| file.name == "other.tar.gz"));
    assert!(mtools(&image, "/usr/bin/mdel", &["::other.tar.gz"], None).0);
    assert!(!mtools(&image, "/usr/bin/mdel", &["::other.tar.gz"], None).0, "it is there no more");
    assert!(!list().iter().any(|file| file.name.starts_with("other") || file.name.starts_with("two")));
}

/// Nothing else would notice before a box does.
#[test]
fn the_units_look_for_their_orders_where_they_are() {
    let units = [
        (Kind::List, include_str!("../../understudy-stick-list@.service"), "r"),
        (Kind::Read, include_str!("../../understudy-stick-read@.service"), "r"),
        (Kind::Write, include_str!("../../understudy-stick-write@.service"), "rw"),
    ];
    let service = include_str!("../../understudy-maintenance.service");
    assert!(service.contains("\nRuntimeDirectory=understudy-maintenance\n"));
    for (kind, unit, access) in units {
        let socket = format!("\nStandardInput=file:/run/understudy-maintenance/{}\n", kind.socket("%i"));
        assert!(unit.contains(&socket), "{kind:?}");
        assert!(unit.contains(&format!("\nDeviceAllow=/dev/%i {access}\n")), "{kind:?}");
    }
}

#[test]
fn other_programs_are_refused() {
    for bad in ["/usr/bin/mformat", "/bin/sh", "mdir", "/usr/bin/mdir/../sh"] {
        assert!(program(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_said_is_one_line_that_ends() {
    let (said, mut errors) = std::io::pipe().unwrap();
    let writer = std::thread::spawn(move || {
        errors.write_all(b"Disk full\n\x1b[2J\n").unwrap();
        errors.write_all(&vec![b'x'; 1 << 20]).unwrap();
    });
    let text = words(said);
    writer.join().unwrap();
    assert!(text.starts_with("Disk full; ?[2J; xxx") && text.len() <= 200, "{text}");
}

proptest! {
    #[test]
    fn no_listing_makes_it_panic(text in "(?s).*", line in "[ -~é]{0,12} +[0-9]{1,10} [0-9-]{10} *[0-9:]{5} ?.*") {
        parse(&format!("{text}\n{line}"));
    }
}
