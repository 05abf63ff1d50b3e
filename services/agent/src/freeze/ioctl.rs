//! Freezing and thawing one mounted file system (ioctl_fsfreeze; `FIFREEZE`, `FITHAW` in linux/fs.h).

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

nix::ioctl_readwrite!(fifreeze, b'X', 119, c_int);
nix::ioctl_readwrite!(fithaw, b'X', 120, c_int);

/// Freezes the file system that `mount` is a directory of. `EOPNOTSUPP` from one that cannot freeze, `EBUSY` from one
/// that is frozen already.
pub fn freeze(mount: BorrowedFd) -> Result<(), Errno> {
    // SAFETY: the kernel ignores the argument.
    unsafe { fifreeze(mount.as_raw_fd(), std::ptr::null_mut()) }.map(drop)
}

/// Thaws it; `EINVAL` from one that is not frozen.
pub fn thaw(mount: BorrowedFd) -> Result<(), Errno> {
    // SAFETY: the kernel ignores the argument.
    unsafe { fithaw(mount.as_raw_fd(), std::ptr::null_mut()) }.map(drop)
}
