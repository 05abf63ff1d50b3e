use std::fs::File;

use super::*;

/// A MiB of zeros with some bytes at some places.
fn disk(parts: &[(u64, &[u8])]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    for (offset, bytes) in parts {
        file.write_all_at(bytes, *offset).unwrap();
    }
    file
}

#[test]
fn what_the_real_tools_make_is_recognised() {
    let made = [
        ("ext2", &["mkfs.ext2", "-q", "-F"][..]),
        ("ext3", &["mkfs.ext3", "-q", "-F"]),
        ("ext4", &["mkfs.ext4", "-q", "-F"]),
        ("swap", &["mkswap"]),
    ];
    for (name, command) in made {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(16 << 20).unwrap();
        let done = std::process::Command::new(command[0])
            .args(&command[1..])
            .arg(file.path())
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .output()
            .unwrap_or_else(|error| panic!("{} is needed: {error}", command[0]));
        assert!(done.status.success(), "{done:?}");
        assert_eq!(contents(file.as_file()).unwrap(), name);
        assert_eq!(table(file.as_file(), 512).unwrap(), "", "{name} has no table");
    }
}

#[test]
fn contents_are_named_as_blkid_does() {
    let cases: [(&str, u64, &[u8]); 8] = [
        ("xfs", 0, b"XFSB"),
        ("btrfs", 0x10040, b"_BHRfS_M"),
        ("ntfs", 3, b"NTFS    "),
        ("crypto_LUKS", 0, b"LUKS\xba\xbe\0\x02"),
        ("vfat", 0x52, b"FAT32   "),
        ("linux_raid_member", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("unknown", 5, b"something"),
        ("", 0, b""),
    ];
    for (name, offset, magic) in cases {
        assert_eq!(contents(&disk(&[(offset, magic)])).unwrap(), name);
    }
    assert_eq!(contents(&disk(&[(512, b"LABELONE"), (536, b"LVM2 001")])).unwrap(), "LVM2_member");
}

#[test]
fn a_gpt_is_looked_for_at_the_second_sector_whatever_its_size() {
    assert_eq!(table(&disk(&[(512, b"EFI PART")]), 512).unwrap(), "gpt");
    assert_eq!(table(&disk(&[(4096, b"EFI PART")]), 4096).unwrap(), "gpt");
    assert_eq!(table(&disk(&[(4096, b"EFI PART")]), 512).unwrap(), "");
}

#[test]
fn a_dos_table_needs_a_used_entry_and_is_no_boot_sector_of_a_file_system() {
    let signature = (510, &[0x55, 0xaa][..]);
    let entry = (446, &[0x80, 0, 0, 0, 0x83][..]);
    assert_eq!(table(&disk(&[signature, entry]), 512).unwrap(), "dos");
    assert_eq!(table(&disk(&[signature]), 512).unwrap(), "");
    assert_eq!(table(&disk(&[signature, entry, (0x52, b"FAT32   ")]), 512).unwrap(), "");
}

#[test]
fn a_disk_smaller_than_its_signatures_is_no_error() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(512).unwrap();
    assert_eq!(contents(&file).unwrap(), "");
    assert_eq!(table(&file, 4096).unwrap(), "");
}
