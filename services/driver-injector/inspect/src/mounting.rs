//! Mounts foreign file systems so that nothing is written, not even by a journal's replay, and nothing in them has an effect.

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::tree::Tree;

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    place: PathBuf,
    /// What is in it.
    pub tree: Tree,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Its tree still holds it open; the rest goes when that is dropped.
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
    }
}

/// Kernel driver and options for a type of contents, one line for each place an operating system may stand in; none for what
/// is not mounted.
pub fn ways(contents: &str) -> &'static [(&'static str, &'static str)] {
    match contents {
        "ext2" | "ext3" | "ext4" => &[("ext4", "noload")],
        "xfs" => &[("xfs", "norecovery,nouuid")],
        "vfat" => &[("vfat", "")],
        "ntfs" => &[("ntfs3", "")],
        // Distributions put the system into a subvolume, each under its own name.
        "btrfs" => &[
            ("btrfs", "rescue=nologreplay"),
            ("btrfs", "rescue=nologreplay,subvol=@"),
            ("btrfs", "rescue=nologreplay,subvol=@rootfs"),
            ("btrfs", "rescue=nologreplay,subvol=root"),
        ],
        _ => &[],
    }
}

/// Mounts a device on a folder, read-only.
pub fn attach(device: &Path, place: &Path, (driver, options): (&str, &str)) -> io::Result<Mounted> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    std::fs::create_dir_all(place)?;
    mount(Some(device), place, Some(driver), flags, Some(options))?;
    match Tree::open(place) {
        Ok(tree) => Ok(Mounted { place: place.to_owned(), tree }),
        Err(error) => {
            let _ = umount2(place, MntFlags::MNT_DETACH);
            Err(error)
        }
    }
}
