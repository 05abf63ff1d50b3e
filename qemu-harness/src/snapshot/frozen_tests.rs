//! Frozen disks against qemu-io, which writes them, and against qemu-img, which reads them its own way.

use super::*;
use crate::Disk;
use crate::process::Program;

const BLOCK: Bytes = Bytes::kib(64);
/// Not a multiple of 64 KiB.
const SIZE: Bytes = Bytes(5 * 1024 * 1024 + 3 * 512);

fn write(image: &Path, format: &str, pattern: u8, offset: u64, length: u64) {
    let command = format!("write -P {pattern} {offset} {length}");
    let qemu_io = Program::new("qemu-io", "qemu-utils").args(["-f", format, "-c", &command]);
    qemu_io.arg(image).run().unwrap();
}

/// A chain of three images with data in each, and the uppermost frozen.
fn chain(folder: &Path) -> FrozenDisk {
    let make = |disk: Disk| PreparedDisk::make(&disk, 0, folder).unwrap();
    let base = make(Disk::blank(SIZE).named("base"));
    write(&base.file, "raw", 1, 100_000, 50_000 / 512 * 512);
    write(&base.file, "raw", 2, SIZE.get() - 512, 512);
    let middle = make(Disk::overlay_of(&base.file).named("middle"));
    write(&middle.file, "qcow2", 3, 1 << 20, 1 << 20);
    write(&middle.file, "qcow2", 0, 0, 65536);
    let top = make(Disk::overlay_of(&middle.file).named("top"));
    write(&top.file, "qcow2", 4, (1 << 20) + 4096, 512);
    FrozenDisk::of(&top)
}

#[test]
fn every_block_is_what_qemu_img_reads_whatever_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let disk = chain(folder.path());
    let raw = folder.path().join("converted");
    disk.write_raw(&raw).unwrap();
    let expected = std::fs::read(raw).unwrap();
    assert_eq!(expected.len() as u64, SIZE.get());
    let blocks: Vec<&[u8]> = expected.chunks(BLOCK.get() as usize).collect();
    let hashes: Vec<[u8; 32]> = blocks.iter().map(|block| blake3::hash(block).into()).collect();
    assert_eq!(disk.hash_blocks(BLOCK).unwrap(), hashes);
    assert_eq!(disk.block_count(BLOCK), 81);
    for index in [0, 1, 2, 16, 31, 80] {
        assert_eq!(disk.read_block(BLOCK, index).unwrap(), blocks[index as usize], "block {index}");
    }
    assert_eq!(disk.read_block(BLOCK, 80).unwrap().len(), 3 * 512);
    assert!(disk.read_block(BLOCK, 81).unwrap_err().to_string().contains("it has 81 of 64 KiB"));
}

#[test]
fn holes_are_cheap_and_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let size = Bytes(Bytes::gib(512).get() + 512);
    let disk = PreparedDisk::make(&Disk::blank(size), 0, folder.path()).unwrap();
    write(&disk.file, "raw", 9, Bytes::gib(300).get(), 512);
    let hashes = FrozenDisk::of(&disk).hash_blocks(Bytes::mib(4)).unwrap();
    let zero = zero_block_hash(Bytes::mib(4));
    let differing: Vec<usize> = (0..hashes.len()).filter(|&index| hashes[index] != zero).collect();
    // The one that was written, and the last, which is shorter.
    assert_eq!(differing, [300 * 256, 512 * 256]);
    assert_eq!(hashes[512 * 256], zero_block_hash(Bytes(512)));
}

#[test]
fn another_file_in_its_place_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = PreparedDisk::make(&Disk::blank(Bytes::mib(1)), 0, folder.path()).unwrap();
    let disk = FrozenDisk::of(&prepared);
    File::options().write(true).open(disk.image()).unwrap().set_len(4096).unwrap();
    let said = disk.hash_blocks(BLOCK).unwrap_err().to_string();
    assert!(said.contains("has 4 KiB, but the disk disk0 had 1 MiB"), "{said}");
}
