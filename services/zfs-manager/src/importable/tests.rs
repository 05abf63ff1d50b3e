use proptest::prelude::*;

use super::*;

fn listed(name: &str, state: &str, disk: &str) -> String {
    format!(
        "  pool: {name}\n    id: 123\n state: {state}\naction: The pool can be imported using its name or numeric \
         identifier.\nconfig:\n\n\t{name}  {state}\n\t  mirror-0  {state}\n\t    virtio-data-a  ONLINE\n\t    \
         virtio-data-b  {disk}\n\n"
    )
}

const DEGRADED: &str = "   pool: understudy
     id: 18446744073709551615
  state: DEGRADED
 status: One or more devices are missing from the system.
 action: The pool can be imported despite missing or damaged devices.  The
\t fault tolerance of the pool may be compromised if imported.
comment: the office's
    see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-2Q
 config:

\tunderstudy                                    DEGRADED
\t  raidz1-0                                    DEGRADED
\t    ata-WDC_WD40EFRX_WD-1                     ONLINE
\t    wwn-0x5000c500a                           OFFLINE
\t    4711                                      UNAVAIL  cannot open
\tlogs
\t  nvme-X_1                                    ONLINE
\tcache
\t  nvme-X_2
";

#[test]
fn a_degraded_pool_is_read_with_all_its_disks() {
    let pools = parse(DEGRADED);
    let [pool] = &pools[..] else { panic!("{pools:?}") };
    assert!(!pool.is_whole());
    let shown = pool.describe("old-box");
    assert_eq!((shown.guid, shown.health.as_str(), shown.missing), (u64::MAX, "DEGRADED", 1));
    assert_eq!(shown.disks, ["ata-WDC_WD40EFRX_WD-1", "wwn-0x5000c500a", "missing", "nvme-X_1"]);
    assert!(shown.hint.contains("4711") && shown.hint.contains("can be imported"), "{}", shown.hint);
    assert_eq!((shown.last_host.as_str(), shown.ours, shown.in_use_elsewhere), ("old-box", true, false));
}

#[test]
fn a_pool_is_whole_if_all_its_disks_are_there() {
    let whole = |text: &str| parse(text).iter().map(Importable::is_whole).collect::<Vec<_>>();
    assert_eq!(whole(&listed("understudy", "ONLINE", "ONLINE")), [true]);
    assert_eq!(
        whole(&(listed("tank", "DEGRADED", "UNAVAIL") + &listed("understudy", "ONLINE", "ONLINE"))),
        [false, true]
    );
    for other in [
        listed("understudy", "DEGRADED", "UNAVAIL"),
        listed("understudy", "ONLINE", "UNAVAIL"),
        listed("understudy", "ONLINE", "UNAVAIL  was /dev/disk/by-id/ONLINE"),
        "   pool: understudy\n  id: 7\n  state: ONLINE\n".to_owned(),
    ] {
        assert_eq!(whole(&other), [false], "{other}");
    }
    assert!(whole("").is_empty() && whole("no pools available to import\n").is_empty());
}

#[test]
fn a_pool_of_another_box_is_told_in_each_of_the_words_zfs_has_for_it() {
    let mismatch = "  pool: understudy\n    id: 5\n state: ONLINE\nstatus: The pool was last accessed by another system.\n\
         action: The pool can be imported using its name or numeric identifier and\n\tthe '-f' flag.\nconfig:\n\n\
         \tunderstudy  ONLINE\n\t  virtio-a  ONLINE\n";
    let active = "  pool: understudy\n    id: 6\n state: UNAVAIL\nstatus: The pool is currently imported by another \
         system.\naction: The pool must be exported from other (hostid=7)\n\tbefore it can be safely imported.\n\
         config:\n\n\tunderstudy  UNAVAIL  currently in use\n\t  virtio-a  ONLINE\n";
    let unreadable = "  pool: understudy\n    id: 7\n state: FAULTED\nstatus: The pool metadata is corrupted.\naction: The \
         pool cannot be imported due to damaged devices or data.\n\tThe pool may be active on another system, but can \
         be imported using\n\tthe '-f' flag.\nconfig:\n\n\tunderstudy  FAULTED  corrupted data\n\t  virtio-a  ONLINE\n";
    for (text, words) in
        [(mismatch, "did not release"), (active, "using this pool now"), (unreadable, "ZFS says")]
    {
        let shown = parse(text)[0].describe("");
        assert!(shown.in_use_elsewhere, "{text}");
        assert!(shown.hint.contains(words), "{}", shown.hint);
    }
}

#[test]
fn a_pool_that_lacks_too_many_disks_says_which() {
    let text = "  pool: my tank\n    id: 9\n state: UNAVAIL\nstatus: One or more devices are missing from the system.\n\
         action: The pool cannot be imported. Attach the missing\n\tdevices and try again.\nconfig:\n\n\
         \tmy tank      UNAVAIL  insufficient replicas\n\t  virtio-a  UNAVAIL  cannot open\n\t  virtio-b  ONLINE\n\n\
         \tAdditional devices are known to be part of this pool, though their\n\texact configuration cannot be determined.\n";
    let shown = parse(text)[0].describe("");
    assert_eq!((shown.name.as_str(), shown.missing, shown.ours), ("my tank", 1, false));
    assert_eq!(shown.disks, ["missing", "virtio-b"]);
    assert!(shown.hint.contains("Too many") && shown.hint.contains("virtio-a"), "{}", shown.hint);
}

#[test]
fn a_destroyed_pool_is_not_offered_as_ours() {
    let text = listed("understudy", "ONLINE (DESTROYED)", "ONLINE");
    let shown = parse(&text)[0].describe("");
    assert!(!shown.ours && shown.health == "ONLINE" && shown.hint.contains("destroyed"));
}

#[test]
fn what_is_shown_never_moves_the_cursor() {
    let shown = parse(&listed("un\u{1b}[2Jder", "ONLINE", "ONLINE"))[0].describe("a\r\nb");
    assert_eq!((shown.name.as_str(), shown.last_host.as_str()), ("un?[2Jder", "a??b"));
}

/// Pieces that mean something to the parser, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("  pool: ".to_owned()),
        Just("    id: 12\n".to_owned()),
        Just(" state: ONLINE\n".to_owned()),
        Just("status: ".to_owned()),
        Just("action:".to_owned()),
        Just("config:\n\n".to_owned()),
        Just("\t  mirror-0  ONLINE\n".to_owned()),
        Just("\t".to_owned()),
        Just("\n".to_owned()),
        ".{0,12}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![pieces(), "(?s).*"]) {
        for pool in parse(&text) {
            prop_assert!(pool.guid != 0 && !pool.name.is_empty());
            let shown = pool.describe(&text);
            prop_assert!(usize::try_from(shown.missing).unwrap() <= shown.disks.len());
            for text in shown.disks.iter().chain([&shown.name, &shown.health, &shown.hint, &shown.last_host]) {
                prop_assert!(!text.contains(char::is_control), "{:?}", text);
            }
        }
    }

    #[test]
    fn any_pool_of_any_shape_reads_back(
        name in "[a-z][a-z0-9_.:-]{0,20}( [a-z0-9]{1,5})?",
        guid in 1..=u64::MAX,
        disks in prop::collection::vec(("[a-zA-Z0-9_.:-]{1,40}", any::<bool>()), 1..9),
    ) {
        let missing = disks.iter().filter(|(_, there)| !there).count();
        let health = if missing == 0 { "ONLINE" } else { "DEGRADED" };
        let mut text = format!("  pool: {name}\n    id: {guid}\n state: {health}\nconfig:\n\n\t{name}  {health}\n\t  x-0  {health}\n");
        for (disk, there) in &disks {
            text += &format!("\t    {disk:<42}  {}\n", if *there { "ONLINE" } else { "UNAVAIL  cannot open" });
        }
        let pools = parse(&text);
        prop_assert_eq!(pools.len(), 1);
        prop_assert_eq!((&pools[0].name, pools[0].guid, pools[0].is_whole()), (&name, guid, missing == 0));
        let names: Vec<_> = pools[0].disks.iter().map(|disk| disk.name.clone()).collect();
        prop_assert_eq!(names, disks.iter().map(|(disk, _)| disk.clone()).collect::<Vec<_>>());
        prop_assert_eq!(pools[0].describe("").missing as usize, missing);
    }
}
