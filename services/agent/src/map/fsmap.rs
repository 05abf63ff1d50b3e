//! A mounted file system's own view of its space: FS_IOC_GETFSMAP (ioctl_getfsmap(2)), which ext4 and xfs answer from
//! memory, where their bitmaps are up to date. What lies on the disk lags behind.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, bail};

use crate::freeze::mounts::DevNumber;

const RECORDS: usize = 1024;

/// `FMR_OF_SPECIAL_OWNER`: `owner` is one of the special values.
const SPECIAL_OWNER: u32 = 0x10;
/// `FMR_OF_LAST`: nothing follows.
const LAST: u32 = 0x20;
/// `FMR_OWN_FREE`.
const FREE: u64 = 1;

/// `struct fsmap`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Record {
    device: u32,
    flags: u32,
    physical: u64,
    owner: u64,
    offset: u64,
    length: u64,
    reserved: [u64; 3],
}

/// `struct fsmap_head` with its records.
#[repr(C)]
struct Query {
    in_flags: u32,
    out_flags: u32,
    count: u32,
    entries: u32,
    reserved: [u64; 6],
    keys: [Record; 2],
    records: [Record; RECORDS],
}

/// Bytes of `struct fsmap_head` without records, which is what the request's number is made from.
const HEAD: usize = size_of::<Query>() - size_of::<[Record; RECORDS]>();

nix::ioctl_readwrite_bad!(getfsmap, nix::request_code_readwrite!(b'X', 59, HEAD), Query);

/// Calls `free` with start and end, in bytes from the beginning of `device`, of every range on it that the file system
/// mounted at `root` does not use. Other devices of it (a log, a realtime section) are left out.
pub fn free_ranges(root: &File, device: DevNumber, mut free: impl FnMut(u64, u64)) -> anyhow::Result<()> {
    let highest = Record {
        device: u32::MAX,
        flags: u32::MAX,
        physical: u64::MAX,
        owner: u64::MAX,
        offset: u64::MAX,
        ..Record::default()
    };
    let mut query = Box::new(Query {
        in_flags: 0,
        out_flags: 0,
        count: RECORDS as u32,
        entries: 0,
        reserved: [0; 6],
        keys: [Record::default(), highest],
        records: [Record::default(); RECORDS],
    });
    let device = encode(device)?;
    loop {
        // SAFETY: the structure is the kernel's, with room for the `count` records it names.
        unsafe { getfsmap(root.as_raw_fd(), &mut *query) }
            .context("the kernel does not tell its free space")?;
        let found =
            query.records.get(..query.entries as usize).context("the kernel tells more than it was asked")?;
        let Some(last) = found.last().copied() else { return Ok(()) };
        for record in found {
            if record.device == device && record.flags & SPECIAL_OWNER != 0 && record.owner == FREE {
                let end = record.physical.checked_add(record.length).context("a range beyond all disks")?;
                free(record.physical, end);
            }
        }
        if last.flags & LAST != 0 {
            return Ok(());
        }
        // As fsmap_advance() in linux/fsmap.h: go on behind the last record.
        query.keys[0] = last;
    }
}

/// A device number as `fmr_device` has it: `new_encode_dev` of linux/kdev_t.h.
fn encode((major, minor): DevNumber) -> anyhow::Result<u32> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major @ ..0x1000), Ok(minor @ ..0x10_0000)) => {
            Ok((minor & 0xff) | major << 8 | (minor & !0xff) << 12)
        }
        _ => bail!("{major}:{minor} is no device number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!((HEAD, size_of::<Record>()), (192, 64));
    }

    #[test]
    fn device_numbers_are_encoded_as_the_kernel_does() {
        assert_eq!(encode((8, 1)).unwrap(), 0x801);
        // Minor 300 is 0x12c: its low byte stays low, the rest goes above the major number.
        assert_eq!(encode((259, 300)).unwrap(), 0x0010_0000 | 259 << 8 | 0x2c);
        assert!(encode((1 << 12, 0)).is_err());
    }
}
