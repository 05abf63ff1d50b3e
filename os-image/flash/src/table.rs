//! The partition table (UEFI 2.10, chapter 5: GPT): one copy at either end of the disk, behind a protective MBR. An image made for a
//! smaller disk gets its second copy moved to the end, so that the space behind it can be used.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use gpt::disk::LogicalBlockSize::Lb512;
use gpt::header::Header;
use gpt::mbr::ProtectiveMBR;
use gpt::{GptConfig, GptError};

use crate::plan::EDGE;

/// Bytes of a logical sector, the unit of the table.
pub(crate) const SECTOR: u64 = 512;
/// Type of the MBR's one partition, which keeps tools that know no GPT away.
const PROTECTIVE: u8 = 0xee;

/// Checks both copies of a disk's table, and gives the first byte of the second. The error is for a person.
pub(crate) fn check(disk: &File) -> Result<u64, String> {
    let mut header = [0; 92];
    disk.read_exact_at(&mut header, SECTOR).map_err(|error| format!("it cannot be read ({error})"))?;
    // The crate panics at entries of other sizes, which are allowed and never used.
    if !header.starts_with(b"EFI PART") || header[84..88] != 128u32.to_le_bytes() {
        return Err("it has no partition table of the usual sort (GPT)".into());
    }
    let invalid = |error: GptError| format!("it has no valid partition table ({error})");
    let table = GptConfig::new().only_valid_headers(true).open_from_device(disk).map_err(invalid)?;
    ProtectiveMBR::from_disk(&mut &*disk, Lb512)
        .map_err(|error| format!("it has no protective MBR ({error})"))?;
    let entries = |header: Result<&Header, _>| -> Result<_, String> {
        let header = header.map_err(|error| invalid(GptError::Header(error)))?;
        // An edge holds them with their header; sane ones have 16 KiB.
        if entries_sectors(header) * SECTOR > EDGE / 2 {
            return Err(format!("its partition table has {} entries", header.num_parts));
        }
        let mut bytes = vec![0; (entries_sectors(header) * SECTOR) as usize];
        let offset = header.part_start.saturating_mul(SECTOR);
        disk.read_exact_at(&mut bytes, offset)
            .map_err(|error| format!("its partition table cannot be read ({error})"))?;
        Ok((offset, bytes))
    };
    let (first, second) = (entries(table.primary_header())?, entries(table.backup_header())?);
    let usable = (table.header().last_usable.saturating_add(1)).saturating_mul(SECTOR);
    if first.0 + first.1.len() as u64 > EDGE || second.0 < usable {
        return Err("its partition table lies where partitions belong".into());
    }
    // The crate proves the checksums of both headers and of the first entries.
    if first.1 != second.1 {
        return Err("the two copies of its partition table differ".into());
    }
    Ok(second.0)
}

/// Makes the table in the first MiB of a disk fit `size` bytes, and writes its second copy into the last.
pub(crate) fn fit(head: &mut [u8], tail: &mut [u8], size: u64) -> Result<(), GptError> {
    let mut ends = Ends { head, tail, size, position: 0 };
    let first = GptConfig::new().open_from_device(&mut ends)?.primary_header()?.clone();
    let last = size / SECTOR - 1;
    let sectors = entries_sectors(&first);
    let mut first = Header { backup_lba: last, last_usable: last - sectors - 1, ..first };
    let mut second = Header {
        current_lba: last,
        backup_lba: first.current_lba,
        part_start: last - sectors,
        ..first.clone()
    };

    let mut entries = vec![0; (sectors * SECTOR) as usize];
    ends.seek(SeekFrom::Start(first.part_start * SECTOR))?;
    ends.read_exact(&mut entries)?;
    ends.seek(SeekFrom::Start(second.part_start * SECTOR))?;
    ends.write_all(&entries)?;
    second.write_backup(&mut ends, Lb512)?;
    first.write_primary(&mut ends, Lb512)?;

    let other = |error: gpt::mbr::MBRError| GptError::Io(io::Error::other(error));
    let mut mbr = ProtectiveMBR::from_disk(&mut ends, Lb512).map_err(other)?;
    for index in 0..4 {
        if let Some(mut record) = mbr.partition(index).filter(|record| record.os_type == PROTECTIVE) {
            record.lb_size = u32::try_from(last).unwrap_or(u32::MAX); // what the chapter wants of larger disks
            mbr.set_partition(index, record);
        }
    }
    mbr.update_conservative(&mut ends).map_err(other)?;
    Ok(())
}

fn entries_sectors(header: &Header) -> u64 {
    (u64::from(header.num_parts) * u64::from(header.part_size)).div_ceil(SECTOR)
}

/// A disk of which only the ends are there.
#[derive(Debug)]
struct Ends<'a> {
    head: &'a mut [u8],
    tail: &'a mut [u8],
    size: u64,
    position: u64,
}

impl Ends<'_> {
    /// The `length` bytes from the current position on, which then moves behind them.
    fn take(&mut self, length: usize) -> io::Result<&mut [u8]> {
        let (tail_start, start) = (self.size - self.tail.len() as u64, self.position);
        let (end, offset) =
            if start < tail_start { (&mut *self.head, start) } else { (&mut *self.tail, start - tail_start) };
        let offset = offset as usize;
        let bytes = offset.checked_add(length).and_then(|to| end.get_mut(offset..to));
        self.position += length as u64;
        bytes.ok_or_else(|| {
            io::Error::other(format!("the table reaches out of the disk's ends, to byte {start}"))
        })
    }
}

impl Read for Ends<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        into.copy_from_slice(self.take(into.len())?);
        Ok(into.len())
    }
}

impl Write for Ends<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.take(from.len())?.copy_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
