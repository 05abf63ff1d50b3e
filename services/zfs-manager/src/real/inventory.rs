//! Which disks there are, what is on them, and whether a pool can be made with them.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use understudy_bus::zfs;
use understudy_udev::{Record, printable};

use super::contents::{self, Sign};
use super::disks;

/// The smallest disk a pool is made of, in bytes: what ZFS keeps for itself leaves next to nothing of less.
pub const SMALLEST: u64 = 1 << 30;
/// Block devices that are no disks, by the beginning of their names.
const NO_DISKS: [&str; 12] =
    ["loop", "nbd", "zram", "zd", "dm-", "md", "sr", "fd", "ram", "mtdblock", "nullb", "drbd"];

/// One partition.
#[derive(Debug)]
struct Partition {
    number: String,
    record: Record,
}

/// A whole disk and what is known of it without reading it.
#[derive(Debug)]
pub struct Facts {
    /// The kernel's name for it now, for example `sda`.
    pub kernel: String,
    size: u64,
    sector_size: u32,
    rotational: bool,
    removable: bool,
    read_only: bool,
    number: String,
    record: Record,
    partitions: Vec<Partition>,
    /// Whether something is assembled of it or of a partition.
    held: bool,
}

/// What of this box uses disks.
#[derive(Debug, Default)]
pub struct Uses {
    /// Disks this box starts from, by the kernel's names.
    boot: BTreeSet<String>,
    /// Disks of the imported pool, by the kernel's names.
    pub pool: BTreeSet<String>,
    /// GUID of the box's own pool, imported or not.
    pub guid: Option<u64>,
    /// Numbers (`MAJOR:MINOR`) of what is mounted.
    mounted: BTreeSet<String>,
}

impl Uses {
    /// What the system uses; the pool is still to be told.
    pub fn of_system(root: &Path) -> Self {
        // The initramfs leaves links to the partitions of the disk it started from.
        let links = std::fs::read_dir(root.join("run/boot-disk")).into_iter().flatten().flatten();
        let links = links.map(|link| Path::new("/run/boot-disk").join(link.file_name()));
        let boot = links.filter_map(|link| disks::whole_disk(root, &link).ok()).collect();
        let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect();
        Self { boot, mounted, ..Self::default() }
    }
}

/// All whole disks.
pub fn all(root: &Path) -> Vec<Facts> {
    let entries = std::fs::read_dir(root.join("sys/class/block")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_disk(name)).filter_map(|name| Facts::read(root, &name)).collect()
}

fn is_disk(name: &str) -> bool {
    let kind = |prefix: &&str| {
        let rest = name.strip_prefix(*prefix);
        rest.is_some_and(|rest| prefix.ends_with('-') || rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    // The boot areas of an eMMC are disks of their own to the kernel.
    let area = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    !NO_DISKS.iter().any(kind) && !area
}

impl Facts {
    /// Nothing for partitions, and for the single paths that the kernel hides behind an NVMe disk with several.
    pub fn read(root: &Path, kernel: &str) -> Option<Self> {
        let folder = root.join("sys/class/block").join(kernel);
        if folder.join("partition").exists() || number(&folder, "hidden") == 1 {
            return None;
        }
        let device = text(&folder, "dev")?;
        let record = Record::read(root, &device);
        let removable = number(&folder, "removable") == 1 || record.get("ID_BUS") == Some("usb");
        let mut partitions = Vec::new();
        let mut held = is_held(&folder);
        let mut names: Vec<_> = disks::partitions(root, kernel).unwrap_or_default();
        names.sort();
        for name in names {
            let folder = root.join("sys/class/block").join(name);
            let Some(number) = text(&folder, "dev") else { continue };
            held |= is_held(&folder);
            partitions.push(Partition { record: Record::read(root, &number), number });
        }
        Some(Self {
            kernel: kernel.to_owned(),
            size: number(&folder, "size").saturating_mul(512),
            sector_size: u32::try_from(number(&folder, "queue/logical_block_size")).unwrap_or(0),
            rotational: number(&folder, "queue/rotational") == 1,
            removable,
            read_only: number(&folder, "ro") == 1,
            number: device,
            record,
            partitions,
            held,
        })
    }

    /// Serial number; empty if it has none.
    pub fn serial(&self) -> &str {
        self.record.serial()
    }

    /// Why no pool can be made with it; empty if one can.
    pub fn unusable(&self, root: &Path, uses: &Uses) -> String {
        let numbers = || std::iter::once(&self.number).chain(self.partitions.iter().map(|p| &p.number));
        let reason = if uses.boot.contains(&self.kernel) {
            "this box starts from it"
        } else if uses.pool.contains(&self.kernel) || self.is_of_pool(uses.guid) {
            "part of this box's pool"
        } else if self.size == 0 {
            "there is no medium in it"
        } else if numbers().any(|number| uses.mounted.contains(number)) {
            "mounted"
        } else if self.held || is_claimed(root, &self.kernel) {
            "in use by this box"
        } else if self.read_only {
            "read-only"
        } else if self.size < SMALLEST {
            "too small: at least 1 GiB"
        } else if !self.has_stable_name() {
            "it has no serial number by which it could be told from other disks"
        } else {
            ""
        };
        reason.to_owned()
    }

    fn has_stable_name(&self) -> bool {
        self.record.best_link().is_some_and(|link| link.starts_with("disk/by-id/"))
    }

    /// Whether it is labelled as part of the pool with this GUID. libblkid gives that as the file system's UUID, in decimal.
    fn is_of_pool(&self, guid: Option<u64>) -> bool {
        let Some(guid) = guid.map(|guid| guid.to_string()) else { return false };
        let records = std::iter::once(&self.record).chain(self.partitions.iter().map(|p| &p.record));
        records
            .filter(|record| record.get("ID_FS_TYPE") == Some("zfs_member"))
            .any(|record| record.get("ID_FS_UUID") == Some(&guid))
    }

    /// What udev knows to be on it.
    fn contents(&self) -> String {
        let whole: Vec<_> = Sign::of(&self.record).into_iter().collect();
        let inside: Vec<Vec<_>> =
            self.partitions.iter().map(|part| Sign::of(&part.record).into_iter().collect()).collect();
        contents::words(&whole, self.record.get("ID_PART_TABLE_TYPE"), &inside)
    }

    /// For the bus.
    pub async fn describe(&self, root: &Path, uses: &Uses) -> zfs::Disk {
        let node = format!("/dev/{}", self.kernel);
        let usable = self.unusable(root, uses);
        let mut contents = self.contents();
        // What looks blank and will be written to is looked at as closely as before that: libblkid overlooks a young pool.
        if contents.is_empty() && usable.is_empty() {
            let path = PathBuf::from(&node);
            contents = match disks::Disk::find(root, &path) {
                Ok(disk) => match disk.findings().await {
                    Ok(found) => disks::words(&found, &disk),
                    Err(error) => {
                        tracing::warn!("cannot tell what is on {node}: {}", error.message());
                        String::new()
                    }
                },
                Err(error) => {
                    tracing::warn!("cannot look at {node}: {}", error.message());
                    String::new()
                }
            };
        }
        zfs::Disk {
            name: self.record.best_link().map_or_else(|| node.clone(), |link| format!("/dev/{link}")),
            node,
            model: printable(&self.record.model()),
            serial: self.serial().to_owned(),
            size: self.size,
            sector_size: self.sector_size,
            rotational: self.rotational,
            removable: self.removable,
            contents,
            usable,
        }
    }
}

fn text(folder: &Path, name: &str) -> Option<String> {
    Some(std::fs::read_to_string(folder.join(name)).ok()?.trim().to_owned())
}

fn number(folder: &Path, name: &str) -> u64 {
    text(folder, name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_held(folder: &Path) -> bool {
    std::fs::read_dir(folder.join("holders")).is_ok_and(|mut holders| holders.next().is_some())
}

/// Whether somebody, such as an imported pool, has claimed the disk or a partition of it.
fn is_claimed(root: &Path, kernel: &str) -> bool {
    let node = root.join("dev").join(kernel);
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(node);
    opened.is_err_and(|error| error.raw_os_error() == Some(Errno::EBUSY as i32))
}

#[cfg(test)]
mod tests;
