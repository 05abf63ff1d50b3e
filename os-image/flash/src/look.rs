//! Looks at disks and changes nothing: lsblk(8) for what they are, wipefs(8) for what is on them, the kernel for who has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use serde::Deserialize;

use crate::disk::{Disk, Edges, Hold};
use crate::error::{IoContext, Result};
use crate::lsblk::{Device, describe, lsblk};
use crate::place::Place;
use crate::plan::EDGE;
use crate::system::{self, Uses};
use crate::tool::Tool;

const WIPEFS: Tool = Tool { program: "wipefs", package: "util-linux", purpose: "see what is on the disk" };

/// What lies under a path somebody wants an image written to.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A block device.
    Disk(Box<Disk>),
    /// A file, or where one can be made.
    Place(Place),
}

/// Looks at a target.
pub fn find(path: &Path) -> Result<Found> {
    if path.metadata().is_ok_and(|target| target.file_type().is_block_device()) {
        let node = path.canonicalize().at("find", path)?;
        let answer = lsblk(&[node.as_os_str()])?;
        let [device] = &answer[..] else {
            return Err(io::Error::other("lsblk does not list it")).at("look at", &node);
        };
        return Ok(Found::Disk(Box::new(examine(device, &system::uses()?)?)));
    }
    Ok(Found::Place(Place::find(path)?))
}

/// All disks, each as it is or with what kept it from being looked at.
pub fn list() -> Result<Vec<Result<Disk>>> {
    let uses = system::uses()?;
    let disks = lsblk(&[])?.into_iter().filter(|device| {
        let in_memory = ["ram", "zram"].iter().any(|kind| device.kname.starts_with(kind));
        !in_memory && matches!(device.kind.as_str(), "disk" | "loop")
    });
    Ok(disks.map(|device| examine(&device, &uses)).collect())
}

/// What wipefs finds, by device.
fn signatures(devices: &[&Path]) -> Result<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Answer {
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Signature {
        device: String,
        #[serde(rename = "type")]
        kind: String,
        label: Option<String>,
    }
    let arguments = ["--json", "--no-act"].map(Path::new);
    let answer: Answer = WIPEFS.json(arguments.iter().chain(devices))?;
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for signature in answer.signatures {
        let on = found.entry(signature.device).or_default();
        let text = describe(&signature.kind, signature.label.as_deref());
        if !on.contains(&text) {
            on.push(text); // one file system may leave several
        }
    }
    Ok(found)
}

/// Adds to what lsblk tells what the disk itself and the kernel do.
fn examine(device: &Device, uses: &Uses) -> Result<Disk> {
    let mut disk = device.disk();
    disk.system = uses.get(&device.kname).into_iter().flatten().cloned().collect();
    disk.sequence = sequence(&disk.number);
    let all: Vec<_> = std::iter::once(&*disk.path).chain(disk.parts.iter().map(|part| &*part.path)).collect();
    disk.holders.extend(loops_on(&all));
    let Some(hold) = hold(&disk.path)? else {
        return Ok(Disk { size: 0, ..disk });
    };
    disk.hold = hold;
    if hold != Hold::Denied && disk.size > 0 {
        let mut found = signatures(&all)?;
        for part in &mut disk.parts {
            let node = part.path.file_name().unwrap_or_default().to_string_lossy();
            part.signatures = found.remove(&*node).unwrap_or_default();
        }
        // All that is left, under whatever name: nothing found may be lost.
        disk.signatures = found.into_values().flatten().collect();
        disk.edges = edges(&disk.path, disk.size)?;
    }
    Ok(disk)
}

/// The disk's number in the order of attachment (sysfs-block(ABI), `diskseq`), by its device number.
pub(crate) fn sequence(number: &str) -> Option<u64> {
    let file = format!("/sys/dev/block/{number}/diskseq");
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Loop devices over any of these, which the kernel does not count as holders.
pub(crate) fn loops_on(paths: &[&Path]) -> Vec<String> {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let over = devices.filter(|device| {
        let file = std::fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        paths.contains(&Path::new(file.trim_end()))
    });
    over.map(|device| format!("/dev/{} (loop)", device.file_name().display())).collect()
}

/// Asks for the device alone, and gives it back at once. `None`: there is no medium in it.
fn hold(path: &Path) -> Result<Option<Hold>> {
    let flags = (OFlag::O_EXCL | OFlag::O_CLOEXEC).bits();
    let Err(error) = File::options().read(true).custom_flags(flags).open(path) else {
        return Ok(Some(Hold::Free));
    };
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EBUSY) => Ok(Some(Hold::Taken)),
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => Ok(Some(Hold::Denied)),
        Some(nix::errno::Errno::ENOMEDIUM) => Ok(None),
        _ => Err(error).at("open", path),
    }
}

/// Reads the first and the last MiB.
fn edges(path: &Path, size: u64) -> Result<Edges> {
    let file = File::open(path).at("open", path)?;
    let mut buffer = vec![0; EDGE.min(size) as usize];
    for offset in [0, size.saturating_sub(EDGE)] {
        file.read_exact_at(&mut buffer, offset).at("read", path)?;
        if buffer.iter().any(|byte| *byte != 0) {
            return Ok(Edges::Written);
        }
    }
    Ok(Edges::Blank)
}
