//! The helper's block devices, found by the serial numbers the service gave them.

use std::io;
use std::path::Path;

/// A disk as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Name in `/dev`.
    pub name: String,
    /// Logical sector size in bytes.
    pub sector: usize,
    /// Names of its partitions in `/dev`, by number.
    pub partitions: Vec<String>,
}

/// The disk whose serial number is the beginning of `id` (virtio carries 20 characters), below `/sys/block`.
pub fn find(sys_block: &Path, id: &str) -> io::Result<Option<Disk>> {
    for entry in std::fs::read_dir(sys_block)? {
        let entry = entry?;
        let path = entry.path();
        let serial = std::fs::read_to_string(path.join("serial")).unwrap_or_default();
        let serial = serial.trim();
        if serial.len() < 16 || !id.starts_with(serial) {
            continue;
        }
        let sector = std::fs::read_to_string(path.join("queue/logical_block_size"))?;
        let sector = sector.trim().parse().map_err(io::Error::other)?;
        let mut partitions = Vec::new();
        for part in std::fs::read_dir(&path)? {
            let part = part?;
            if let Ok(number) = std::fs::read_to_string(part.path().join("partition")) {
                let number: u32 = number.trim().parse().map_err(io::Error::other)?;
                partitions.push((number, part.file_name().to_string_lossy().into_owned()));
            }
        }
        partitions.sort_unstable();
        let name = entry.file_name().to_string_lossy().into_owned();
        return Ok(Some(Disk { name, sector, partitions: partitions.into_iter().map(|(_, n)| n).collect() }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_by_its_serial_with_its_partitions_in_order() {
        let sys = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = sys.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("loop0/queue/logical_block_size", "512\n");
        write("vda/serial", "ffffffffffffffffffff");
        write("vdb/serial", "00010203040506070809");
        write("vdb/queue/logical_block_size", "4096\n");
        write("vdb/vdb10/partition", "10\n");
        write("vdb/vdb2/partition", "2\n");
        let disk = find(sys.path(), "000102030405060708090a0b0c0d0e0f").unwrap().unwrap();
        assert_eq!((disk.name.as_str(), disk.sector), ("vdb", 4096));
        assert_eq!(disk.partitions, ["vdb2", "vdb10"]);
        assert_eq!(find(sys.path(), "1111111111111111ffffffffffffffff").unwrap(), None);
    }
}
