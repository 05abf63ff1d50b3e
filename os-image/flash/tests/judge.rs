//! Which disks are refused, and why.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::path::PathBuf;

use os_flash::{Disk, Edges, Hold, Part, Refusal};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;

/// A blank disk nobody uses.
fn blank() -> Disk {
    Disk {
        path: "/dev/sdx".into(),
        number: "8:112".into(),
        sequence: Some(7),
        kind: "disk".into(),
        part_of: None,
        model: Some("Fast 1".into()),
        serial: Some("S-1".into()),
        wwn: Some("0x5000".into()),
        transport: Some("usb".into()),
        size: 4 * GIB,
        sector: 512,
        read_only: false,
        system: vec![],
        signatures: vec![],
        parts: vec![],
        mounts: vec![],
        holders: vec![],
        hold: Hold::Free,
        edges: Edges::Blank,
    }
}

/// One with somebody's files.
fn written() -> Disk {
    let part = |path: &str, signature: &str| Part {
        path: path.into(),
        size: GIB,
        name: None,
        signatures: vec![signature.into()],
    };
    Disk {
        signatures: vec!["gpt".into()],
        parts: vec![part("/dev/sdx1", "ext4 \"photos\""), part("/dev/sdx2", "swap")],
        edges: Edges::Written,
        ..blank()
    }
}

/// Refused however it is confirmed; the message says `words`.
fn never(disk: &Disk, words: &[&str]) {
    for overwrite in [None, Some("S-1"), Some("S-2")] {
        let message = disk.judge(overwrite).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_blank_disk_is_taken() {
    assert_eq!(blank().judge(None), Ok(()));
    assert_eq!(blank().judge(Some("S-1")), Ok(()));
    assert_eq!(blank().fits(4 * GIB), Ok(()));
}

#[test]
fn a_disk_with_data_is_taken_only_if_its_serial_is_given() {
    let refusal = written().judge(None).unwrap_err();
    let message = refusal.to_string();
    for word in ["gpt", "sdx1 ext4 \"photos\"", "sdx2 swap", "--dangerously-overwrite S-1", "serial"] {
        assert!(message.contains(word), "{word} is missing: {message}");
    }
    assert_eq!(written().judge(Some("S-1")), Ok(()));
    let unknown = Disk { edges: Edges::Written, ..blank() };
    assert!(matches!(unknown.judge(None), Err(Refusal::Data { .. })));
    assert_eq!(unknown.judge(Some("S-1")), Ok(()));
}

#[test]
fn a_wrong_serial_is_refused_even_for_a_blank_disk() {
    for disk in [blank(), written()] {
        for wrong in ["S-2", "s-1", "S-1 ", "", "/dev/sdx", "0x5000", "yes"] {
            assert!(matches!(disk.judge(Some(wrong)), Err(Refusal::AnotherDisk { .. })), "{wrong}");
        }
    }
}

#[test]
fn a_disk_without_serial_is_named_by_its_wwn_and_one_without_either_by_its_size() {
    let mut disk = Disk { serial: None, ..written() };
    assert!(disk.judge(None).unwrap_err().to_string().contains("--dangerously-overwrite 0x5000 (its WWN"));
    assert_eq!(disk.judge(Some("0x5000")), Ok(()));
    disk.wwn = None;
    assert!(
        disk.judge(None).unwrap_err().to_string().contains("--dangerously-overwrite 4294967296 (its size")
    );
    assert_eq!(disk.judge(Some("4294967296")), Ok(()));
}

#[test]
fn what_is_in_use_is_refused_even_if_named() {
    let of = |change: fn(&mut Disk)| {
        let mut disk = blank();
        change(&mut disk);
        disk
    };
    never(&of(|disk| disk.mounts = vec!["/dev/sdx1 at /mnt".into()]), &["/dev/sdx1 at /mnt", "unmount"]);
    never(&of(|disk| disk.mounts = vec!["/dev/sdx2 at [SWAP]".into()]), &["[SWAP]", "swapoff"]);
    never(&of(|disk| disk.holders = vec!["/dev/md0 (raid1)".into()]), &["/dev/md0 (raid1)", "mdadm"]);
    never(&of(|disk| disk.hold = Hold::Taken), &["container", "ZFS"]);
    never(&of(|disk| disk.system = vec!["/".into(), "swap".into()]), &["running system has /, swap"]);
}

#[test]
fn the_running_system_is_named_before_everything_else_about_its_disk() {
    let disk = Disk {
        system: vec!["/".into()],
        mounts: vec!["/dev/sdx1 at /".into()],
        hold: Hold::Taken,
        ..written()
    };
    assert!(matches!(disk.judge(Some("S-1")), Err(Refusal::System { .. })));
}

#[test]
fn what_no_image_can_be_written_to_is_refused_even_if_named() {
    never(
        &Disk { kind: "part".into(), part_of: Some("/dev/sdx".into()), ..blank() },
        &["partition of /dev/sdx"],
    );
    never(&Disk { kind: "lvm".into(), ..blank() }, &["type lvm"]);
    never(&Disk { kind: "rom".into(), ..blank() }, &["type rom"]);
    never(&Disk { size: 0, ..blank() }, &["no medium"]);
    never(&Disk { read_only: true, ..blank() }, &["read-only"]);
}

#[test]
fn what_could_not_be_looked_at_is_not_taken_for_blank() {
    for disk in [Disk { hold: Hold::Denied, ..blank() }, Disk { edges: Edges::Unread, ..blank() }] {
        assert!(matches!(disk.judge(None), Err(Refusal::Rights { .. })));
        assert!(matches!(disk.judge(Some("S-1")), Err(Refusal::Rights { .. })));
    }
}

#[test]
fn the_image_must_fit_in_size_and_sectors() {
    let message = blank().fits(4 * GIB + 512).unwrap_err().to_string();
    assert!(
        message.contains("4294967296") && message.contains("4294967808") && message.contains("larger disk"),
        "{message}"
    );
    let message = Disk { sector: 4096, ..blank() }.fits(GIB).unwrap_err().to_string();
    assert!(message.contains("4096") && message.contains("512"), "{message}");
}

prop_compose! {
    fn any_disk()(
        kind in prop_oneof![4 => Just("disk"), 1 => Just("loop"), 1 => Just("part"), 1 => Just("crypt")],
        serial in proptest::option::of("[A-Z0-9]{1,4}"),
        wwn in proptest::option::of("0x[0-9]{2}"),
        size in prop_oneof![1 => Just(0), 9 => 1u64..1000],
        read_only in proptest::bool::weighted(0.1),
        system in proptest::collection::vec("/|swap", 0..2),
        mounts in proptest::collection::vec("/mnt", 0..2),
        holders in proptest::collection::vec("md0", 0..2),
        signatures in proptest::collection::vec("ext4|gpt", 0..2),
        hold in prop_oneof![6 => Just(Hold::Free), 1 => Just(Hold::Taken), 1 => Just(Hold::Denied)],
        edges in prop_oneof![3 => Just(Edges::Blank), 3 => Just(Edges::Written), 1 => Just(Edges::Unread)],
    ) -> Disk {
        let part_of = (kind == "part").then(|| PathBuf::from("/dev/sdx"));
        Disk {
            kind: kind.into(), part_of, serial, wwn, size, read_only, system, mounts, holders, signatures, hold, edges,
            ..blank()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is typed: what is taken is a writable whole disk nobody uses, and blank or named exactly.
    #[test]
    fn nothing_in_use_and_no_data_is_ever_taken_by_mistake(
        disk in any_disk(), typed in proptest::option::of("[A-Z0-9]{1,2}"), exact in any::<bool>(),
    ) {
        let typed = typed.map(|text| if exact { disk.confirmation() } else { text });
        if disk.judge(typed.as_deref()).is_ok() {
            prop_assert!(["disk", "loop"].contains(&disk.kind.as_str()) && disk.size > 0 && !disk.read_only);
            prop_assert!(disk.system.is_empty() && disk.mounts.is_empty() && disk.holders.is_empty());
            prop_assert!(disk.hold == Hold::Free && disk.edges != Edges::Unread);
            let blank = disk.signatures.is_empty() && disk.edges == Edges::Blank;
            let named = typed == Some(disk.confirmation());
            prop_assert!(named || (blank && typed.is_none()));
        }
    }
}
