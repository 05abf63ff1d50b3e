//! Files that hold files: how they are known, and opened.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, IoContext, Result};

/// What a file holds files as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Cpio,
    Deb,
    Disk,
    Erofs,
    Ext4,
    Gzip,
    Squashfs,
    Tar,
    Vfat,
    Xz,
    Zstd,
}

/// Offset and bytes that tell a format, with the format's own document as source: a disk before the FAT that its first sector
/// resembles.
const MAGIC: [(u64, &[u8], Container); 11] = [
    (512, b"EFI PART", Container::Disk),
    (82, b"FAT32   ", Container::Vfat),
    (1024, &[0xe2, 0xe1, 0xf5, 0xe0], Container::Erofs),
    (1080, &[0x53, 0xef], Container::Ext4),
    (0, b"hsqs", Container::Squashfs),
    (0, b"!<arch>\ndebian-binary", Container::Deb),
    (0, b"070701", Container::Cpio),
    (0, &[0x28, 0xb5, 0x2f, 0xfd], Container::Zstd),
    (0, &[0xfd, b'7', b'z', b'X', b'Z', 0], Container::Xz),
    (0, &[0x1f, 0x8b], Container::Gzip),
    (257, b"ustar", Container::Tar),
];

impl Container {
    /// By the file's first bytes.
    pub fn of(file: &Path) -> Result<Option<Self>> {
        let mut start = Vec::new();
        File::open(file).and_then(|file| file.take(2048).read_to_end(&mut start)).at("read", file)?;
        let matches = |(offset, bytes, _): &&(u64, &[u8], Self)| {
            start.get(*offset as usize..).is_some_and(|rest| rest.starts_with(bytes))
        };
        Ok(MAGIC.iter().find(matches).map(|(_, _, container)| *container))
    }

    /// A script that unpacks the files `a` and `b` into the folders `a.d` and `b.d`.
    pub fn unpack(self) -> String {
        let unpack = match self {
            Self::Cpio => {
                "cd $i.d; cpio --quiet --extract --make-directories --preserve-modification-time < ../$i"
            }
            Self::Deb => "dpkg-deb --raw-extract $i $i.d",
            Self::Disk => unreachable!("its partitions are taken apart without a program"),
            Self::Erofs => "fsck.erofs --extract=$i.d --force $i",
            Self::Ext4 => "debugfs -R \"rdump / $i.d\" $i",
            Self::Gzip => "gzip -dc < $i > $i.d/content",
            Self::Squashfs => "unsquashfs -force -dest $i.d $i",
            Self::Tar => "tar -C $i.d -xpf $i --numeric-owner --exclude='./dev/*'",
            Self::Vfat => "mcopy -i $i -s -m ::/* $i.d/",
            Self::Xz => "xz -dc < $i > $i.d/content",
            Self::Zstd => "zstd -qdc < $i > $i.d/content",
        };
        // Folders that the container does not hold get a date of their own accord: no date for them.
        format!(
            "start=$(date +%s)
             for i in a b; do
               rm -rf $i.d; mkdir $i.d; ({unpack}) >&2
               find $i.d -newermt @$start -exec touch --no-dereference --date=@0 {{}} +
             done"
        )
    }
}

/// What a file consists of one behind the other: where a part begins, how long it is, and what it is called.
pub(super) struct Part {
    pub name: String,
    start: u64,
    length: u64,
}

impl Part {
    /// Writes the part of `file` to `to`.
    pub fn write(&self, file: &Path, to: &Path) -> Result<()> {
        let mut source = File::open(file).at("open", file)?;
        source.seek(SeekFrom::Start(self.start)).at("read", file)?;
        let mut target = File::create(to).at("create", to)?;
        std::io::copy(&mut source.take(self.length), &mut target).at("write", to).map(drop)
    }
}

/// The partitions of a disk.
pub(super) fn partitions(disk: &Path) -> Result<Vec<Part>> {
    let failed =
        |error: gpt::GptError| Error::PartitionTable { path: disk.to_owned(), reason: error.to_string() };
    let table = gpt::GptConfig::new().open(disk).map_err(failed)?;
    let part = |partition: &gpt::partition::Partition| Part {
        name: partition.name.clone(),
        start: partition.first_lba * 512,
        length: (partition.last_lba - partition.first_lba + 1) * 512,
    };
    Ok(table.partitions().values().map(part).collect())
}

/// An initramfs may be several archives (kernel: driver-api/early-userspace/buffer-format): the first one, and all behind it.
pub(super) fn archives(file: &Path) -> Result<Vec<Part>> {
    let bytes = std::fs::read(file).at("read", file)?;
    let end = end_of_cpio(&bytes).unwrap_or(bytes.len());
    let rest = end + bytes[end..].iter().take_while(|byte| **byte == 0).count();
    if rest == bytes.len() {
        return Ok(Vec::new());
    }
    Ok(vec![
        Part { name: "first archive".into(), start: 0, length: end as u64 },
        Part { name: "second archive".into(), start: rest as u64, length: (bytes.len() - rest) as u64 },
    ])
}

/// Where the archive ends that `bytes` begin with: headers of 110 bytes, hexadecimal, name and data padded to four bytes (cpio(5),
/// "New ASCII Format").
fn end_of_cpio(bytes: &[u8]) -> Option<usize> {
    let mut offset = 0;
    loop {
        let header = bytes.get(offset..offset + 110)?;
        let field = |n: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * n..14 + 8 * n]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (size, name_size) = (field(6)?, field(11)?);
        let name = bytes.get(offset + 110..offset + 110 + name_size)?;
        offset = (offset + 110 + name_size).next_multiple_of(4) + size.next_multiple_of(4);
        if name == b"TRAILER!!!\0" {
            return Some(offset.min(bytes.len()));
        }
    }
}
