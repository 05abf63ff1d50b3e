//! Arguments of `zfs` and `zpool`, and what their failures mean.

use std::path::PathBuf;
use std::time::Duration;

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_service::{Program, ProgramError};

use crate::engine::{Geometry, Redundancy};
use crate::layout;

/// The features a pool of ours may have. A fixed set, so that the older image in the other slot imports it as well.
pub const COMPATIBILITY: &str = "openzfs-2.2-linux";

/// Rounds of PBKDF2 between the recovery key and the key that is used: the fewest that ZFS allows. They make guessing slow,
/// which a key of 128 random bits does not need, and each boot waits for them: seconds, where the processor is emulated.
pub const KEY_ITERATIONS: u32 = 100_000;

/// Runs `zfs`.
pub async fn zfs(args: Vec<String>) -> Result<String> {
    Program::new("zfs").args(args).deadline(Duration::from_secs(120)).run().await.map_err(classify)
}

/// Runs `zpool`, which may have to read or label many disks.
pub async fn zpool(args: Vec<String>) -> Result<String> {
    Program::new("zpool").args(args).deadline(Duration::from_secs(240)).run().await.map_err(classify)
}

/// Gives a failure the name that callers act upon.
pub fn classify(error: ProgramError) -> Error {
    let text = error.to_string();
    let output = match &error {
        ProgramError::Failed { output, .. } => output.as_str(),
        _ => return Error::Failed(text),
    };
    let says = |words: &[&str]| words.iter().any(|word| output.contains(word));
    if says(&["Incorrect key provided"]) {
        Error::Denied(text)
    } else if says(&["no such pool"]) {
        Error::NotReady(text)
    } else if says(&["does not exist", "no such tag", "could not find any snapshots"]) {
        Error::NotFound(text)
    } else if says(&["is busy", "has dependent clones", "has children"]) {
        Error::Busy(text)
    } else if says(&["out of space", "No space left"]) {
        Error::NoSpace(text)
    } else if says(&["already exists", "tag already exists"]) {
        Error::Exists(text)
    } else {
        Error::Failed(text)
    }
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

/// Makes the pool.
///
/// A checksum strong enough to stand for the contents, together with compression, lets ZFS drop writes of blocks that are
/// already there (nop-write, `zio_nop_write`): a comparison or a resumed copy costs no room in the next recovery point.
/// Zeros become holes for the same reason. The pool stands in no cache file: the box imports it by searching its disks.
///
/// With `key_location`, where the recovery key can be read while this runs, the pool's root dataset is encrypted, and with it all
/// that is ever made beneath. Such blocks are never dropped for being there already (`zio_nop_write` leaves out what is encrypted):
/// what is written again costs room again.
pub fn create_pool(redundancy: Redundancy, disks: &[PathBuf], key_location: Option<&str>) -> Vec<String> {
    let compatibility = format!("compatibility={COMPATIBILITY}");
    let version = format!("{}={}", layout::PROPERTY_VERSION, layout::VERSION);
    let mut args = owned(&["create", "-o", "ashift=12", "-o", "autotrim=on", "-o", "cachefile=none"]);
    args.extend(owned(&["-o", &compatibility, "-O", "compression=lz4", "-O", "checksum=blake3"]));
    args.extend(owned(&["-O", "atime=off", "-O", "canmount=off", "-O", "mountpoint=none", "-O", &version]));
    if let Some(location) = key_location {
        let iterations = format!("pbkdf2iters={KEY_ITERATIONS}");
        args.extend(owned(&[
            "-O",
            "encryption=aes-256-gcm",
            "-O",
            "keyformat=passphrase",
            "-O",
            &iterations,
        ]));
        args.extend(owned(&["-O", &format!("keylocation={location}")]));
    }
    args.push(layout::POOL.to_owned());
    match redundancy {
        Redundancy::Single => {}
        Redundancy::Mirror => args.push("mirror".to_owned()),
        Redundancy::Raidz1 => args.push("raidz1".to_owned()),
        Redundancy::Raidz2 => args.push("raidz2".to_owned()),
    }
    args.extend(disks.iter().map(|disk| disk.to_string_lossy().into_owned()));
    args
}

/// Lists the pools that could be imported; fails if there is none.
pub fn list_importable() -> Vec<String> {
    owned(&["import", "-d", "/dev/disk/by-id"])
}

/// How a pool is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// To be used.
    ToUse,
    /// To be looked at: nothing on the disks is changed, not even that they were.
    ToLook,
}

/// Imports a pool by its GUID, mounting nothing and noting it in no cache file. `take_over` takes it from another box that did
/// not release it.
pub fn import_pool(guid: u64, how: Import, take_over: bool) -> Vec<String> {
    let mut args = owned(&["import", "-d", "/dev/disk/by-id", "-o", "cachefile=none", "-N"]);
    if how == Import::ToLook {
        args.extend(owned(&["-o", "readonly=on"]));
    }
    if take_over {
        args.push("-f".to_owned());
    }
    args.push(guid.to_string());
    args
}

/// Releases the pool.
pub fn export_pool() -> Vec<String> {
    owned(&["export", layout::POOL])
}

/// Lists the imported pools: name, GUID, health, and whether it is read-only, with tabs between.
pub fn list_imported() -> Vec<String> {
    owned(&["list", "-H", "-p", "-o", "name,guid,health,readonly"])
}

/// What is known of the encryption of the pool, and the version of our names on it.
pub fn encryption() -> Vec<String> {
    let properties = [
        "name",
        "encryption",
        "encryptionroot",
        "keyformat",
        "keystatus",
        "keylocation",
        layout::PROPERTY_VERSION,
    ];
    owned(&["list", "-j", "-p", "-o", &properties.join(","), layout::POOL])
}

/// Opens the pool with the key that can be read at `location`; with `only_try` nothing is opened, but the key is checked.
pub fn load_key(location: &str, only_try: bool) -> Vec<String> {
    let mut args = owned(&["load-key", "-L", location]);
    if only_try {
        args.push("-n".to_owned());
    }
    args.push(layout::POOL.to_owned());
    args
}

/// Notes on the pool that its key is asked for, whatever system it is connected to: where it was read when the pool was made
/// is gone.
pub fn ask_for_key() -> Vec<String> {
    owned(&["set", "keylocation=prompt", layout::POOL])
}

/// Makes a dataset that only holds others.
pub fn create_folder(name: &str, properties: &[(&str, String)]) -> Vec<String> {
    let mut args = owned(&["create", "-o", "canmount=off", "-o", "mountpoint=none"]);
    args.extend(set(properties));
    args.push(name.to_owned());
    args
}

fn set(properties: &[(&str, String)]) -> Vec<String> {
    properties.iter().flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={value}")]).collect()
}

/// Makes the volume of a disk: thin, no partitions looked for, snapshots without device nodes. Its properties are set in the same step, so that
/// no volume without its true size is ever found.
pub fn create_volume(machine: MachineId, disk: DiskId, geometry: Geometry) -> Vec<String> {
    let block = layout::VOLUME_BLOCK.to_string();
    let size = layout::rounded(geometry.size.0).to_string();
    let mut args = owned(&["create", "-s", "-b", &block, "-V", &size]);
    args.extend(set(&[
        ("volmode", "dev".to_owned()),
        ("snapdev", "hidden".to_owned()),
        (layout::PROPERTY_VERSION, layout::VERSION.to_string()),
        (layout::PROPERTY_SIZE, geometry.size.0.to_string()),
        (layout::PROPERTY_SECTOR, geometry.sector.to_string()),
    ]));
    args.push(layout::volume(machine, disk));
    args
}

/// Takes one recovery point of all disks; ZFS makes all snapshots of one call in one transaction group.
pub fn snapshot(
    machine: MachineId,
    point: RecoveryPointId,
    disks: &[DiskId],
    record: &[(String, String)],
) -> Vec<String> {
    let mut args = owned(&["snapshot"]);
    args.extend(set(&[(layout::PROPERTY_VERSION, layout::VERSION.to_string())]));
    args.extend(record.iter().flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={value}")]));
    args.extend(disks.iter().map(|&disk| layout::snapshot(machine, disk, point)));
    args
}

/// Clones one disk of a recovery point. The true size does not come along by itself: a clone inherits from where it lies.
pub fn clone(vm: VmId, disk: DiskId, snapshot: &str, geometry: Geometry) -> Vec<String> {
    let mut args = owned(&["clone"]);
    args.extend(set(&[
        ("volmode", "dev".to_owned()),
        (layout::PROPERTY_VERSION, layout::VERSION.to_string()),
        (layout::PROPERTY_SIZE, geometry.size.0.to_string()),
        (layout::PROPERTY_SECTOR, geometry.sector.to_string()),
    ]));
    args.push(snapshot.to_owned());
    args.push(layout::clone(vm, disk));
    args
}

/// Lists datasets of one kind beneath `root` with the given properties, as JSON.
///
/// Never with `--json-int`: ZFS 2.3 passes its numbers through a signed type there, so that every GUID from 2^63 on, which is
/// each second one, is printed as 9223372036854775807, and two snapshots look like one. As text they are exact.
pub fn list(kind: &str, properties: &[&str], root: &str) -> Vec<String> {
    owned(&["list", "-j", "-p", "-r", "-t", kind, "-o", &properties.join(","), root])
}

/// Destroys one dataset and nothing that hangs on it: never `-r`, never `-R`.
pub fn destroy(name: &str) -> Vec<String> {
    owned(&["destroy", name])
}

#[cfg(test)]
mod tests;
