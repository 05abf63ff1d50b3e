//! Names in the kernel's target that carry job and disk, so that what is published is known from the kernel alone.

use std::fmt;
use std::str::FromStr;

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, JobId};

const IQN_PREFIX: &str = "iqn.2026-11.org.understudy:";
const BACKSTORE_PREFIX: &str = "understudy-";
/// Volumes of protected machines; no other device may be published.
const VOLUMES: &str = "/dev/zvol/understudy/understudy/machines/";

/// One publication's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The job.
    pub job: JobId,
    /// The disk.
    pub disk: DiskId,
}

impl Name {
    /// The target's iSCSI name.
    pub fn iqn(self) -> String {
        format!("{IQN_PREFIX}{self}")
    }

    /// The backstore's name.
    pub fn backstore(self) -> String {
        format!("{BACKSTORE_PREFIX}{self}")
    }

    /// Parses a target's name; nothing for a target that is not ours.
    pub fn from_iqn(iqn: &str) -> Option<Self> {
        iqn.strip_prefix(IQN_PREFIX)?.parse().ok()
    }

    /// Parses a backstore's name; nothing for one that is not ours.
    pub fn from_backstore(name: &str) -> Option<Self> {
        name.strip_prefix(BACKSTORE_PREFIX)?.parse().ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.job, self.disk)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (job, disk) = text.split_once('-').ok_or(())?;
        Ok(Self { job: job.parse().map_err(drop)?, disk: disk.parse().map_err(drop)? })
    }
}

/// An initiator's iSCSI name, safe as the name of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator(String);

impl FromStr for Initiator {
    type Err = Error;

    /// RFC 7143, 4.2.7: `iqn.`, `eui.` or `naa.`, at most 223 bytes of a small alphabet.
    fn from_str(text: &str) -> Result<Self> {
        let formed = ["iqn.", "eui.", "naa."].iter().any(|kind| text.starts_with(kind));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':');
        if formed && text.len() <= 223 && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::InvalidArgument(format!("{text:?} is no iSCSI name of an initiator (RFC 7143, 4.2.7)")))
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of a protected machine's volume. That it leads to a zvol is seen when it is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device(String);

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let ids = text.strip_prefix(VOLUMES).and_then(|rest| rest.split_once('/'));
        let ours = ids.is_some_and(|(machine, disk)| {
            machine.parse::<understudy_bus::wire::MachineId>().is_ok() && disk.parse::<DiskId>().is_ok()
        });
        if ours {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::InvalidArgument(format!(
            "{text:?} is not the volume of a machine's disk ({VOLUMES}MACHINE/DISK)"
        )))
    }
}

impl Device {
    /// The path as zfs-manager named it.
    pub fn path(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_kernel_lead_back_to_job_and_disk() {
        let name = Name { job: JobId::new(), disk: DiskId::new() };
        assert_eq!(Name::from_iqn(&name.iqn()), Some(name));
        assert_eq!(Name::from_backstore(&name.backstore()), Some(name));
        assert!(name.iqn().len() <= 223, "{}", name.iqn());
    }

    #[test]
    fn targets_of_others_are_not_ours() {
        assert_eq!(Name::from_iqn("iqn.2003-01.org.linux-iscsi:x"), None);
        assert_eq!(Name::from_iqn("iqn.2026-11.org.understudy:x-y"), None);
        assert_eq!(Name::from_backstore("disk0"), None);
    }

    #[test]
    fn an_initiator_cannot_name_another_folder() {
        assert!("iqn.2026-11.org.understudy:machine-1".parse::<Initiator>().is_ok());
        for text in ["", "iqn./../../x", "iqn.a\nb", "disk", "IQN.x", &format!("iqn.{}", "x".repeat(220))] {
            assert!(matches!(text.parse::<Initiator>(), Err(Error::InvalidArgument(_))), "{text}");
        }
    }

    #[test]
    fn only_volumes_of_machines_can_be_published() {
        let ok = format!("{VOLUMES}{}/{}", "0".repeat(32), "1".repeat(32));
        assert_eq!(ok.parse::<Device>().unwrap().path(), ok);
        let snapshot = format!("{ok}@rp-{}", "2".repeat(32));
        let escaped = format!("{VOLUMES}../../../../vda");
        for text in ["/dev/vda", "/dev/zd0", &snapshot, &escaped, VOLUMES] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
