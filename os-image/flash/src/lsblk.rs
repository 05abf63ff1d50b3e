//! What lsblk(8) tells of disks: what they are, and what is built on them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::disk::{Disk, Edges, Hold, Part};
use crate::tool::{Tool, ToolError};

const LSBLK: Tool = Tool { program: "lsblk", package: "util-linux", purpose: "see what disks are there" };
/// With NAME lsblk nests what is built on a device into it; without, it lists all devices flat.
const COLUMNS: &str = "NAME,PATH,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,LOG-SEC,RO,MODEL,SERIAL,WWN,TRAN,PARTLABEL,\
    FSTYPE,LABEL,MOUNTPOINTS";

/// A device as lsblk prints it, with what is built on it.
#[derive(Debug, Deserialize)]
pub(crate) struct Device {
    path: PathBuf,
    pub kname: String,
    pkname: Option<String>,
    #[serde(rename = "maj:min")]
    number: String,
    #[serde(rename = "type")]
    pub kind: String,
    size: Option<u64>,
    #[serde(rename = "log-sec")]
    sector: u64,
    ro: bool,
    model: Option<String>,
    serial: Option<String>,
    wwn: Option<String>,
    tran: Option<String>,
    partlabel: Option<String>,
    fstype: Option<String>,
    label: Option<String>,
    mountpoints: Vec<Option<String>>,
    #[serde(default)]
    children: Vec<Device>,
}

/// These devices, or all there are.
pub(crate) fn lsblk(devices: &[&OsStr]) -> Result<Vec<Device>, ToolError> {
    #[derive(Deserialize)]
    struct Answer {
        blockdevices: Vec<Device>,
    }
    let options = ["--json", "--bytes", "--output", COLUMNS].map(OsStr::new);
    Ok(LSBLK.json::<Answer>(options.iter().chain(devices))?.blockdevices)
}

/// A signature for people: `ext4 "data"`.
pub(crate) fn describe(kind: &str, label: Option<&str>) -> String {
    label.map_or_else(|| kind.to_owned(), |label| format!("{kind} \"{label}\""))
}

impl Device {
    /// What lsblk alone tells.
    pub fn disk(&self) -> Disk {
        let clean = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let is_part = |device: &&Device| device.kind == "part";
        let mut disk = Disk {
            path: self.path.clone(),
            number: self.number.trim().to_owned(),
            sequence: None,
            kind: self.kind.clone(),
            part_of: self.pkname.as_ref().filter(|_| is_part(&self)).map(|name| Path::new("/dev").join(name)),
            model: clean(&self.model),
            serial: clean(&self.serial),
            wwn: clean(&self.wwn),
            transport: clean(&self.tran),
            size: self.size.unwrap_or(0),
            sector: self.sector,
            read_only: self.ro,
            system: Vec::new(),
            signatures: self.known(),
            parts: self.children.iter().filter(is_part).map(Device::part).collect(),
            mounts: Vec::new(),
            holders: Vec::new(),
            hold: Hold::Denied,
            edges: Edges::Unread,
        };
        self.collect_uses(&mut disk);
        disk
    }

    fn part(&self) -> Part {
        let (path, size, name) = (self.path.clone(), self.size.unwrap_or(0), self.partlabel.clone());
        Part { path, size, name, signatures: self.known() }
    }

    /// What udev remembers, for users who may not look themselves.
    fn known(&self) -> Vec<String> {
        self.fstype.iter().map(|kind| describe(kind, self.label.as_deref())).collect()
    }

    /// Mounts and holders of it and of all that is built on it.
    fn collect_uses(&self, disk: &mut Disk) {
        let places = self.mountpoints.iter().flatten();
        disk.mounts.extend(places.map(|place| format!("{} at {place}", self.path.display())));
        for child in &self.children {
            if child.kind != "part" {
                disk.holders.push(format!("{} ({})", child.path.display(), child.kind));
            }
            child.collect_uses(disk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_and_holders_are_found_at_any_depth() {
        let device: Device = serde_json::from_str(
            r#"{
            "path": "/dev/sda", "kname": "sda", "pkname": null, "maj:min": "  8:0", "type": "disk", "size": 4096,
            "log-sec": 512, "ro": false, "model": "Fast 1 ", "serial": " ", "wwn": "0x5", "tran": "sata", "mountpoints": [null],
            "children": [{
                "path": "/dev/sda1", "kname": "sda1", "pkname": "sda", "maj:min": "8:1", "type": "part", "size": 512,
                "log-sec": 512, "ro": false, "partlabel": "data", "fstype": "crypto_LUKS", "mountpoints": [null],
                "children": [{
                    "path": "/dev/mapper/secret", "kname": "dm-0", "pkname": "sda1", "maj:min": "253:0", "type": "crypt",
                    "size": 512, "log-sec": 512, "ro": false, "fstype": "ext4", "mountpoints": ["/mnt", "[SWAP]"]
                }]
            }]}"#,
        )
        .unwrap();
        let disk = device.disk();
        assert_eq!(disk.mounts, ["/dev/mapper/secret at /mnt", "/dev/mapper/secret at [SWAP]"]);
        assert_eq!(disk.holders, ["/dev/mapper/secret (crypt)"]);
        assert_eq!(
            (disk.number.as_str(), disk.model.as_deref(), disk.serial.as_deref()),
            ("8:0", Some("Fast 1"), None)
        );
        assert_eq!(disk.confirmation(), "0x5");
        assert_eq!(disk.parts[0].signatures, ["crypto_LUKS"]);
        assert_eq!(device.children[0].disk().part_of.unwrap(), Path::new("/dev/sda"));
    }
}
