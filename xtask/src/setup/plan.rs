//! From what a host has to what must be done. Pure: tested with made-up hosts.

use anyhow::{Result, bail};

use super::state::Host;

/// Something to do, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// What is missing, for a person.
    pub why: String,
    /// What is run, as root.
    pub commands: Vec<Vec<String>>,
}

/// Package and what it is for.
const PACKAGES: &[(&str, &str)] = &[
    ("mmdebstrap", "images: Debian packages into a root"),
    ("uidmap", "images: a range of users without root"),
    ("debian-archive-keyring", "images: signatures of packages"),
    ("gcc", "compiling"),
    ("clang", "compiling: BPF programs"),
    ("libbpf-dev", "compiling: BPF headers"),
    ("libiscsi-dev", "compiling: iSCSI initiator"),
    ("libssl-dev", "compiling: signatures of updates"),
    ("pkg-config", "compiling"),
    ("qemu-utils", "tests: disks"),
    ("dbus", "tests: a private bus"),
    ("tgt", "tests: an iSCSI target"),
    ("partclone", "tests: maps of used blocks"),
    ("cpio", "tests: initramfs archives"),
    ("dosfstools", "tests: filesystems"),
    ("mtools", "tests: files on FAT disks"),
    ("e2fsprogs", "tests: filesystems"),
    ("xfsprogs", "tests: filesystems"),
    ("cryptsetup-bin", "tests: hash trees to compare with"),
    ("openssl", "tests: signatures"),
    ("python3-venv", "tests: bills of materials read by the SPDX validator"),
    ("rauc", "tests: bundles read by the real RAUC"),
    ("squashfs-tools", "tests: bundles"),
    ("systemd", "lint: what units may do"),
];

/// QEMU before this corrupts flags under Linux 6.12.
const QEMU_NEEDED: (u32, u32) = (8, 2);
/// Must be of the same version as QEMU, so it is installed from where that is.
const QEMU_BLOCK_DRIVERS: &str = "qemu-block-extra";
/// Users in a root filesystem.
const IDS_NEEDED: u64 = 65536;
const BACKPORTS_FILE: &str = "/etc/apt/sources.list.d/understudy-backports.sources";

/// What must be done, in order. Empty: the host is ready.
pub fn steps(host: &Host) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let missing: Vec<_> = PACKAGES.iter().filter(|(name, _)| !host.packages.contains_key(*name)).collect();
    let update = words("apt-get update");
    if !missing.is_empty() {
        let list: Vec<_> = missing.iter().map(|(name, purpose)| format!("{name} ({purpose})")).collect();
        let mut install = words("apt-get install --yes --no-install-recommends");
        install.extend(missing.iter().map(|(name, _)| name.to_string()));
        steps.push(Step {
            why: format!("packages: {}", list.join(", ")),
            commands: vec![update.clone(), install],
        });
    }
    steps.extend(qemu(host, update)?);
    steps.extend(subordinate_ids(host));
    Ok(steps)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn qemu(host: &Host, update: Vec<String>) -> Result<Option<Step>> {
    let new_enough = host.qemu.is_some_and(|version| version >= QEMU_NEEDED);
    if new_enough && host.packages.contains_key(QEMU_BLOCK_DRIVERS) {
        return Ok(None);
    }
    let (major, minor) = QEMU_NEEDED;
    let why = match host.qemu {
        Some(_) if new_enough => format!("packages: {QEMU_BLOCK_DRIVERS} (benches: qemu-img over iSCSI)"),
        Some((a, b)) => {
            format!("QEMU {major}.{minor} or newer (this is {a}.{b}, which crashes newer kernels)")
        }
        None => format!("QEMU {major}.{minor} or newer"),
    };
    let install = "apt-get install --yes --no-install-recommends";
    let packages = format!("qemu-system-x86 qemu-utils {QEMU_BLOCK_DRIVERS}");
    if host.codename != "bookworm" {
        return Ok(Some(Step { why, commands: vec![update, words(&format!("{install} {packages}"))] }));
    }
    let Some(archive) = &host.archive else {
        bail!("{why} is in Debian 12's backports, but /etc/apt names no Debian archive to take it from");
    };
    let source = format!(
        "printf \"Types: deb\\nURIs: {archive}\\nSuites: bookworm-backports\\nComponents: main\\nSigned-By: \
         /usr/share/keyrings/debian-archive-keyring.gpg\\n\" > {BACKPORTS_FILE}"
    );
    Ok(Some(Step {
        why,
        commands: vec![
            vec!["sh".into(), "-c".into(), source],
            update,
            words(&format!("{install} -t bookworm-backports {packages}")),
        ],
    }))
}

/// A range of users of one's own, in both files.
fn subordinate_ids(host: &Host) -> Option<Step> {
    let [uids, gids] = &host.subordinate_ids;
    let missing =
        [uids, gids].map(|file| !ranges(file).any(|(user, _, n)| user == host.user && n >= IDS_NEEDED));
    if missing == [false, false] {
        return None;
    }
    let first = [uids, gids]
        .into_iter()
        .flat_map(|file| ranges(file))
        .map(|(_, start, count)| start + count)
        .max()
        .unwrap_or(0)
        .max(100_000);
    let range = format!("{first}-{}", first + IDS_NEEDED - 1);
    let mut command = vec!["usermod".to_owned()];
    for (missing, flag) in missing.into_iter().zip(["--add-subuids", "--add-subgids"]) {
        if missing {
            command.extend([flag.to_owned(), range.clone()]);
        }
    }
    command.push(host.user.clone());
    Some(Step {
        why: format!("a range of {IDS_NEEDED} subordinate users for {}", host.user),
        commands: vec![command],
    })
}

/// `user:first:count` lines.
fn ranges(file: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    file.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Host {
        Host {
            codename: "bookworm".into(),
            packages: PACKAGES
                .iter()
                .map(|(name, _)| *name)
                .chain([QEMU_BLOCK_DRIVERS])
                .map(|name| (name.to_owned(), "1".into()))
                .collect(),
            qemu: Some((10, 0)),
            user: "eve".into(),
            is_root: false,
            subordinate_ids: ["eve:100000:65536\n".into(), "eve:100000:65536\n".into()],
            archive: Some("http://mirror.example/debian".into()),
        }
    }

    #[test]
    fn a_ready_host_needs_nothing() {
        assert_eq!(steps(&ready()).unwrap(), []);
    }

    #[test]
    fn missing_packages_are_named_with_their_purpose() {
        let mut host = ready();
        host.packages.remove("mmdebstrap");
        let steps = steps(&host).unwrap();
        assert!(steps[0].why.contains("mmdebstrap (images"), "{steps:?}");
        assert!(steps[0].commands[1].ends_with(&["mmdebstrap".into()]));
    }

    #[test]
    fn an_old_qemu_comes_from_backports_of_the_hosts_own_mirror() {
        let mut host = ready();
        host.qemu = Some((7, 2));
        let steps = steps(&host).unwrap();
        assert!(steps[0].why.contains("this is 7.2"), "{steps:?}");
        assert!(steps[0].commands[0][2].contains("http://mirror.example/debian"));
        assert!(steps[0].commands[2].contains(&"bookworm-backports".to_owned()));
        host.archive = None;
        assert!(super::steps(&host).unwrap_err().to_string().contains("no Debian archive"));
    }

    #[test]
    fn qemus_block_drivers_come_from_where_qemu_comes_from() {
        let mut host = ready();
        host.packages.remove(QEMU_BLOCK_DRIVERS);
        let steps = steps(&host).unwrap();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0].commands[2].contains(&"bookworm-backports".to_owned()), "{steps:?}");
        assert!(steps[0].commands[2].contains(&QEMU_BLOCK_DRIVERS.to_owned()), "{steps:?}");
    }

    #[test]
    fn a_newer_debian_installs_its_own_qemu() {
        let mut host = ready();
        host.codename = "trixie".into();
        host.qemu = None;
        let steps = steps(&host).unwrap();
        assert!(!steps[0].commands.concat().iter().any(|w| w.contains("backports")));
    }

    #[test]
    fn a_new_range_of_users_starts_behind_those_of_others() {
        let mut host = ready();
        host.subordinate_ids = ["bob:100000:65536\neve:165536:10\n".into(), "eve:100000:65536\n".into()];
        let steps = steps(&host).unwrap();
        assert_eq!(steps[0].commands[0], ["usermod", "--add-subuids", "165546-231081", "eve"]);
    }
}
