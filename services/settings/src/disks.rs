//! Which disk a serial number or name means.

use std::collections::{BTreeMap, BTreeSet};

use understudy_answers::DiskName;

/// One entry of `/dev/disk/by-id`: its name, and the node it leads to.
pub type Entry = (String, String);

/// Why a wanted disk is not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It may appear yet.
    #[error("no disk with the serial number or name {wanted:?} is connected; connected are: {present}")]
    Absent {
        /// What was looked for.
        wanted: String,
        /// What there is.
        present: String,
    },
    /// It says too little.
    #[error("{wanted:?} fits several disks ({found}); use a longer name, as in /dev/disk/by-id")]
    Ambiguous {
        /// What was looked for.
        wanted: String,
        /// What fits.
        found: String,
    },
}

/// Finds the whole disk that `wanted` means, as a path beneath `/dev/disk/by-id`.
pub fn resolve(wanted: &DiskName, entries: &[Entry]) -> Result<String, Unresolved> {
    let disks: Vec<_> = entries.iter().filter(|(name, _)| !is_partition(name)).collect();
    resolve_one(wanted.as_str(), &disks)
}

fn is_partition(name: &str) -> bool {
    name.rsplit_once("-part").is_some_and(|(_, number)| number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// udev makes names as KIND-MODEL_SERIAL or KIND-SERIAL: a serial number is the end of a name, after a separator.
fn fits(name: &str, wanted: &str) -> bool {
    name == wanted
        || name.strip_suffix(wanted).is_some_and(|before| before.ends_with('-') || before.ends_with('_'))
}

fn resolve_one(wanted: &str, disks: &[&Entry]) -> Result<String, Unresolved> {
    let mut by_node: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, node) in disks.iter().filter(|(name, _)| fits(name, wanted)) {
        by_node.entry(node).or_insert(name);
    }
    let names = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    match by_node.len() {
        1 => Ok(by_node.values().map(|name| format!("/dev/disk/by-id/{name}")).collect()),
        0 => {
            let present = names(disks.iter().map(|(name, _)| name.as_str()).collect());
            Err(Unresolved::Absent { wanted: wanted.to_owned(), present })
        }
        _ => Err(Unresolved::Ambiguous {
            wanted: wanted.to_owned(),
            found: names(by_node.values().copied().collect()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        [
            ("virtio-data-a", "/dev/vdb"),
            ("virtio-data-a-part1", "/dev/vdb1"),
            ("virtio-data-b", "/dev/vdc"),
            ("ata-QEMU_HARDDISK_QM0001", "/dev/sda"),
            ("wwn-0x5000c500a", "/dev/sda"),
            ("nvme-X_data-a", "/dev/nvme0n1"),
        ]
        .map(|(name, node)| (name.to_owned(), node.to_owned()))
        .to_vec()
    }

    fn one(wanted: &str) -> Result<String, Unresolved> {
        resolve(&wanted.parse().unwrap(), &entries())
    }

    #[test]
    fn a_disk_is_found_by_its_serial_number_or_its_whole_name() {
        assert_eq!(one("QM0001").unwrap(), "/dev/disk/by-id/ata-QEMU_HARDDISK_QM0001");
        assert_eq!(one("data-b").unwrap(), "/dev/disk/by-id/virtio-data-b");
        assert_eq!(one("wwn-0x5000c500a").unwrap(), "/dev/disk/by-id/wwn-0x5000c500a");
    }

    #[test]
    fn a_serial_number_of_two_disks_is_refused_and_a_whole_name_helps() {
        assert!(matches!(one("data-a"), Err(Unresolved::Ambiguous { .. })));
        assert_eq!(one("virtio-data-a").unwrap(), "/dev/disk/by-id/virtio-data-a");
    }

    #[test]
    fn a_part_of_a_serial_number_or_a_partition_is_no_disk() {
        for wanted in ["0001", "a-part1", "virtio-data-a-part1"] {
            let error = one(wanted).unwrap_err();
            assert!(error.to_string().contains("virtio-data-b"), "{error}");
        }
    }
}
