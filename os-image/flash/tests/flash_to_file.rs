//! Whole flashes, to ordinary files.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use common::{MIB, assert_is_image, has_table, hook, image, watch};
use os_flash::{Error, FileTarget, Found, Image, Phase, Place, PlaceRefusal, Report, find, flash};

/// Twelve MiB; data beside holes, across the ends, and right before the second copy of the table.
fn sample(folder: &Path) -> (PathBuf, Vec<u8>) {
    let last = 12 * MIB - 33 * 512;
    let data = [(40 * 512, 512, 1), (MIB - 4096, 9000, 2), (5 * MIB, 100_000, 3), (last - 5000, 5000, 4)];
    let path = image(folder, 12 * MIB, &data);
    let content = fs::read(&path).unwrap();
    (path, content)
}

fn place(path: &Path) -> Place {
    match find(path).unwrap() {
        Found::Place(place) => place,
        other => panic!("{other:?}"),
    }
}

fn write(image: &Path, to: &Path, size: u64) -> Result<Report, Error> {
    let image = Image::open(image)?;
    flash(&image, &mut FileTarget::create(&place(to), size, &image)?, &mut watch())
}

#[test]
fn a_file_of_the_images_size_is_the_image_and_as_sparse() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let to = dir.path().join("disk");
    let report = write(&image, &to, content.len() as u64).unwrap();
    assert!(fs::read(&to).unwrap() == content, "the file is not the image");
    assert_eq!(report.compared, content.len() as u64);
    assert_eq!(report.written + report.zeroed, content.len() as u64);
    assert_eq!(report.untouched, 0);
    // The ends are written out, the holes between them are not.
    assert!(to.metadata().unwrap().blocks() * 512 < 4 * MIB, "{} sectors", to.metadata().unwrap().blocks());
}

#[test]
fn in_a_larger_file_the_table_reaches_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    // Less than a table, less than an end, just that, and much more.
    for more in [512, 16 * 512, MIB - 512, MIB, MIB + 512, 3 * MIB, 1 << 30] {
        let to = dir.path().join(format!("disk-{more}"));
        let report = write(&image, &to, content.len() as u64 + more).unwrap();
        assert_eq!(report.untouched, more.saturating_sub(MIB));
        if more <= 3 * MIB {
            assert_is_image(&fs::read(&to).unwrap(), &content, 0);
        } else {
            let table = gpt::GptConfig::new().only_valid_headers(true).open(&to).unwrap();
            assert_eq!(table.primary_header().unwrap().last_usable, (content.len() as u64 + more) / 512 - 34);
            assert!(to.metadata().unwrap().blocks() * 512 < 6 * MIB);
        }
    }
}

#[test]
fn nothing_is_left_of_the_file_that_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let to = dir.path().join("disk");
    fs::write(&to, vec![0xee; content.len() + 5 * MIB as usize]).unwrap();
    assert!(matches!(place(&to).judge(None), Err(PlaceRefusal::Exists { .. })));
    place(&to).judge(Some("disk")).unwrap();
    write(&image, &to, content.len() as u64 + 2 * MIB).unwrap();
    assert_is_image(&fs::read(&to).unwrap(), &content, 0);
}

#[test]
fn the_image_is_not_flashed_onto_itself_by_any_name() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let (link, hard) = (dir.path().join("link"), dir.path().join("hard"));
    std::os::unix::fs::symlink(&image, &link).unwrap();
    fs::hard_link(&image, &hard).unwrap();
    for name in [&image, &link, &hard] {
        let error = write(&image, name, content.len() as u64).unwrap_err();
        assert!(matches!(error, Error::Place(PlaceRefusal::Image { .. })), "{error}");
    }
    assert!(fs::read(&image).unwrap() == content, "the image changed");
}

#[test]
fn a_file_that_is_too_small_or_in_use_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let to = dir.path().join("disk");
    fs::write(&to, "precious").unwrap();
    let error = write(&image, &to, content.len() as u64 - 512).unwrap_err();
    assert!(matches!(error, Error::Place(PlaceRefusal::Size { .. })), "{error}");
    let other = File::open(&to).unwrap();
    other.lock().unwrap();
    let error = write(&image, &to, content.len() as u64).unwrap_err();
    assert!(matches!(error, Error::Place(PlaceRefusal::InUse { .. })), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"precious");
}

#[test]
fn a_damaged_image_is_refused_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let last = content.len() as u64 - 512;
    for (what, offset) in [
        ("first header", 512 + 40),
        ("second header", last + 40),
        ("entries", 1024 + 60),
        ("second entries", last - 32 * 512 + 60),
        ("MBR", 510),
    ] {
        let file = File::options().write(true).open(&image).unwrap();
        file.write_all_at(&[content[offset as usize] ^ 1], offset).unwrap();
        let error = Image::open(&image).unwrap_err().to_string();
        assert!(error.contains("cannot be flashed") && error.contains("damaged"), "{what}: {error}");
        file.write_all_at(&[content[offset as usize]], offset).unwrap();
    }
    Image::open(&image).unwrap();
}

#[test]
fn one_wrong_byte_between_writing_and_comparing_is_found_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let end = content.len() as u64;
    // In data, in a hole, and at the very first and last byte that is compared.
    for offset in [5 * MIB + 77, 8 * MIB + 1, MIB, end - 1] {
        let to = dir.path().join(format!("disk-{offset}"));
        let opened = Image::open(&image).unwrap();
        let mut target = FileTarget::create(&place(&to), end + MIB, &opened).unwrap();
        let mut corrupt = hook(|phase| {
            if phase == Phase::Compare {
                let file = File::options().read(true).write(true).open(&to).unwrap();
                let mut byte = [0];
                file.read_exact_at(&mut byte, offset).unwrap();
                file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
            }
            ControlFlow::Continue(())
        });
        let error = flash(&opened, &mut target, &mut corrupt).unwrap_err();
        let message = error.to_string();
        let Error::Unfinished { cause, .. } = error else { panic!("{message}") };
        assert!(matches!(*cause, Error::Differs { offset: at, .. } if at == offset), "{message}");
        assert!(
            message.contains(&format!("byte {offset} ")) && message.contains("not bootable"),
            "{message}"
        );
        assert!(!has_table(&fs::read(&to).unwrap()), "a wrong disk has a partition table");
    }
}

#[test]
fn a_flash_ended_at_any_phase_leaves_no_table_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    for end in [Phase::Write, Phase::Compare, Phase::Seal] {
        let to = dir.path().join(format!("{end:?}"));
        let opened = Image::open(&image).unwrap();
        let mut target = FileTarget::create(&place(&to), content.len() as u64, &opened).unwrap();
        let mut interrupt =
            hook(|phase| if phase == end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        let message = flash(&opened, &mut target, &mut interrupt).unwrap_err().to_string();
        assert!(message.contains("interrupted") && message.contains("not bootable now"), "{message}");
        assert!(!has_table(&fs::read(&to).unwrap()), "{end:?}");
    }
}

#[test]
fn progress_ends_where_it_was_announced_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let (image, content) = sample(dir.path());
    let opened = Image::open(&image).unwrap();
    let place = place(&dir.path().join("disk"));
    let mut target = FileTarget::create(&place, content.len() as u64 + MIB, &opened).unwrap();
    let mut watch = hook(|_| ControlFlow::Continue(()));
    let report = flash(&opened, &mut target, &mut watch).unwrap();
    let body = content.len() as u64 - MIB;
    let phases =
        [(Phase::Erase, 2 * MIB), (Phase::Write, body), (Phase::Compare, body), (Phase::Seal, 2 * MIB)];
    assert_eq!(watch.phases, phases);
    assert_eq!(report.phases.iter().map(|phase| (phase.phase, phase.bytes)).collect::<Vec<_>>(), phases);
}
