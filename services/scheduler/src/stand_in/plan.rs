//! Decisions about a stand-in, without I/O (but for the look at this box).

use understudy_bus::drivers::Report;
use understudy_bus::error::{Error, Result};
use understudy_bus::zfs::DiskClone;
use understudy_wire::{Disk, Firmware, Inventory};

const MIB: u64 = 1 << 20;
/// Less than this boots no current system.
const LEAST_MEMORY: u64 = 256 * MIB;

/// What this box has.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Bytes of memory that are available now.
    pub available: u64,
}

impl Room {
    /// Looks it up.
    pub fn of_this_box() -> Result<Self> {
        let failed = |why: String| Error::Failed(format!("cannot find out what this box has: {why}"));
        let text = std::fs::read_to_string("/proc/meminfo").map_err(|error| failed(error.to_string()))?;
        let figure = |name: &str| {
            memory_figure(&text, name).ok_or_else(|| failed(format!("/proc/meminfo has no {name}")))
        };
        let cpus = std::thread::available_parallelism().map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            cpus: u32::try_from(cpus.get()).unwrap_or(u32::MAX),
            memory: figure("MemTotal")?,
            available: figure("MemAvailable")?,
        })
    }
}

/// A line of proc_meminfo(5), in bytes.
fn memory_figure(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// How large a VM is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
}

/// What was asked for, which must be possible; or, for 0, what the machine had, as far as it fits this box.
pub fn size(cpus: u32, memory: u64, inventory: &Inventory, room: Room) -> Result<Size> {
    if cpus > room.cpus {
        return Err(Error::InvalidArgument(format!(
            "{cpus} processors are more than this box has ({}); ask for fewer, or leave it to the box",
            room.cpus
        )));
    }
    if memory > room.memory || (memory != 0 && memory < LEAST_MEMORY) {
        return Err(Error::InvalidArgument(format!(
            "{} MiB of memory is not possible: from {} to {} MiB can be asked for on this box",
            memory / MIB,
            LEAST_MEMORY / MIB,
            room.memory / MIB
        )));
    }
    let fitting = (room.available / 4 * 3).max(LEAST_MEMORY);
    Ok(Size {
        cpus: if cpus == 0 { inventory.cpus.clamp(1, room.cpus.max(1)) } else { cpus },
        memory: match memory {
            0 => inventory.memory.0.clamp(LEAST_MEMORY, fitting) / MIB * MIB,
            asked => asked.div_ceil(MIB) * MIB,
        },
    })
}

/// As the launcher and the injector call it.
pub fn firmware(inventory: &Inventory) -> &'static str {
    match inventory.firmware {
        Firmware::Uefi => "uefi",
        Firmware::Bios => "bios",
    }
}

/// The disk the machine booted from first, the others as they stood in its inventory, unknown ones last.
pub fn boot_order(mut clones: Vec<DiskClone>, inventory: &Inventory) -> Vec<DiskClone> {
    let rank = |clone: &DiskClone| {
        let position = inventory.disks.iter().position(|disk| disk.id.to_string() == clone.disk);
        let boot = position.map_or(u8::MAX, |index| boot_rank(&inventory.disks[index]));
        (boot, position)
    };
    clones.sort_by_key(|clone| rank(clone));
    clones
}

/// Lower is likelier to be what the firmware boots: the ESP, then `/boot`, then the root file system.
fn boot_rank(disk: &Disk) -> u8 {
    let mounted = |places: &[&str]| {
        let all = disk.partitions.iter().flat_map(|partition| &partition.mounted_at).chain(&disk.mounted_at);
        all.into_iter().any(|place| places.contains(&place.as_str()))
    };
    if mounted(&["/boot/efi", "/efi"]) {
        0
    } else if mounted(&["/boot"]) {
        1
    } else if mounted(&["/"]) {
        2
    } else {
        3
    }
}

/// Whether there is anything that could boot.
pub fn may_boot(report: &Report) -> bool {
    report.disks.is_empty()
        || report
            .disks
            .iter()
            .any(|disk| !disk.table.is_empty() || disk.filesystems.iter().any(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_bus::drivers::DiskReport;
    use understudy_wire::{Bytes, DiskId, Partition};

    fn inventory(mounts: &[&[&str]]) -> Inventory {
        let disks = mounts.iter().map(|mounts| Disk {
            id: DiskId::new(),
            name: String::new(),
            serial: String::new(),
            size: Bytes(1 << 30),
            sector_size: 512,
            table: "gpt".into(),
            table_id: String::new(),
            partitions: mounts
                .iter()
                .map(|place| Partition {
                    number: 1,
                    start: Bytes(1 << 20),
                    size: Bytes(1 << 20),
                    filesystem: "ext4".into(),
                    mounted_at: vec![(*place).to_owned()],
                })
                .collect(),
            filesystem: String::new(),
            mounted_at: Vec::new(),
        });
        Inventory {
            protocol: 1,
            agent_version: String::new(),
            capabilities: Vec::new(),
            host_name: "h".into(),
            machine_id: String::new(),
            os: String::new(),
            kernel: String::new(),
            firmware: Firmware::Uefi,
            cpus: 8,
            memory: Bytes(16 << 30),
            disks: disks.collect(),
            interfaces: Vec::new(),
        }
    }

    const ROOM: Room = Room { cpus: 2, memory: 4 << 30, available: 2 << 30 };

    #[test]
    fn a_machine_larger_than_the_box_is_made_to_fit() {
        let size = size(0, 0, &inventory(&[]), ROOM).unwrap();
        assert_eq!(size, Size { cpus: 2, memory: 1536 * MIB });
    }

    #[test]
    fn what_was_asked_for_is_given_or_refused_but_never_changed() {
        let asked = size(1, 3 << 30, &inventory(&[]), ROOM).unwrap();
        assert_eq!(asked, Size { cpus: 1, memory: 3 << 30 });
        assert!(size(3, 0, &inventory(&[]), ROOM).is_err());
        assert!(size(0, 5 << 30, &inventory(&[]), ROOM).is_err());
        assert!(size(0, MIB, &inventory(&[]), ROOM).is_err());
    }

    #[test]
    fn the_disk_with_the_esp_boots_first_and_the_rest_keep_their_order() {
        let inventory = inventory(&[&["/srv"], &["/"], &["/boot/efi"], &[]]);
        let clone = |disk: &Disk| DiskClone { disk: disk.id.to_string(), size: 1, sector_size: 512 };
        let mut clones: Vec<_> = inventory.disks.iter().map(clone).collect();
        clones.reverse();
        let expected = [2, 1, 0, 3].map(|index| inventory.disks[index].id.to_string());
        let order: Vec<_> = boot_order(clones, &inventory).into_iter().map(|clone| clone.disk).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn only_disks_without_table_and_file_system_cannot_boot() {
        let disk = |table: &str| DiskReport { table: table.into(), ..DiskReport::default() };
        let report = |disks| Report { disks, ..Report::default() };
        assert!(!may_boot(&report(vec![disk(""), disk("")])));
        assert!(may_boot(&report(vec![disk(""), disk("gpt")])));
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:        2048 kB\nMemAvailable:     512 kB\n";
        assert_eq!(memory_figure(text, "MemAvailable"), Some(512 * 1024));
        assert_eq!(memory_figure(text, "MemFree"), None);
    }
}
