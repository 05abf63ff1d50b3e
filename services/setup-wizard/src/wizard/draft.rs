//! What the steps together say the box shall be.

use understudy_answers::{
    Answers, DiskName, HostName, Import, Keyboard, Layout, Network, NewPool, PasswordHash, Pool, TimeServer,
    TimeZone,
};

use crate::appliance::{Disk, ImportablePool, Secret};

/// Where backups will lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Storage {
    #[default]
    New,
    Import,
}

/// Checked values; each is set when its step is left forwards.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub keyboard: Keyboard,
    pub host_name: Option<HostName>,
    pub network: Option<Network>,
    /// Whether the network is to be tried.
    pub tries: bool,
    /// What the summary says of the trial.
    pub trial_said: String,
    pub time_zone: TimeZone,
    pub time_servers: Vec<TimeServer>,
    pub password: Option<PasswordHash>,
    pub storage: Storage,
    /// The new pool's disks and what they are called in answers.
    pub disks: Vec<(DiskName, Disk)>,
    pub erase: Vec<DiskName>,
    pub layout: Option<Layout>,
    pub encryption: bool,
    /// Of the new pool, if it is encrypted.
    pub recovery_key: Option<Secret>,
    pub import: Option<ImportablePool>,
    /// Of the pool that is imported, if one was typed.
    pub import_key: Option<Secret>,
}

impl Draft {
    /// The answers, once every step has been taken.
    pub fn answers(&self) -> Option<Answers> {
        Some(Answers {
            host_name: self.host_name.clone()?,
            keyboard: self.keyboard.clone(),
            time_zone: self.time_zone.clone(),
            time_servers: self.time_servers.clone(),
            password_hash: Some(self.password.clone()?),
            network: self.network.clone()?,
            pool: match self.storage {
                Storage::Import => Pool::Import(Import::Guid(self.import.as_ref()?.guid)),
                Storage::New => Pool::New(NewPool {
                    layout: self.layout?,
                    disks: self.disks.iter().map(|(name, _)| name.clone()).collect(),
                    erase: self.erase.clone(),
                    encryption: self.encryption,
                }),
            },
        })
    }
}

/// What a disk is called in answers: its serial number; its name where it has none, or where another of `all` has the same (adapters
/// give theirs to every disk behind them).
pub(crate) fn disk_name(disk: &Disk, all: &[Disk]) -> Option<DiskName> {
    let shared = all.iter().filter(|other| other.serial.trim() == disk.serial.trim()).count() > 1;
    let serial = if shared { None } else { disk.serial.trim().parse().ok() };
    serial.or_else(|| disk.name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_named_by_its_serial_number_unless_it_has_none_of_its_own() {
        let disk =
            |name: &str, serial: &str| Disk { name: name.into(), serial: serial.into(), ..Disk::default() };
        let all = [disk("ata-A", "A1"), disk("usb-B", "SAME"), disk("usb-C", "SAME"), disk("virtio-D", " ")];
        let names: Vec<_> = all.iter().map(|disk| disk_name(disk, &all).unwrap().to_string()).collect();
        assert_eq!(names, ["A1", "usb-B", "usb-C", "virtio-D"]);
    }
}
