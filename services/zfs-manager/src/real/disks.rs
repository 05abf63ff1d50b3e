//! What is on a disk, before a pool is made of it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::Deserialize;
use understudy_bus::error::{Error, Result};
use understudy_service::{Program, ProgramError};

/// One thing found on a disk or on one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    device: String,
    /// As `wipefs` calls it, for example `gpt`, `ext4`, `zfs_member`.
    pub kind: String,
    label: Option<String>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.kind, self.device)?;
        match &self.label {
            Some(label) => write!(f, " (labelled {label:?})"),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// Whether an interrupted `zpool create` leaves this behind: it writes a partition table, then labels.
    pub fn is_from_pool_creation(&self) -> bool {
        matches!(self.kind.as_str(), "gpt" | "PMBR" | "zfs_member")
    }
}

/// A whole disk.
#[derive(Debug)]
pub struct Disk {
    /// The stable path it was asked for under.
    pub path: PathBuf,
    /// The kernel's name for it now, for example `vdb`.
    pub name: String,
    /// Its partitions' names.
    pub partitions: Vec<String>,
}

/// The kernel's name of the whole disk that `device` is or lies on.
pub fn whole_disk(device: &Path) -> Result<String> {
    let node = device.canonicalize().map_err(|error| {
        Error::NotFound(format!(
            "{} is not there ({error}); check that the disk is connected",
            device.display()
        ))
    })?;
    let name = node.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entry = Path::new("/sys/class/block").join(&name);
    let real = entry
        .canonicalize()
        .map_err(|error| Error::InvalidArgument(format!("{} is no disk: {error}", device.display())))?;
    if !real.join("partition").exists() {
        return Ok(name);
    }
    let parent = real.parent().and_then(Path::file_name).unwrap_or_default();
    Ok(parent.to_string_lossy().into_owned())
}

impl Disk {
    /// Finds a whole disk.
    pub fn find(path: &Path) -> Result<Self> {
        let name = whole_disk(path)?;
        let node =
            path.canonicalize().map_err(|error| Error::NotFound(format!("{}: {error}", path.display())))?;
        if node != Path::new("/dev").join(&name) {
            return Err(Error::InvalidArgument(format!(
                "{} is a partition; name the whole disk",
                path.display()
            )));
        }
        let entries = std::fs::read_dir(Path::new("/sys/class/block").join(&name))
            .map_err(|error| Error::Failed(format!("cannot list the partitions of {name}: {error}")))?;
        let partitions = entries
            .flatten()
            .filter(|entry| entry.path().join("partition").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        Ok(Self { path: path.to_owned(), name, partitions })
    }

    /// Everything with a known signature on the disk and its partitions. Nothing is mounted or changed.
    pub async fn findings(&self) -> Result<Vec<Finding>> {
        self.check_unused()?;
        let mut found = Vec::new();
        for name in std::iter::once(&self.name).chain(&self.partitions) {
            let device = format!("/dev/{name}");
            let json =
                Program::new("wipefs").args(["--json", "--no-act", &device]).run().await.map_err(failed)?;
            found.extend(signatures(&json, &device)?);
            // libblkid overlooks a pool that has written few transactions; ZFS's own tool does not.
            let seen = found.iter().any(|finding| finding.device == device && finding.kind == "zfs_member");
            if !seen && let Ok(label) = Program::new("zdb").args(["-l", &device]).run().await {
                let label = pool_name(&label);
                found.push(Finding { device, kind: "zfs_member".to_owned(), label });
            }
        }
        Ok(found)
    }

    /// `Busy` if the disk is mounted, or part of something that is assembled.
    fn check_unused(&self) -> Result<()> {
        let node = format!("/dev/{}", self.name);
        match OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(&node) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Err(Error::Busy(format!(
                "{} ({node}) is in use by this box; name another disk",
                self.path.display()
            ))),
            Err(error) => Err(Error::Failed(format!("cannot open {node}: {error}"))),
        }
    }

    /// Removes every signature. The caller has proved that they are our own.
    pub async fn wipe(&self) -> Result<()> {
        for name in self.partitions.iter().chain(std::iter::once(&self.name)) {
            let device = format!("/dev/{name}");
            // Fails where there is no label, which is as good.
            if let Err(error) = Program::new("zpool").args(["labelclear", "-f", &device]).run().await {
                tracing::debug!("{error}");
            }
            Program::new("wipefs").args(["--all", "--force", &device]).run().await.map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: ProgramError) -> Error {
    Error::Failed(error.to_string())
}

fn signatures(json: &str, device: &str) -> Result<Vec<Finding>> {
    #[derive(Deserialize)]
    struct Output {
        #[serde(default)]
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Signature {
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        label: Option<String>,
    }
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let output: Output = serde_json::from_str(json)
        .map_err(|error| Error::Failed(format!("cannot read what wipefs printed about {device}: {error}")))?;
    let finding = |signature: Signature| Finding {
        device: device.to_owned(),
        kind: signature.kind.unwrap_or_else(|| "something unknown".to_owned()),
        label: signature.label,
    };
    let mut found: Vec<_> = output.signatures.into_iter().map(finding).collect();
    // A zfs_member has a signature for each of its uberblocks.
    found.dedup();
    Ok(found)
}

fn pool_name(label: &str) -> Option<String> {
    let line = label.lines().find_map(|line| line.trim().strip_prefix("name: "))?;
    Some(line.trim_matches('\'').to_owned())
}

/// Says what is on the disks and what to do about it.
pub fn refusal(found: &[(PathBuf, Vec<Finding>)]) -> Error {
    let disks = found.iter().filter(|(_, findings)| !findings.is_empty()).map(|(path, findings)| {
        let things = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("{} holds {things}", path.display())
    });
    Error::Exists(format!(
        "no pool was made and nothing was changed: {}. Name empty disks; or, if what is there may be lost, erase it with \
         `wipefs --all DISK` on another computer first",
        disks.collect::<Vec<_>>().join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIPEFS: &str = r#"{"signatures": [
        {"device":"vdb1", "offset":"0x3f000", "type":"zfs_member", "uuid":"1", "label":"tank"},
        {"device":"vdb1", "offset":"0x3e000", "type":"zfs_member", "uuid":"1", "label":"tank"}]}"#;

    #[test]
    fn what_is_on_a_disk_is_named_once_with_its_label() {
        let found = signatures(WIPEFS, "/dev/vdb1").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "zfs_member on /dev/vdb1 (labelled \"tank\")");
        assert!(found[0].is_from_pool_creation());
    }

    #[test]
    fn an_empty_disk_has_no_findings() {
        assert!(signatures("", "/dev/vdb").unwrap().is_empty());
        assert!(signatures(r#"{"signatures":[]}"#, "/dev/vdb").unwrap().is_empty());
    }

    #[test]
    fn the_refusal_names_only_the_disks_that_hold_something() {
        let found = signatures(WIPEFS, "/dev/vdb1").unwrap();
        let text =
            refusal(&[("/dev/disk/by-id/a".into(), vec![]), ("/dev/disk/by-id/b".into(), found)]).message();
        assert!(text.contains("by-id/b holds zfs_member") && !text.contains("by-id/a"), "{text}");
    }

    #[test]
    fn the_pool_of_a_label_is_found() {
        assert_eq!(
            pool_name("----\nLABEL 0\n----\n    version: 5000\n    name: 'tank'\n"),
            Some("tank".into())
        );
    }
}
