//! What is on a disk, before a pool is made of it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::Deserialize;
use understudy_bus::error::{Error, Result};
use understudy_service::{Program, ProgramError};

use super::contents::{self, Sign};
use super::label;
use crate::layout;

/// What libblkid calls a part of a pool.
const ZFS: &str = "zfs_member";

/// One thing found on a disk or on one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    device: String,
    sign: Sign,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} on {})", self.sign.words(), self.sign.kind, self.device)
    }
}

impl Finding {
    /// Whether an interrupted creation of our pool, by the host with this id, leaves this behind: it writes a partition table,
    /// then labels. Somebody else's pool, put on the disk in the meantime, is not ours to clear.
    pub async fn is_from_pool_creation(&self, host_id: Option<u64>) -> bool {
        if !self.has_kind_of_pool_creation() {
            return false;
        }
        if self.sign.kind != ZFS {
            return true;
        }
        // A label that cannot be read was only half written.
        match Program::new("zdb").args(["-l", &self.device]).run().await.map(|text| label::parse(&text)) {
            Ok(Some(label)) => host_id.is_some() && label.host_id == host_id,
            _ => true,
        }
    }

    fn has_kind_of_pool_creation(&self) -> bool {
        match self.sign.kind.as_str() {
            "gpt" | "PMBR" => true,
            ZFS => self.sign.label.as_deref().is_none_or(|label| label == layout::POOL),
            _ => false,
        }
    }
}

/// All that was found on a disk, in words; empty for nothing.
pub fn words(found: &[Finding], disk: &Disk) -> String {
    let on = |name: &String| {
        let device = format!("/dev/{name}");
        found.iter().filter(|finding| finding.device == device).map(|finding| finding.sign.clone()).collect()
    };
    let inside: Vec<Vec<Sign>> = disk.partitions.iter().map(on).collect();
    contents::words(&on(&disk.name), None, &inside)
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
    /// Where `/dev` and `/sys` are.
    root: PathBuf,
}

/// The names of a disk's partitions.
pub fn partitions(root: &Path, kernel: &str) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(root.join("sys/class/block").join(kernel))?.flatten();
    let parts = entries.filter(|entry| entry.path().join("partition").exists());
    Ok(parts.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// A path as callers name it, beneath `root`.
fn beneath(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The kernel's name of the whole disk that `device` is or lies on.
pub fn whole_disk(root: &Path, device: &Path) -> Result<String> {
    let node = beneath(root, device).canonicalize().map_err(|error| {
        Error::NotFound(format!(
            "{} is not there ({error}); check that the disk is connected",
            device.display()
        ))
    })?;
    let name = node.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entry = root.join("sys/class/block").join(&name);
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
    pub fn find(root: &Path, path: &Path) -> Result<Self> {
        let name = whole_disk(root, path)?;
        let node = beneath(root, path)
            .canonicalize()
            .map_err(|error| Error::NotFound(format!("{}: {error}", path.display())))?;
        if node.file_name() != Some(name.as_ref()) {
            return Err(Error::InvalidArgument(format!(
                "{} is a partition; name the whole disk",
                path.display()
            )));
        }
        let partitions = partitions(root, &name)
            .map_err(|error| Error::Failed(format!("cannot list the partitions of {name}: {error}")))?;
        Ok(Self { path: path.to_owned(), name, partitions, root: root.to_owned() })
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
            let seen = found.iter().any(|finding| finding.device == device && finding.sign.kind == ZFS);
            if !seen && let Ok(text) = Program::new("zdb").args(["-l", &device]).run().await {
                let label = label::parse(&text).map(|label| label.name);
                found.push(Finding { device, sign: Sign { kind: ZFS.to_owned(), label } });
            }
        }
        Ok(found)
    }

    /// `Busy` if the disk is mounted, or part of something that is assembled.
    fn check_unused(&self) -> Result<()> {
        let node = format!("/dev/{}", self.name);
        let path = beneath(&self.root, Path::new(&node));
        match OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Err(Error::Busy(format!(
                "{} ({node}) is in use by this box; name another disk",
                self.path.display()
            ))),
            Err(error) => Err(Error::Failed(format!("cannot open {node}: {error}"))),
        }
    }

    /// Removes every signature: of partitions first, which nobody finds any more once the table is gone. The caller has proved
    /// that they are our own, or has the owner's word. Cut short it leaves less than there was, and may be called again.
    pub async fn wipe(&self) -> Result<()> {
        for name in self.partitions.iter().chain(std::iter::once(&self.name)) {
            let device = format!("/dev/{name}");
            // Fails where there is no label, which is as good.
            if let Err(error) = Program::new("zpool").args(["labelclear", "-f", &device]).run().await {
                tracing::debug!("{error}");
            }
            Program::new("wipefs").args(["--all", "--force", &device]).run().await.map_err(failed)?;
        }
        // The nodes of its former partitions go; `zpool create` waits for new ones of the same names.
        if let Err(error) = Program::new("udevadm").args(["settle", "--timeout=60"]).run().await {
            tracing::warn!("{error}");
        }
        let left = Self::find(&self.root, &self.path)?.findings().await?;
        if left.is_empty() {
            return Ok(());
        }
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        Err(Error::Failed(format!(
            "{} was erased, but still holds {}; it may be defective, use another disk",
            self.path.display(),
            left.join(", ")
        )))
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
        sign: Sign {
            kind: signature.kind.unwrap_or_else(|| "something unknown".to_owned()),
            label: signature.label.filter(|label| !label.is_empty()),
        },
    };
    let mut found: Vec<_> = output.signatures.into_iter().map(finding).collect();
    // A zfs_member has a signature for each of its uberblocks.
    found.dedup();
    Ok(found)
}

/// Says what is on the disks and what to do about it.
pub fn refusal(found: &[(PathBuf, Vec<Finding>)]) -> Error {
    let disks = found.iter().filter(|(_, findings)| !findings.is_empty()).map(|(path, findings)| {
        let things = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("{} holds {things}", path.display())
    });
    Error::Exists(format!(
        "no pool was made and nothing was changed: {}. Use empty disks; or, if what is there may be lost, agree to that by \
         naming the disks to be erased by their serial numbers",
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
        assert_eq!(found[0].to_string(), "ZFS pool \"tank\" (zfs_member on /dev/vdb1)");
        assert!(!found[0].has_kind_of_pool_creation(), "somebody put another pool there since");
        let ours = signatures(&WIPEFS.replace("tank", layout::POOL), "/dev/vdb1").unwrap();
        assert!(ours[0].has_kind_of_pool_creation());
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
        assert!(
            text.contains("by-id/b holds ZFS pool \"tank\" (zfs_member") && !text.contains("by-id/a"),
            "{text}"
        );
    }
}
