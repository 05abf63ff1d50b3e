//! What has to be written into the kernel's target (configfs, `Documentation/target/`), in which order.
//!
//! Making goes from the volume outwards and switches the portal group on last, so that nobody meets a half-made target.
//! Withdrawing starts at the initiator: removing its ACL ends its sessions; then the portal group, the LUN, the backstore.
//! Any other order makes the kernel refuse (`EBUSY`), or leaves a session that holds the volume.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::chap::Credentials;
use crate::engine::Publication;
use crate::names::Name;

/// TCP port of all targets.
pub const PORT: u16 = 3260;
/// The one logical unit of each target.
pub const LUN: u32 = 0;
/// The one backstore adapter that all our volumes hang on.
const ADAPTER: &str = "core/iblock_0";

/// One change in configfs.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a folder that may exist already.
    MakeShared(PathBuf),
    /// Make a folder.
    Make(PathBuf),
    /// Make the first of these folders that the kernel accepts.
    MakeAny(Vec<PathBuf>),
    /// Write an attribute.
    Write(PathBuf, String),
    /// Write an attribute that must not be shown.
    WriteSecret(PathBuf, String),
    /// Make a link, at the second path, to the first.
    Link(PathBuf, PathBuf),
    /// Remove a link.
    Unlink(PathBuf),
    /// Remove a folder.
    Remove(PathBuf),
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MakeShared(path) | Self::Make(path) => write!(f, "mkdir {}", path.display()),
            Self::MakeAny(paths) => write!(f, "mkdir one of {paths:?}"),
            Self::Write(path, value) => write!(f, "write {value:?} to {}", path.display()),
            Self::WriteSecret(path, _) => write!(f, "write a secret to {}", path.display()),
            Self::Link(to, at) => write!(f, "link {} to {}", at.display(), to.display()),
            Self::Unlink(path) => write!(f, "unlink {}", path.display()),
            Self::Remove(path) => write!(f, "rmdir {}", path.display()),
        }
    }
}

/// Where things are beneath `/sys/kernel/config/target`.
struct Places {
    backstore: PathBuf,
    target: PathBuf,
    group: PathBuf,
}

fn places(root: &Path, name: Name) -> Places {
    let target = root.join("iscsi").join(name.iqn());
    let group = target.join("tpgt_1");
    Places { backstore: root.join(ADAPTER).join(name.backstore()), target, group }
}

/// Keeps the address that a backstore's firewall hole is for, in the kernel itself: it lives exactly as long as the LUN.
fn alias(address: IpAddr) -> String {
    format!("address={address}")
}

/// Reads what [`alias`] wrote.
pub fn address_of_alias(text: &str) -> Option<IpAddr> {
    text.trim().strip_prefix("address=")?.parse().ok()
}

/// Publishes `device`, the resolved node of the publication's volume.
pub fn publish(root: &Path, publication: &Publication, device: &Path, chap: &Credentials) -> Vec<Step> {
    let name = Name { job: publication.job, disk: publication.disk };
    let Places { backstore, target, group } = places(root, name);
    let acl = group.join("acls").join(publication.initiator.to_string());
    let lun = group.join("lun/lun_0");
    let write = |path: PathBuf, value: &str| Step::Write(path, value.to_owned());
    let mut steps = vec![
        Step::MakeShared(root.join(ADAPTER)),
        Step::Make(backstore.clone()),
        write(backstore.join("control"), &format!("udev_path={}", device.display())),
        write(backstore.join("alias"), &alias(publication.address)),
        write(backstore.join("enable"), "1"),
        // The initiator knows the disk by this serial number; it may be set only before the LUN is in use.
        write(backstore.join("wwn/vpd_unit_serial"), &publication.disk.to_string()),
        Step::MakeShared(root.join("iscsi")),
        Step::Make(target),
        Step::Make(group.clone()),
    ];
    let attributes = [
        ("authentication", "1"),
        // No demo mode: without an ACL there is no login, and no target is shown to who only asks.
        ("generate_node_acls", "0"),
        ("cache_dynamic_acls", "0"),
        ("demo_mode_write_protect", "1"),
        ("demo_mode_discovery", "0"),
        // Commands an initiator may have in flight; must precede its ACL.
        ("default_cmdsn_depth", "128"),
    ];
    steps.extend(attributes.map(|(key, value)| write(group.join("attrib").join(key), value)));
    // RFC 7143, chapter 13. Data may follow a write command at once and in long bursts: request size and depth decide the speed.
    let parameters = [
        ("AuthMethod", "CHAP"),
        ("HeaderDigest", "CRC32C,None"),
        ("DataDigest", "CRC32C,None"),
        ("InitialR2T", "No"),
        ("ImmediateData", "Yes"),
        ("FirstBurstLength", "262144"),
        ("MaxBurstLength", "16776192"),
        ("MaxRecvDataSegmentLength", "1048576"),
        ("MaxOutstandingR2T", "4"),
        ("MaxConnections", "1"),
        ("ErrorRecoveryLevel", "0"),
    ];
    steps.extend(parameters.map(|(key, value)| write(group.join("param").join(key), value)));
    steps.extend([
        // One socket for both families where the kernel has IPv6.
        Step::MakeAny(vec![group.join(format!("np/[::]:{PORT}")), group.join(format!("np/0.0.0.0:{PORT}"))]),
        Step::Make(lun.clone()),
        Step::Link(backstore, lun.join("volume")),
        Step::Make(acl.clone()),
        Step::Write(acl.join("auth/userid"), chap.user.clone()),
        Step::WriteSecret(acl.join("auth/password"), chap.secret.clone()),
        Step::Make(acl.join("lun_0")),
        Step::Link(lun, acl.join("lun_0/lun")),
        write(acl.join("lun_0/write_protect"), "0"),
        write(group.join("enable"), "1"),
    ]);
    steps
}

/// Withdraws whatever there is of a publication, be it complete or cut short anywhere.
pub fn withdraw(root: &Path, name: Name) -> Vec<Step> {
    let Places { backstore, target, group } = places(root, name);
    let mut steps = Vec::new();
    for acl in folders(&group.join("acls"), "") {
        for lun in folders(&acl, "lun_") {
            steps.extend(links(&lun).into_iter().map(Step::Unlink));
            steps.push(Step::Remove(lun));
        }
        steps.push(Step::Remove(acl));
    }
    if group.is_dir() {
        steps.push(Step::Write(group.join("enable"), "0".to_owned()));
    }
    steps.extend(folders(&group.join("np"), "").into_iter().map(Step::Remove));
    for lun in folders(&group.join("lun"), "lun_") {
        steps.extend(links(&lun).into_iter().map(Step::Unlink));
        steps.push(Step::Remove(lun));
    }
    steps.extend([group, target, backstore].into_iter().filter(|folder| folder.is_dir()).map(Step::Remove));
    steps
}

/// Everything of ours in the kernel, be it complete or cut short anywhere.
pub fn published(root: &Path) -> Vec<Name> {
    let named = |folder: PathBuf, parse: fn(&str) -> Option<Name>| {
        folders(&folder, "").into_iter().filter_map(move |path| parse(&path.file_name()?.to_string_lossy()))
    };
    let targets = named(root.join("iscsi"), Name::from_iqn);
    let mut names: Vec<_> = targets.chain(named(root.join(ADAPTER), Name::from_backstore)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The address a publication's firewall hole is for.
pub fn address(root: &Path, name: Name) -> Option<IpAddr> {
    address_of_alias(&std::fs::read_to_string(places(root, name).backstore.join("alias")).ok()?)
}

fn folders(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let matching = entries.filter(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir())
            && entry.file_name().to_string_lossy().starts_with(prefix)
    });
    matching.map(|entry| entry.path()).collect()
}

fn links(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let matching = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    matching.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use understudy_bus::wire::{DiskId, JobId};

    use super::*;

    fn publication() -> Publication {
        let volume =
            format!("/dev/zvol/understudy/understudy/machines/{}/{}", "0".repeat(32), "1".repeat(32));
        Publication {
            job: JobId::new(),
            disk: DiskId::new(),
            device: volume.parse().unwrap(),
            initiator: "iqn.2026-11.org.understudy:machine".parse().unwrap(),
            address: "10.0.0.2".parse().unwrap(),
        }
    }

    fn plan(root: &Path, publication: &Publication) -> Vec<Step> {
        publish(root, publication, Path::new("/dev/zd16"), &Credentials::new(publication.job).unwrap())
    }

    #[test]
    fn a_target_is_switched_on_last_and_asks_for_a_secret() {
        let steps = plan(Path::new("/t"), &publication());
        let text: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
        assert!(text.last().unwrap().ends_with("tpgt_1/enable"), "{text:?}");
        let writes = |value: &str, attribute: &str| {
            let (start, end) = (format!("write {value:?} to "), format!("/{attribute}"));
            text.iter().any(|line| line.starts_with(&start) && line.ends_with(&end))
        };
        assert!(writes("1", "attrib/authentication"));
        assert!(writes("0", "attrib/generate_node_acls"));
        assert!(writes("CHAP", "param/AuthMethod"));
        assert!(writes("udev_path=/dev/zd16", "control"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let publication = publication();
        let chap = Credentials::new(publication.job).unwrap();
        let steps = publish(Path::new("/t"), &publication, Path::new("/dev/zd0"), &chap);
        assert!(!format!("{steps:?}").contains(&chap.secret));
    }

    /// Carries out only what an ordinary folder can stand in for: folders and links. Attributes are files that the real
    /// kernel makes and removes with their folder.
    fn carry_out(steps: &[Step], root: &Path) {
        for step in steps {
            match step {
                Step::Make(path) | Step::MakeShared(path) => std::fs::create_dir_all(path).unwrap(),
                Step::MakeAny(paths) => std::fs::create_dir_all(&paths[0]).unwrap(),
                Step::Link(to, at) => std::os::unix::fs::symlink(to, at).unwrap(),
                Step::Unlink(path) => std::fs::remove_file(path).unwrap(),
                // The groups the kernel makes by itself go with their parent.
                Step::Remove(path) if path.ends_with("tpgt_1") => std::fs::remove_dir_all(path).unwrap(),
                Step::Remove(path) => std::fs::remove_dir(path).unwrap(),
                Step::Write(..) | Step::WriteSecret(..) => {}
            }
        }
        assert!(root.exists());
    }

    #[test]
    fn withdrawing_removes_all_that_publishing_made_from_the_initiator_inwards() {
        let root = tempfile::tempdir().unwrap();
        let publication = publication();
        let name = Name { job: publication.job, disk: publication.disk };
        carry_out(&plan(root.path(), &publication), root.path());
        assert_eq!(published(root.path()), [name]);
        let steps = withdraw(root.path(), name);
        let position = |what: &dyn Fn(&Step) -> bool| steps.iter().position(what).unwrap();
        let acl = position(
            &|step| matches!(step, Step::Remove(path) if path.to_string_lossy().contains("acls/iqn") && !path.ends_with("lun_0")),
        );
        let off = position(
            &|step| matches!(step, Step::Write(path, value) if path.ends_with("enable") && value == "0"),
        );
        let lun = position(&|step| matches!(step, Step::Remove(path) if path.ends_with("lun/lun_0")));
        let backstore = position(
            &|step| matches!(step, Step::Remove(path) if path.to_string_lossy().contains("iblock_0")),
        );
        assert!(acl < off && off < lun && lun < backstore && backstore == steps.len() - 1, "{steps:?}");
        carry_out(&steps, root.path());
        assert_eq!(published(root.path()), []);
        assert_eq!(withdraw(root.path(), name), []);
    }

    #[test]
    fn a_publication_cut_short_anywhere_is_still_found_and_withdrawn() {
        let publication = publication();
        let name = Name { job: publication.job, disk: publication.disk };
        let full = plan(Path::new("/t"), &publication).len();
        for cut in 2..full {
            let root = tempfile::tempdir().unwrap();
            carry_out(&plan(root.path(), &publication)[..cut], root.path());
            assert_eq!(published(root.path()), [name], "after {cut} steps");
            carry_out(&withdraw(root.path(), name), root.path());
            assert_eq!(published(root.path()), [], "after {cut} steps");
        }
    }

    #[test]
    fn the_address_survives_in_the_kernel() {
        let address = "fd00::7".parse().unwrap();
        assert_eq!(address_of_alias(&format!("{}\n", alias(address))), Some(address));
        assert_eq!(address_of_alias(""), None);
    }
}
