//! Whole disks and their partitions, from `/sys`.

use std::path::Path;

use anyhow::Context;
use understudy_wire::{Bytes, Disk, DiskId, Partition};

use super::identity::Traits;
use super::mounts::Mounts;
use super::probe::{Probe, Superblock};
use super::{Root, text};

/// `/sys` counts sectors of 512 bytes whatever the disk's own are.
const SECTOR: u64 = 512;

/// Targets that a box publishes; a disk behind one is a box's volume, not this machine's.
const OUR_IQN: &str = "understudy";

/// A disk as `/sys` shows it.
#[derive(Debug)]
pub struct Found {
    /// Its `id` is a new one until [`super::identity`] has had its say.
    pub disk: Disk,
    number: String,
    partition_nodes: Vec<Node>,
    sequence: Option<u64>,
    uuid: String,
}

/// A partition's device.
#[derive(Debug)]
struct Node {
    /// `254:1`.
    number: String,
    /// `vda1`.
    name: String,
}

/// Whole disks of the machine itself, by name.
pub fn disks(root: &Root) -> anyhow::Result<Vec<Found>> {
    let directory = root.path("sys/block");
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        if let Ok(name) = entry.file_name().into_string()
            && is_disk_name(&name)
        {
            names.push(name);
        }
    }
    names.sort();
    names.iter().filter_map(|name| disk(&directory.join(name), name).transpose()).collect()
}

/// Disks proper: no loop devices, RAM disks, optical drives, and nothing that lies on other block devices.
fn is_disk_name(name: &str) -> bool {
    let letters = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase());
    if let Some(rest) = name.strip_prefix("nvme") {
        // `nvme0n1`; `nvme0c0n1` is one path of several to it.
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        return rest.split_once('n').is_some_and(|(controller, space)| number(controller) && number(space));
    }
    ["sd", "vd", "xvd", "hd"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(letters))
}

/// `None` for a disk that is not part of the machine, or has gone meanwhile.
fn disk(path: &Path, name: &str) -> anyhow::Result<Option<Found>> {
    let flag = |attribute: &str| text(&path.join(attribute)).as_deref() == Some("1");
    let (Some(size), Some(number)) = (number(&path.join("size")), text(&path.join("dev"))) else {
        return Ok(None);
    };
    if size == 0 || flag("removable") || flag("hidden") || is_ours(path) {
        return Ok(None);
    }
    let sector_size = self::number(&path.join("queue/logical_block_size")).unwrap_or(SECTOR);
    let (partitions, partition_nodes) = partitions(path, name)?;
    let disk = Disk {
        id: DiskId::new(),
        name: name.to_owned(),
        serial: serial(path),
        size: Bytes(size * SECTOR),
        sector_size: u32::try_from(sector_size).with_context(|| format!("{name} has impossible sectors"))?,
        table: String::new(),
        table_id: String::new(),
        partitions,
        filesystem: String::new(),
        mounted_at: Vec::new(),
    };
    let sequence = self::number(&path.join("diskseq"));
    Ok(Some(Found { disk, number, partition_nodes, sequence, uuid: String::new() }))
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

/// virtio and NVMe say it in a file; SCSI in page 0x80 of its vital product data (SPC-4, 7.8.15), else in its world-wide id.
fn serial(path: &Path) -> String {
    let page = || {
        let page = std::fs::read(path.join("device/vpd_pg80")).ok()?;
        let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
        Some(String::from_utf8_lossy(page.get(4..4 + length)?).trim().to_owned())
    };
    let file = |name: &str| text(&path.join(name));
    let some = |serial: &String| !serial.is_empty();
    file("serial")
        .filter(some)
        .or_else(|| file("device/serial").filter(some))
        .or_else(|| page().filter(some))
        .or_else(|| file("wwid").filter(some))
        .or_else(|| file("device/wwid").filter(some))
        .unwrap_or_default()
}

/// Whether the kernel reached this disk by iSCSI from a box.
fn is_ours(path: &Path) -> bool {
    let Ok(device) = path.canonicalize() else { return false };
    device.ancestors().any(|ancestor| {
        let Some(session) = ancestor.file_name().and_then(|name| name.to_str()) else { return false };
        session.starts_with("session")
            && text(&ancestor.join("iscsi_session").join(session).join("targetname"))
                .is_some_and(|target| target.contains(OUR_IQN))
    })
}

/// Partitions in disk order, and the device number and name of each.
fn partitions(path: &Path, disk: &str) -> anyhow::Result<(Vec<Partition>, Vec<Node>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", path.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with(disk) {
            continue;
        }
        let value = |attribute: &str| number(&entry.path().join(attribute));
        let (Some(number), Some(start), Some(size), Some(device)) =
            (value("partition"), value("start"), value("size"), text(&entry.path().join("dev")))
        else {
            continue;
        };
        let partition = Partition {
            number: u32::try_from(number).with_context(|| format!("{name} has an impossible number"))?,
            start: Bytes(start * SECTOR),
            size: Bytes(size * SECTOR),
            filesystem: String::new(),
            mounted_at: Vec::new(),
        };
        found.push((partition, Node { number: device, name }));
    }
    found.sort_by_key(|(partition, _)| (partition.start, partition.number));
    Ok(found.into_iter().unzip())
}

impl Found {
    /// Adds what can only be read from the disk itself, and what is mounted.
    pub fn examine(&mut self, probe: &dyn Probe, mounts: &Mounts) -> anyhow::Result<()> {
        let look = |name: &str| {
            let device = Path::new("/dev").join(name);
            probe.probe(&device).with_context(|| format!("cannot tell what lies on {}", device.display()))
        };
        let Superblock { filesystem, uuid, table, table_id } = look(&self.disk.name)?;
        let disk = &mut self.disk;
        (disk.filesystem, disk.table, disk.table_id) = (filesystem, table, table_id);
        self.uuid = uuid;
        disk.mounted_at = mounts.of(&self.number, &format!("/dev/{}", disk.name));
        for (partition, Node { number, name }) in disk.partitions.iter_mut().zip(&self.partition_nodes) {
            // An extended partition is as small as its table; there is nothing to find on it.
            partition.filesystem =
                if partition.size.0 <= 2 * SECTOR { String::new() } else { look(name)?.filesystem };
            partition.mounted_at = mounts.of(number, &format!("/dev/{name}"));
        }
        Ok(())
    }

    /// What it may be recognised by.
    pub fn traits(&self) -> Traits {
        let contents = if self.disk.table_id.is_empty() { &self.uuid } else { &self.disk.table_id };
        Traits {
            serial: self.disk.serial.clone(),
            contents: contents.clone(),
            size: self.disk.size,
            sequence: self.sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_disks_are_disks() {
        for name in ["sda", "sdaa", "vdb", "xvda", "hdc", "nvme0n1", "nvme10n2"] {
            assert!(is_disk_name(name), "{name}");
        }
        for name in [
            "loop0",
            "ram1",
            "zram0",
            "dm-0",
            "md127",
            "sr0",
            "zd16",
            "nbd0",
            "fd0",
            "nvme0c0n1",
            "sd",
            "sda1",
        ] {
            assert!(!is_disk_name(name), "{name}");
        }
    }
}
