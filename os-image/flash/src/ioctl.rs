//! The one call to the kernel for which there is no safe function.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

nix::ioctl_none!(blkrrpart, 0x12, 95); // linux/fs.h: BLKRRPART

/// Lets the kernel read the partition table of a disk again.
pub(crate) fn read_partitions_again(disk: &File) -> nix::Result<()> {
    // SAFETY: the call takes no argument and touches no memory of this process; the descriptor is open as long as `disk` lives.
    unsafe { blkrrpart(disk.as_raw_fd()) }.map(drop)
}
