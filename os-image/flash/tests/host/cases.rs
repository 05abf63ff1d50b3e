//! The cases, each named after what it proves.

use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use os_flash::{
    Device, Edges, Error, Found, Hold, Image, Phase, PlaceRefusal, Refusal, Report, find, flash, list,
};

use crate::common::{MIB, assert_is_image, has_table, hook, image, watch};
use crate::disks::{Loop, look};
use crate::shell::run;

macro_rules! cases {
    ($($name:ident)*) => {
        /// Every case under its name.
        pub const ALL: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

cases! {
    a_blank_disk_becomes_the_image_and_holes_become_zeros
    a_larger_disk_gets_its_table_at_its_end_and_keeps_what_lies_behind_the_image
    a_disk_with_data_is_refused_until_its_size_is_given_and_then_overwritten
    what_is_on_a_disk_is_found
    a_mounted_disk_is_refused_even_if_named
    a_disk_with_a_mounted_partition_is_refused_even_if_named
    a_disk_mounted_in_another_mount_namespace_only_is_refused
    a_disk_swapped_on_is_refused_even_if_named
    a_disk_under_a_loop_device_is_refused
    a_file_under_a_loop_device_is_refused
    a_partition_is_refused_and_its_disk_named
    a_read_only_disk_is_refused
    a_disk_of_4096_byte_sectors_is_refused
    a_disk_that_is_too_small_is_refused
    the_running_systems_disk_is_refused
    nobody_can_mount_a_claimed_disk
    a_disk_exchanged_since_it_was_looked_at_is_not_taken
    one_wrong_byte_on_a_disk_is_found
    a_disk_is_refused_to_an_ordinary_user_with_nothing_said_of_its_content
    all_loop_devices_are_listed
}

/// An image of eight MiB, its content, and the folder it lies in.
fn sample() -> (tempfile::TempDir, Image, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let data = [(40 * 512, 60_000, 1), (2 * MIB, 70_000, 2), (5 * MIB + 4096, 1_000_000, 3)];
    let path = image(folder.path(), 8 * MIB, &data);
    (folder, Image::open(&path).unwrap(), fs::read(&path).unwrap())
}

/// The way of the command: look, judge, take, flash.
fn write(image: &Image, disk: &Loop, overwrite: Option<&str>) -> Result<Report, Error> {
    let found = disk.look();
    found.judge(overwrite)?;
    found.fits(image.size())?;
    flash(image, &mut Device::claim(&found)?, &mut watch())
}

/// Refused without a word, with the right one and with a wrong one; and the kernel agrees.
fn never(disk: &Loop, expected: impl Fn(&Refusal) -> bool) {
    let before = disk.content();
    let found = disk.look();
    for overwrite in [None, Some(found.confirmation().as_str()), Some("wrong")] {
        let refusal = found.judge(overwrite).unwrap_err();
        assert!(expected(&refusal), "{refusal:?}");
    }
    let error = Device::claim(&found).unwrap_err();
    assert!(matches!(error, Error::Refusal(_)), "the kernel gave it away: {error}");
    assert!(disk.content() == before, "the disk was changed");
}

fn a_blank_disk_becomes_the_image_and_holes_become_zeros() {
    let (_folder, image, content) = sample();
    let disk = Loop::blank(8 * MIB, 0xee);
    let report = write(&image, &disk, None).unwrap();
    assert!(disk.content() == content, "the disk is not the image");
    assert_eq!((report.compared, report.untouched), (8 * MIB, 0));
}

fn a_larger_disk_gets_its_table_at_its_end_and_keeps_what_lies_behind_the_image() {
    let (_folder, image, content) = sample();
    let disk = Loop::blank(20 * MIB, 0xee);
    let report = write(&image, &disk, None).unwrap();
    assert_is_image(&disk.content(), &content, 0xee);
    assert_eq!(report.untouched, 11 * MIB);
    assert!(disk.look().signatures.contains(&"gpt".into()), "{:?}", disk.look());
}

fn a_disk_with_data_is_refused_until_its_size_is_given_and_then_overwritten() {
    let (_folder, image, content) = sample();
    let disk = Loop::new(8 * MIB, 0xee);
    for wrong in [None, Some("8388609"), Some("disk")] {
        let error = write(&image, &disk, wrong).unwrap_err();
        assert!(
            matches!(error, Error::Refusal(Refusal::Data { .. } | Refusal::AnotherDisk { .. })),
            "{error}"
        );
    }
    assert!(disk.content().iter().all(|byte| *byte == 0xee), "a refused disk was changed");
    write(&image, &disk, Some("8388608")).unwrap();
    assert!(disk.content() == content);
}

fn what_is_on_a_disk_is_found() {
    let disk = Loop::blank(16 * MIB, 0);
    assert_eq!((disk.look().edges, disk.look().judge(None)), (Edges::Blank, Ok(())));
    let partition = disk.partition();
    run("mkfs.ext4", ["-q", "-L", "photos", &partition.display().to_string()]);
    let found = disk.look();
    assert_eq!(found.parts[0].signatures, ["ext4 \"photos\""]);
    assert_eq!(found.hold, Hold::Free);
    let message = found.judge(None).unwrap_err().to_string();
    assert!(message.contains("photos") && message.contains(&found.size.to_string()), "{message}");
    assert!(found.to_string().contains("photos"), "{found}");
    // One byte nobody knows the meaning of is data, too.
    for at in [MIB - 1, 15 * MIB] {
        let disk = Loop::blank(16 * MIB, 0);
        File::options().write(true).open(&disk.node).unwrap().write_all_at(b"x", at).unwrap();
        assert!(matches!(disk.look().judge(None), Err(Refusal::Data { .. })), "at {at}");
    }
}

fn a_mounted_disk_is_refused_even_if_named() {
    let mut disk = Loop::new(16 * MIB, 0);
    let at = disk.mount(&disk.node.clone());
    never(&disk, |refusal| matches!(refusal, Refusal::Mounted { mounts, .. } if mounts.contains(&at)));
}

fn a_disk_with_a_mounted_partition_is_refused_even_if_named() {
    let mut disk = Loop::new(16 * MIB, 0);
    let partition = disk.partition();
    let at = disk.mount(&partition);
    never(&disk, |refusal| matches!(refusal, Refusal::Mounted { mounts, .. } if mounts.contains(&at)));
}

fn a_disk_mounted_in_another_mount_namespace_only_is_refused() {
    let disk = Loop::new(16 * MIB, 0);
    let node = disk.node.display().to_string();
    run("mkfs.ext4", ["-q", "-F", &node]);
    let script = format!("mount {node} {}; echo mounted; cat", disk.folder.path().display());
    let mut elsewhere = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    elsewhere.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
    assert!(disk.look().mounts.is_empty(), "it was to be seen only in the other namespace");
    never(&disk, |refusal| matches!(refusal, Refusal::Taken { .. }));
    drop(elsewhere.stdin.take());
    assert!(elsewhere.wait().unwrap().success());
}

fn a_disk_swapped_on_is_refused_even_if_named() {
    let mut disk = Loop::new(4 * MIB, 0);
    disk.swap();
    assert!(disk.look().mounts.iter().any(|mount| mount.contains("[SWAP]")), "{:?}", disk.look());
    never(&disk, |refusal| matches!(refusal, Refusal::System { uses, .. } if uses == "swap"));
}

fn a_disk_under_a_loop_device_is_refused() {
    let disk = Loop::blank(8 * MIB, 0);
    let node = run("losetup", ["--show", "-f", &disk.node.display().to_string()]);
    let refusal = disk.look().judge(Some("8388608"));
    run("losetup", ["-d", &node]);
    assert!(matches!(&refusal, Err(Refusal::Held { holders, .. }) if holders.contains(&node)), "{refusal:?}");
}

fn a_file_under_a_loop_device_is_refused() {
    let disk = Loop::new(8 * MIB, 0);
    let Found::Place(place) = find(&disk.file).unwrap() else { panic!("a file was given") };
    let refusal = place.judge(Some("disk"));
    assert!(matches!(refusal, Err(PlaceRefusal::InUse { .. })), "{refusal:?}");
}

fn a_partition_is_refused_and_its_disk_named() {
    let disk = Loop::new(16 * MIB, 0);
    let partition = look(&disk.partition());
    let whole = disk.node.clone();
    let refusal = partition.judge(Some(&partition.confirmation()));
    assert!(matches!(&refusal, Err(Refusal::NotWhole { disk, .. }) if *disk == whole), "{refusal:?}");
}

fn a_read_only_disk_is_refused() {
    let disk = Loop::with(8 * MIB, 0, &["--read-only"]);
    let refusal = disk.look().judge(Some("8388608"));
    assert!(matches!(refusal, Err(Refusal::ReadOnly { .. })), "{refusal:?}");
}

fn a_disk_of_4096_byte_sectors_is_refused() {
    let (_folder, image, _) = sample();
    let disk = Loop::with(8 * MIB, 0, &["--sector-size", "4096"]);
    let error = write(&image, &disk, None).unwrap_err();
    assert!(matches!(error, Error::Refusal(Refusal::Sector { sector: 4096, .. })), "{error}");
}

fn a_disk_that_is_too_small_is_refused() {
    let (_folder, image, _) = sample();
    let disk = Loop::new(8 * MIB - 512, 0);
    let error = write(&image, &disk, None).unwrap_err();
    assert!(matches!(error, Error::Refusal(Refusal::Small { .. })), "{error}");
}

fn the_running_systems_disk_is_refused() {
    let source = run("findmnt", ["--noheadings", "--nofsroot", "--output", "SOURCE", "/"]);
    assert!(source.starts_with("/dev/"), "this host's root lies on {source}, no disk to try");
    // lsblk knows the way down by itself.
    let stack = run("lsblk", ["--inverse", "--noheadings", "--list", "--output", "PATH,TYPE", &source]);
    let disks: Vec<_> = stack.lines().filter_map(|line| line.strip_suffix("disk")).map(str::trim).collect();
    assert!(!disks.is_empty(), "{stack}");
    for path in disks {
        let disk = look(Path::new(path));
        let refusal = disk.judge(Some(&disk.confirmation()));
        assert!(
            matches!(&refusal, Err(Refusal::System { uses, .. }) if uses.contains('/')),
            "{path}: {refusal:?}"
        );
        assert_ne!(disk.hold, Hold::Free, "{path}: the kernel would have given it away");
    }
}

fn nobody_can_mount_a_claimed_disk() {
    let mut disk = Loop::new(16 * MIB, 0);
    run("mkfs.ext4", ["-q", "-F", &disk.node.display().to_string()]);
    let found = disk.look();
    let claimed = Device::claim(&found).unwrap();
    let error = disk.try_mount(&disk.node.clone()).unwrap_err();
    assert!(error.contains("busy") || error.contains("already"), "{error}");
    let error = Device::claim(&found).unwrap_err();
    assert!(matches!(error, Error::Refusal(Refusal::Taken { .. })), "{error}");
    drop(claimed);
}

fn a_disk_exchanged_since_it_was_looked_at_is_not_taken() {
    let mut disk = Loop::new(8 * MIB, 0);
    let found = disk.look();
    disk.exchange();
    assert_eq!(disk.look().number, found.number, "the kernel gave it another number, so nothing was proved");
    let error = Device::claim(&found).unwrap_err().to_string();
    assert!(error.contains("another disk than a moment ago"), "{error}");
}

fn one_wrong_byte_on_a_disk_is_found() {
    let (_folder, image, _) = sample();
    // In data, in a hole, and in the last byte before the end.
    for offset in [5 * MIB + 5000, 4 * MIB + 17, 8 * MIB - 1] {
        let disk = Loop::blank(9 * MIB, 0xee);
        let mut corrupt = hook(|phase| {
            if phase == Phase::Compare {
                // Behind the device's back, as a bad medium would.
                let file = File::options().read(true).write(true).open(&disk.file).unwrap();
                let mut byte = [0];
                file.read_exact_at(&mut byte, offset).unwrap();
                file.write_all_at(&[!byte[0]], offset).unwrap();
            }
            ControlFlow::Continue(())
        });
        let mut device = Device::claim(&disk.look()).unwrap();
        let error = flash(&image, &mut device, &mut corrupt).unwrap_err();
        let Error::Unfinished { cause, .. } = error else { panic!("{error}") };
        assert!(matches!(*cause, Error::Differs { offset: at, .. } if at == offset), "{cause}");
        assert!(!has_table(&disk.content()));
    }
}

fn a_disk_is_refused_to_an_ordinary_user_with_nothing_said_of_its_content() {
    let disk = Loop::new(8 * MIB, 0);
    // Another thread, as another user: the kernel keeps users by thread.
    let node = disk.node.clone();
    let found = std::thread::spawn(move || {
        nix::unistd::setfsgid(nix::unistd::Gid::from_raw(65534)); // disks belong to a group, too
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        look(&node)
    })
    .join()
    .unwrap();
    assert_eq!((found.hold, found.edges), (Hold::Denied, Edges::Unread));
    assert!(matches!(found.judge(None), Err(Refusal::Rights { .. })));
}

fn all_loop_devices_are_listed() {
    let disk = Loop::new(8 * MIB, 0);
    let listed = list().unwrap();
    assert!(listed.iter().flatten().any(|found| found.path == disk.node), "{listed:?}");
}
