//! The label that ZFS keeps on each disk of a pool, as `zdb -l` prints it.
//!
//! ```text
//! ------------------------------------
//! LABEL 0
//! ------------------------------------
//!     version: 5000
//!     name: 'understudy'
//!     state: 0
//!     txg: 4
//!     pool_guid: 1234567890
//!     hostid: 305419896
//!     hostname: 'box'
//!     vdev_tree:
//!         …
//!     labels = 0 1 2 3
//! ```
//!
//! Host id and name are those of whoever had the pool imported last, also after it was released: `spa_config_generate` puts
//! them into every label it writes.

/// What a label says of its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The pool's name.
    pub name: String,
    /// The pool's GUID.
    pub guid: u64,
    /// Number of the host that had it last, if that had one.
    pub host_id: Option<u64>,
    /// Name of that host; empty if unknown.
    pub host_name: String,
    txg: u64,
}

/// The newest of the labels printed: while a label is being written, the others on the disk still say what was.
pub fn parse(text: &str) -> Option<Label> {
    let mut best: Option<Label> = None;
    for block in text.split("LABEL ").skip(1) {
        let Some(label) = parse_one(block) else { continue };
        if best.as_ref().is_none_or(|best| label.txg > best.txg) {
            best = Some(label);
        }
    }
    best
}

fn parse_one(block: &str) -> Option<Label> {
    // The pool's own lines are indented by four; deeper ones belong to its parts, which have names and GUIDs too.
    let value = |key: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("    "));
        let mut own = lines.filter(|line| !line.starts_with(' '));
        own.find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(str::trim)
    };
    let unquoted = |text: &str| text.trim_matches('\'').to_owned();
    Some(Label {
        name: unquoted(value("name")?),
        guid: value("pool_guid")?.parse().ok()?,
        host_id: value("hostid").and_then(|id| id.parse().ok()),
        host_name: value("hostname").map(unquoted).unwrap_or_default(),
        txg: value("txg").and_then(|txg| txg.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(number: u32, txg: u64, host: u64) -> String {
        format!(
            "------------------------------------\nLABEL {number} \n------------------------------------\n    version: 5000\n    \
             name: 'tank'\n    state: 0\n    txg: {txg}\n    pool_guid: {}\n    errata: 0\n    hostid: {host}\n    hostname: \
             'box'\n    top_guid: 5\n    guid: 6\n    vdev_tree:\n        type: 'disk'\n        name: 'no'\n    labels = 0 \n",
            u64::MAX
        )
    }

    #[test]
    fn the_host_that_had_the_pool_last_is_read_from_the_newest_label() {
        let found = parse(&(label(0, 7, 1) + &label(1, 9, 2) + &label(2, 8, 3))).unwrap();
        assert_eq!((found.name.as_str(), found.guid, found.host_id), ("tank", u64::MAX, Some(2)));
        assert_eq!(found.host_name, "box");
        let without = label(0, 7, 1).replace("    hostid: 1\n", "").replace("    hostname: 'box'\n", "");
        assert_eq!(
            parse(&without).map(|label| (label.host_id, label.host_name)),
            Some((None, String::new()))
        );
    }

    #[test]
    fn a_disk_without_a_label_has_none() {
        assert_eq!(parse("failed to unpack label 0\nfailed to unpack label 1\n"), None);
        assert_eq!(parse("LABEL 0\n    name: 'tank'\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).*", name in "(?s).*") {
            let _ = parse(&text);
            let _ = parse(&label(0, 1, 1).replace("tank", &name));
        }
    }
}
