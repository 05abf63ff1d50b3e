//! What is on a disk, in the words of its owner.

use understudy_udev::{Record, printable};

/// Something found on a disk or partition, by libblkid's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// For example `ext4`, `zfs_member`, `gpt`.
    pub kind: String,
    /// What its owner called it.
    pub label: Option<String>,
}

impl Sign {
    /// What udev found on this disk or partition, the partition table apart.
    pub fn of(record: &Record) -> Option<Self> {
        let kind = record.get("ID_FS_TYPE")?.to_owned();
        Some(Self { kind, label: record.get("ID_FS_LABEL").map(str::to_owned) })
    }

    fn is_table(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "gpt" | "dos" | "PMBR" | "mac" | "bsd" | "sun" | "sgi" | "atari" | "ultrix" | "aix"
        )
    }

    /// The thing with its label.
    pub fn words(&self) -> String {
        let kind = printable(&self.kind);
        let what = match self.kind.as_str() {
            "ntfs" => "a Windows NTFS file system".to_owned(),
            "ReFS" => "a Windows ReFS file system".to_owned(),
            "BitLocker" => "an encrypted Windows volume (BitLocker)".to_owned(),
            "vfat" => "a FAT file system".to_owned(),
            "exfat" => "an exFAT file system".to_owned(),
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "jfs" | "reiserfs" | "bcachefs"
            | "erofs" | "squashfs" => {
                format!("a Linux {kind} file system")
            }
            "apfs" | "hfs" | "hfsplus" => format!("an Apple {kind} file system"),
            "ufs" => "a BSD file system".to_owned(),
            "swap" => "Linux swap space".to_owned(),
            "zfs_member" => "ZFS pool".to_owned(),
            "linux_raid_member" => "Linux RAID member".to_owned(),
            "LVM2_member" | "LVM1_member" => "a Linux LVM volume".to_owned(),
            "crypto_LUKS" => "an encrypted Linux volume (LUKS)".to_owned(),
            "VMFS" | "VMFS_volume_member" => "a VMware file system".to_owned(),
            "ceph_bluestore" => "a Ceph disk".to_owned(),
            "iso9660" | "udf" => "a CD, DVD or installation image".to_owned(),
            "DM_verity_hash" => "checksums of another disk (dm-verity)".to_owned(),
            raid if raid.ends_with("_raid_member") => {
                format!("a member of a hardware RAID ({})", printable(raid.trim_end_matches("_raid_member")))
            }
            _ => format!("something of the kind {kind}"),
        };
        match &self.label {
            Some(label) => format!("{what} \"{}\"", printable(label)),
            None => what,
        }
    }
}

/// Words for a whole disk: what is on it itself, its partition table (`gpt`, `dos`, …), and what is on each of its partitions.
/// Empty for a blank one.
pub fn words(whole: &[Sign], table: Option<&str>, partitions: &[Vec<Sign>]) -> String {
    let mut inside: Vec<&Sign> = Vec::new();
    for sign in partitions.iter().flatten() {
        if !inside.contains(&sign) {
            inside.push(sign);
        }
    }
    let mut said: Vec<String> = Vec::new();
    for sign in whole.iter().filter(|sign| !sign.is_table()) {
        let words = sign.words();
        if !said.contains(&words) {
            said.push(words);
        }
    }
    let table = table.or_else(|| {
        let tables = || whole.iter().filter(|sign| sign.is_table());
        // A GPT has a table of the old kind in front of it.
        tables().find(|sign| sign.kind == "gpt").or_else(|| tables().next()).map(|sign| sign.kind.as_str())
    });
    // A disk given to ZFS as a whole: it made the partitions itself, the second of them empty.
    let zfs = inside.len() == 1 && inside[0].kind == "zfs_member" && partitions.len() <= 2;
    match (table, partitions.len()) {
        _ if zfs => said.push(inside[0].words()),
        (None, 0) => {}
        (table, count) => {
            let plural = if count == 1 { "" } else { "s" };
            let table = printable(table.unwrap_or("unknown"));
            let mut text = format!("partition table ({table}) with {count} partition{plural}");
            if !inside.is_empty() {
                let inside: Vec<_> = inside.iter().map(|sign| sign.words()).collect();
                text = format!("{text}: {}", inside.join(", "));
            }
            said.push(text);
        }
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sign(kind: &str, label: &str) -> Sign {
        Sign { kind: kind.into(), label: (!label.is_empty()).then(|| label.into()) }
    }

    #[test]
    fn an_owner_recognizes_his_disk() {
        assert_eq!(words(&[], None, &[]), "");
        assert_eq!(words(&[sign("ntfs", "DATA")], None, &[]), "a Windows NTFS file system \"DATA\"");
        assert_eq!(words(&[sign("linux_raid_member", "")], None, &[]), "Linux RAID member");
        assert_eq!(
            words(&[sign("PMBR", ""), sign("gpt", "")], None, &[vec![], vec![], vec![]]),
            "partition table (gpt) with 3 partitions"
        );
        assert_eq!(
            words(&[], Some("dos"), &[vec![sign("ext4", "root")], vec![sign("swap", "")]]),
            "partition table (dos) with 2 partitions: a Linux ext4 file system \"root\", Linux swap space"
        );
        assert_eq!(words(&[], Some("gpt"), &[vec![sign("zfs_member", "tank")], vec![]]), "ZFS pool \"tank\"");
        assert_eq!(
            words(&[], Some("gpt"), &[vec![sign("vfat", "")], vec![], vec![sign("zfs_member", "tank")]]),
            "partition table (gpt) with 3 partitions: a FAT file system, ZFS pool \"tank\""
        );
    }

    #[test]
    fn an_unknown_kind_is_still_something() {
        assert_eq!(words(&[sign("minifs", "")], None, &[]), "something of the kind minifs");
        assert_eq!(words(&[], None, &[vec![]]), "partition table (unknown) with 1 partition");
    }

    proptest! {
        #[test]
        fn only_a_blank_disk_has_no_words_and_none_moves_the_cursor(
            kind in "(?s).{1,10}", label in "(?s).{0,10}", whole: bool, partitions in 0..3_usize
        ) {
            let found = sign(&kind, &label);
            let parts: Vec<_> = (0..partitions).map(|_| vec![found.clone()]).collect();
            let text = words(&if whole { vec![found] } else { vec![] }, None, &parts);
            prop_assert_eq!(text.is_empty(), !whole && partitions == 0);
            prop_assert!(!text.contains(char::is_control));
        }
    }
}
