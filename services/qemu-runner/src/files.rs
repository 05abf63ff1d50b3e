//! What an open file is, and copies of files in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::{Error, Result};

/// How QEMU has to open a descriptor it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// A block device; a regular file otherwise.
    pub block_device: bool,
    /// Open for writing too.
    pub writable: bool,
    /// Whether it goes past the kernel's page cache (O_DIRECT).
    pub direct: bool,
}

impl Access {
    /// Looks at an open disk, and has it go past the page cache where its file system can: ZFS caches by itself, and a second
    /// copy would only cost memory. Anything that is neither file nor block device is refused.
    pub fn of(fd: &OwnedFd) -> Result<Self> {
        let doing = Error::io("look at the descriptor of a disk");
        let look = || {
            let file = File::from(fd.try_clone()?);
            let kind = file.metadata()?.file_type();
            if !kind.is_block_device() && !kind.is_file() {
                return Err(std::io::Error::other("it is neither a block device nor a regular file"));
            }
            let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
            let writable = flags & OFlag::O_ACCMODE == OFlag::O_RDWR;
            if !writable && flags & OFlag::O_ACCMODE != OFlag::O_RDONLY {
                return Err(std::io::Error::other("it is open for writing only"));
            }
            // QEMU takes a descriptor out of a set only if this flag, too, is as it asks for.
            let direct = fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_DIRECT)).is_ok();
            Ok(Self { block_device: kind.is_block_device(), writable, direct })
        };
        look().map_err(doing)
    }
}

/// Length of an open file or block device in bytes. Moves its read position, which QEMU does not use.
pub fn length(fd: &OwnedFd) -> Result<u64> {
    let measure = || File::from(fd.try_clone()?).seek(SeekFrom::End(0));
    measure().map_err(Error::io("measure a disk"))
}

/// A file in memory.
pub(crate) fn memory(name: &str) -> Result<OwnedFd> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC)
        .map_err(|error| Error::io(format!("make a file in memory for the {name}"))(error.into()))
}

/// A second opening of a file in memory, for writing only: QEMU's descriptor sets match access modes exactly.
pub(crate) fn write_only(memory: &OwnedFd) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", memory.as_fd().as_raw_fd());
    let file = File::options().write(true).open(&path).map_err(Error::io(format!("open {path} again")))?;
    Ok(file.into())
}

/// A private, writable copy of a small file, in memory.
pub fn copy_to_memory(name: &str, source: &Path) -> Result<OwnedFd> {
    let copy = memory(name)?;
    let fill = || {
        let mut contents = Vec::new();
        File::open(source)?.read_to_end(&mut contents)?;
        File::from(copy.try_clone()?).write_all(&contents)
    };
    fill().map_err(Error::io(format!("copy {} into memory", source.display())))?;
    Ok(copy)
}
