//! A disk as the kernel shows it now.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use understudy_wire::Bytes;

/// What must not have changed for marks to mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Size.
    pub size: Bytes,
    /// The kernel's number for this appearance of a disk (`diskseq`): another one after the disk was away, even if
    /// all else is the same, because somebody may have written to it elsewhere.
    pub sequence: u64,
}

impl Hardware {
    /// Reads `/sys/block/NAME` and refuses disks whose writes cannot be seen.
    pub fn read(name: &str) -> anyhow::Result<Self> {
        let folder = Path::new("/sys/block").join(name);
        if !folder.is_dir() {
            bail!("the disk {name} is not there; the next backup goes by the inventory of then");
        }
        if !folder.join("mq").is_dir() {
            bail!(
                "{name} is not a physical disk to the kernel (it takes no requests of its own), so its writes cannot \
                 be tracked; back up the disks it lies on instead"
            );
        }
        let text = read(&folder.join("dev"))?;
        let (major, minor) = text.split_once(':').with_context(|| format!("{text:?} is no device number"))?;
        Ok(Self {
            major: number(major, &folder)?,
            minor: number(minor, &folder)?,
            sector_size: number(&read(&folder.join("queue/logical_block_size"))?, &folder)?,
            // The kernel counts in 512 bytes here, whatever the sector size.
            size: Bytes(number::<u64>(&read(&folder.join("size"))?, &folder)? * 512),
            sequence: number(&read(&folder.join("diskseq"))?, &folder)?,
        })
    }

    /// The whole-disk device node.
    pub fn node(name: &str) -> PathBuf {
        Path::new("/dev").join(name)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?.trim().to_owned())
}

fn number<T: FromStr>(text: &str, folder: &Path) -> anyhow::Result<T> {
    text.parse().ok().with_context(|| format!("{text:?} in {} is no number", folder.display()))
}
