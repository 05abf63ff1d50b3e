//! What lies on a block device, as `blkid` reads it from the device itself (not from its cache).

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::program::{self, ProgramError};

/// What a device begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superblock {
    /// File system or other contents (`ext4`, `swap`, `LVM2_member`); empty where unknown.
    pub filesystem: String,
    /// The file system's UUID; empty where it has none.
    pub uuid: String,
    /// `gpt`, `dos`, or empty.
    pub table: String,
    /// GPT disk GUID or MBR signature; empty without a partition table.
    pub table_id: String,
}

/// Reads superblocks: from devices, or in tests from a list.
pub trait Probe {
    /// What lies on this device.
    fn probe(&self, device: &Path) -> anyhow::Result<Superblock>;
}

/// `blkid` of util-linux.
pub struct Blkid;

/// blkid(8): nothing was found on the device.
const NOTHING: i32 = 2;
/// blkid(8): more than one thing was found, so that none can be told.
const AMBIVALENT: i32 = 8;

impl Probe for Blkid {
    fn probe(&self, device: &Path) -> anyhow::Result<Superblock> {
        // blkid says "nothing found" of a device that it cannot open, too.
        std::fs::File::open(device).with_context(|| format!("cannot open {}", device.display()))?;
        let args = ["-o".as_ref(), "export".as_ref(), "-p".as_ref(), device.as_os_str()];
        match program::run("blkid", args, Duration::from_secs(60)) {
            Ok(text) => Ok(parse(&text)),
            Err(ProgramError::Failed { status, .. })
                if matches!(status.code(), Some(NOTHING | AMBIVALENT)) =>
            {
                Ok(Superblock::default())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn parse(text: &str) -> Superblock {
    let value = |key: &str| {
        let value =
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
        value.to_owned()
    };
    Superblock {
        filesystem: value("TYPE"),
        uuid: value("UUID"),
        table: value("PTTYPE"),
        table_id: value("PTUUID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blkids_words_are_understood() {
        let disk = parse("DEVNAME=/dev/vda\nPTUUID=36b1d7bb-7f6a-4a3e-9a4e-0b1b3a8f0001\nPTTYPE=gpt\n");
        assert_eq!((disk.table.as_str(), disk.filesystem.as_str()), ("gpt", ""));
        assert_eq!(disk.table_id, "36b1d7bb-7f6a-4a3e-9a4e-0b1b3a8f0001");
        let partition = parse("UUID=11-22\nVERSION=1.0\nTYPE=ext4\nUSAGE=filesystem\nPART_ENTRY_UUID=33\n");
        assert_eq!((partition.filesystem.as_str(), partition.uuid.as_str()), ("ext4", "11-22"));
    }

    #[test]
    fn a_real_image_is_probed_and_an_empty_one_has_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk");
        std::fs::write(&image, vec![0; 1 << 20]).unwrap();
        assert_eq!(Blkid.probe(&image).unwrap(), Superblock::default());
        // An MBR with a signature and one Linux partition.
        let mut sector = vec![0; 1 << 20];
        sector[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
        sector[446..462].copy_from_slice(&[0, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0]);
        sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(&image, sector).unwrap();
        let found = Blkid.probe(&image).unwrap();
        assert_eq!((found.table.as_str(), found.table_id.as_str()), ("dos", "1234abcd"));
        let error = Blkid.probe(&dir.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}
