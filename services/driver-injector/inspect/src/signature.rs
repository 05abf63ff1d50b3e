//! Recognises partition tables and contents by their signatures, and names them as blkid(8) does.
//!
//! Offsets are from the documents of each format: ext (kernel documentation, "Super Block"), XFS Algorithms & Data Structures,
//! btrfs on-disk format, Microsoft's FAT specification, LVM2's `label.h`, LUKS on-disk format, md(4), UEFI 2.10 chapter 5.

use std::io;
use std::os::unix::fs::FileExt;

/// As much of the beginning as any signature below needs (btrfs has the last one).
const HEAD: usize = 0x10048;

/// The beginning of a disk or partition, zeros beyond its end.
fn head(device: &impl FileExt) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match device.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(bytes)
}

/// `gpt`, `dos`, or empty where there is no table. `sector` is the logical sector size in bytes.
pub fn table(device: &impl FileExt, sector: usize) -> io::Result<&'static str> {
    let head = head(device)?;
    if head[sector..].starts_with(b"EFI PART") {
        return Ok("gpt");
    }
    // A FAT or NTFS boot sector ends as a partition table does.
    let boot_sector = head[510..512] == [0x55, 0xaa] && matches!(contents_of(&head), "" | "unknown");
    let entries = head[446..510].chunks_exact(16);
    let plausible = entries.clone().all(|entry| entry[0] & 0x7f == 0);
    let used = entries.filter(|entry| entry[4] != 0).count();
    Ok(if boot_sector && plausible && used > 0 { "dos" } else { "" })
}

/// Whether the first sector holds boot code for a BIOS.
pub fn has_boot_code(device: &impl FileExt) -> io::Result<bool> {
    Ok(head(device)?[..440].iter().any(|byte| *byte != 0))
}

/// The type of a partition's contents; `unknown` for something else, empty where all that was looked at is zero.
pub fn contents(device: &impl FileExt) -> io::Result<&'static str> {
    Ok(contents_of(&head(device)?))
}

fn contents_of(head: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| head[offset..].starts_with(magic);
    // What wraps other things first: the wrapped thing's signature may show through.
    let md = 0xa92b_4efc_u32.to_le_bytes();
    if at(0, b"LUKS\xba\xbe") {
        return "crypto_LUKS";
    }
    if at(0, &md) || at(4096, &md) {
        return "linux_raid_member";
    }
    if (0..4).any(|sector| at(sector * 512, b"LABELONE") && at(sector * 512 + 24, b"LVM2 001")) {
        return "LVM2_member";
    }
    let fixed: [(usize, &[u8], &'static str); 13] = [
        (3, b"-FVE-FS-", "BitLocker"),
        (3, b"NTFS    ", "ntfs"),
        (3, b"EXFAT   ", "exfat"),
        (0, b"XFSB", "xfs"),
        (0x10040, b"_BHRfS_M", "btrfs"),
        (0x36, b"FAT12   ", "vfat"),
        (0x36, b"FAT16   ", "vfat"),
        (0x52, b"FAT32   ", "vfat"),
        (4096 - 10, b"SWAPSPACE2", "swap"),
        (0, b"hsqs", "squashfs"),
        (1024, &[0xe2, 0xe1, 0xf5, 0xe0], "erofs"),
        (1024, &[0x10, 0x20, 0xf5, 0xf2], "f2fs"),
        (32769, b"CD001", "iso9660"),
    ];
    if let Some((_, _, name)) = fixed.iter().find(|(offset, magic, _)| at(*offset, magic)) {
        return name;
    }
    if at(1024 + 0x38, &[0x53, 0xef]) {
        return ext(&head[1024..]);
    }
    if head.iter().all(|byte| *byte == 0) { "" } else { "unknown" }
}

/// ext2, ext3 or ext4, by the features only the later ones have.
fn ext(superblock: &[u8]) -> &'static str {
    let word = |offset: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&superblock[offset..offset + 4]);
        u32::from_le_bytes(bytes)
    };
    let (compatible, incompatible, read_only) = (word(0x5c), word(0x60), word(0x64));
    // ext3 knows: filetype, recover, journal device, meta block groups; sparse superblocks, large files, B-tree directories.
    if incompatible & !0x1e != 0 || read_only & !0x7 != 0 {
        "ext4"
    } else if compatible & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
