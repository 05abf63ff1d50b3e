//! What the kernel says about a block device.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::raw::c_char;

mod raw {
    use std::os::raw::c_char;

    // linux/fs.h
    nix::ioctl_read!(blkgetsize64, 0x12, 114, usize);
    nix::ioctl_none!(blkflsbuf, 0x12, 97);
    // OpenZFS, sys/fs/zfs.h: BLKZNAME, answered by zvols only
    nix::ioctl_read!(blkzname, 0x12, 125, [c_char; 256]);
}

/// Size of the device in bytes.
pub fn size(device: &File) -> std::io::Result<u64> {
    let mut size = 0;
    // SAFETY: the descriptor is open for the whole call and BLKGETSIZE64 writes one size_t, which `size` is.
    unsafe { raw::blkgetsize64(device.as_raw_fd(), &mut size) }?;
    Ok(size as u64)
}

/// Drops what the page cache holds of the device. LIO writes beside that cache and a rollback changes the device beneath it:
/// a reader must not be served what it held before.
pub fn drop_cache(device: &File) -> std::io::Result<()> {
    // SAFETY: the descriptor is open for the whole call and BLKFLSBUF takes no argument.
    unsafe { raw::blkflsbuf(device.as_raw_fd()) }?;
    Ok(())
}

/// The dataset behind a zvol's node, whatever the node is called.
pub fn dataset(device: &File) -> std::io::Result<String> {
    let mut name = [0 as c_char; 256];
    // SAFETY: the descriptor is open for the whole call and BLKZNAME writes at most the 256 bytes its number encodes, which
    // `name` has.
    unsafe { raw::blkzname(device.as_raw_fd(), &mut name) }?;
    let bytes = name.map(|character| character as u8);
    let text = CStr::from_bytes_until_nul(&bytes).map_err(std::io::Error::other)?;
    Ok(text.to_string_lossy().into_owned())
}
