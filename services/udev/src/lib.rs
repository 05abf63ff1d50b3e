//! What udev has written down of a block device in its database, one file a device: `/run/udev/data/bMAJOR:MINOR`. Lines
//! `E:KEY=VALUE` are properties, `S:LINK` symbolic links beneath `/dev` (systemd's src/libsystemd/sd-device/device-private.c,
//! `device_update_db`). Whatever a disk says of itself has passed udev's own prober, which runs apart and with few rights.

use std::collections::BTreeMap;
use std::path::Path;

/// One device's entry; empty where udev has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    properties: BTreeMap<String, String>,
    /// Symbolic links, relative to `/dev`.
    links: Vec<String>,
}

impl Record {
    /// Reads the entry of the device with this number (`MAJOR:MINOR`).
    pub fn read(root: &Path, number: &str) -> Self {
        let path = root.join("run/udev/data").join(format!("b{number}"));
        std::fs::read(path).map(|bytes| Self::parse(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
    }

    /// Parses an entry; lines of other kinds are passed over.
    pub fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            if let Some(link) = line.strip_prefix("S:") {
                record.links.push(link.to_owned());
            } else if let Some((key, value)) =
                line.strip_prefix("E:").and_then(|property| property.split_once('='))
            {
                record.properties.insert(key.to_owned(), value.trim().to_owned());
            }
        }
        record
    }

    /// A property that is set and not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The number printed on the disk. `ID_SCSI_SERIAL` is that of a SCSI disk, whose `ID_SERIAL_SHORT` is its WWN; `ID_SERIAL`
    /// of a virtio disk is the number alone.
    pub fn serial(&self) -> &str {
        ["ID_SCSI_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"]
            .iter()
            .find_map(|key| self.get(key))
            .unwrap_or_default()
    }

    /// Maker and model. What libata and virtio call themselves says nothing of the disk.
    pub fn model(&self) -> String {
        let text = |key: &str| {
            let encoded = self.get(&format!("{key}_ENC")).map(|text| decode(text).trim().to_owned());
            encoded.or_else(|| Some(self.get(key)?.replace('_', " "))).unwrap_or_default()
        };
        let (vendor, model) = (text("ID_VENDOR"), text("ID_MODEL"));
        let silent = vendor.is_empty() || vendor == "ATA" || vendor.starts_with("0x");
        if silent || model.starts_with(&vendor) { model } else { format!("{vendor} {model}") }
    }

    /// The link that names the disk best, beneath `/dev`: one that says maker, model and serial number before one that is but a
    /// number, and the shortest of these.
    pub fn best_link(&self) -> Option<&str> {
        let rank = |link: &str| {
            let name = link.strip_prefix("disk/by-id/");
            match name {
                Some(name) if is_number(name) => 1,
                Some(_) => 0,
                None if link.starts_with("disk/by-path/") => 2,
                None => 3,
            }
        };
        let ranked = self.links.iter().map(|link| (rank(link), link.len(), link.as_str()));
        ranked.filter(|(rank, ..)| *rank < 3).min().map(|(.., link)| link)
    }
}

/// Text from a disk as it can be shown on any console: one line, nothing that moves the cursor, and not endless.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let shown = |character: char| if character.is_control() { '?' } else { character };
    text.chars().take(LONGEST).map(shown).collect()
}

/// Names made of a world-wide number, which stands on few disks and tells nobody anything.
fn is_number(name: &str) -> bool {
    ["wwn-", "nvme-eui.", "nvme-nvme.", "nvme-uuid.", "scsi-3", "scsi-2", "scsi-8"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Undoes udev's `\xNN`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.strip_prefix(b"x").and_then(|tail| tail.get(..2));
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sata_disk_is_called_by_what_is_printed_on_it() {
        let record = Record::parse(
            "S:disk/by-path/pci-0000:00:17.0-ata-1\nS:disk/by-id/wwn-0x50014ee2\n\
             S:disk/by-id/ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0\nI:123\nE:ID_MODEL=WDC_WD40EFRX-68N32N0\n\
             E:ID_MODEL_ENC=WDC\\x20WD40EFRX-68N32N0\\x20\\x20\nE:ID_SERIAL=WDC_WD40EFRX-68N32N0_WD-WCC7K0\n\
             E:ID_SERIAL_SHORT=WD-WCC7K0\nE:ID_VENDOR=ATA\nG:systemd\n",
        );
        assert_eq!(record.best_link(), Some("disk/by-id/ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0"));
        assert_eq!((record.serial(), record.model().as_str()), ("WD-WCC7K0", "WDC WD40EFRX-68N32N0"));
    }

    #[test]
    fn other_kinds_of_disks_have_their_number_elsewhere() {
        let virtio = Record::parse("S:disk/by-id/virtio-data-a\nE:ID_SERIAL=data-a\n");
        assert_eq!((virtio.serial(), virtio.model().as_str()), ("data-a", ""));
        let sas = Record::parse(
            "E:ID_SCSI_SERIAL=Z1Z2\nE:ID_SERIAL_SHORT=35000c500\nE:ID_VENDOR=SEAGATE\nE:ID_MODEL=ST4000\n",
        );
        assert_eq!((sas.serial(), sas.model().as_str()), ("Z1Z2", "SEAGATE ST4000"));
        let nvme =
            Record::parse("S:disk/by-id/nvme-eui.0025\nS:disk/by-id/nvme-X_S5_1\nS:disk/by-id/nvme-X_S5\n");
        assert_eq!(nvme.best_link(), Some("disk/by-id/nvme-X_S5"));
        let nameless = Record::parse("S:disk/by-diskseq/4\nS:disk/by-path/pci-0000:00:04.0\n");
        assert_eq!((nameless.best_link(), nameless.serial()), (Some("disk/by-path/pci-0000:00:04.0"), ""));
        assert_eq!(Record::parse("S:disk/by-diskseq/4\n").best_link(), None);
    }

    proptest! {
        #[test]
        fn no_entry_makes_it_panic(text in "(?s).*", model in "(\\\\x?[0-9a-f]?|é|.){0,20}") {
            let record = Record::parse(&format!("{text}\nE:ID_MODEL_ENC={model}\nS:{text}"));
            let _ = (record.serial(), record.model(), record.best_link());
        }
    }
}
