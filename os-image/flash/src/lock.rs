//! Keeps others off a target, and is kept off by them.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// For writing, from the first byte to the last there will be.
const WHOLE: libc::flock =
    libc::flock { l_type: libc::F_WRLCK as _, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 };

/// Locks all of `file` until it is closed. `false`: somebody else has it.
///
/// Two locks, for two sorts of neighbours: QEMU takes open file description locks (fcntl_locking(2)) on the disks of its machines;
/// udev and partitioning tools take flock(2) on disks, and leave locked ones alone
/// (<https://systemd.io/BLOCK_DEVICE_LOCKING>).
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&WHOLE)) {
        Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_does_not_get_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let again = || File::options().read(true).write(true).open(file.path()).unwrap();
        let first = again();
        assert!(lock(&first).unwrap());
        assert!(!lock(&again()).unwrap());
        drop(first);
        assert!(lock(&again()).unwrap());
    }

    #[test]
    fn either_sort_of_neighbour_keeps_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let again = || File::options().read(true).write(true).open(file.path()).unwrap();
        let machine = again();
        fcntl(&machine, FcntlArg::F_OFD_SETLK(&WHOLE)).unwrap();
        assert!(!lock(&again()).unwrap());
        drop(machine);
        let tool = again();
        tool.lock().unwrap();
        assert!(!lock(&again()).unwrap());
    }
}
