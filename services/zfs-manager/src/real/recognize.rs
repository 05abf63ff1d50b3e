//! Which of the pools on the disks is the box's own.
//!
//! Its own is the one whose GUID it remembers. Names prove nothing: each box calls its pool the same. Where nothing is
//! remembered, because an older version made the pool or power failed before it was written down, the host id in the disks'
//! labels decides: it is made from the box's machine id, and stays after the pool is released. After a factory reset the box
//! has a new one, and takes no pool by itself.

use std::collections::BTreeSet;

use understudy_udev::printable;

use crate::importable::Importable;
use crate::layout;
use crate::memory::Own;

/// A pool on the disks, with what its label says.
#[derive(Debug, Clone, Default)]
pub struct Candidate {
    /// As ZFS lists it.
    pub pool: Importable,
    /// Number of the host that had it last, if its label says so.
    pub host_id: Option<u64>,
    /// Name of that host; empty if unknown.
    pub host_name: String,
    /// The whole disks it lies on, by the kernel's names; one that is missing is not among them.
    pub lies_on: BTreeSet<String>,
}

/// What to do about the pools on the disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Import this one.
    Import(u64),
    /// There is none to import, and nothing to say about it.
    Nothing,
    /// None is imported, for this reason.
    Refuse(String),
}

/// Chooses. `host_id` is this box's own, if it has one; `making` the disks that a pool was being made of, by the kernel's names.
pub fn choose(
    own: &Own,
    host_id: Option<u64>,
    making: Option<&BTreeSet<String>>,
    candidates: &[Candidate],
) -> Choice {
    if let Own::Pool(own) = own {
        let found = candidates.iter().any(|candidate| candidate.pool.guid == own.guid);
        return if found { Choice::Import(own.guid) } else { Choice::Refuse(absent(own.guid)) };
    }
    let named = candidates.iter().filter(|candidate| candidate.pool.name == layout::POOL);
    let (mine, foreign): (Vec<_>, Vec<_>) =
        named.partition(|candidate| host_id.is_some() && candidate.host_id == host_id);
    let mut mine = mine.into_iter().filter(|candidate| {
        // What the box was told to forget has its host id too.
        *own == Own::Unknown || making.is_some_and(|making| candidate.lies_on == *making)
    });
    match (mine.next(), mine.next()) {
        (Some(only), None) => Choice::Import(only.pool.guid),
        (Some(one), Some(other)) => Choice::Refuse(format!(
            "two pools on these disks were last used by this box ({} and {}); import the right one on the console",
            one.pool.guid, other.pool.guid
        )),
        (None, _) => match foreign.first() {
            Some(foreign) if *own == Own::Unknown => {
                let host = match foreign.host_name.as_str() {
                    "" => "another box".to_owned(),
                    name => format!("another box ({})", printable(name)),
                };
                Choice::Refuse(format!(
                    "this box has no pool yet. The one on these disks is that of {host} and is not taken by itself; \
                     import it on the console if this box is to have it"
                ))
            }
            _ => Choice::Nothing,
        },
    }
}

fn absent(guid: u64) -> String {
    format!(
        "none of the disks of this box's pool (number {guid}) is there. Connect them and restart the box; if they are gone for \
         good, let the box forget its pool on the console"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Identity;

    const HOST: Option<u64> = Some(7);

    fn candidate(guid: u64, host_id: u64, disks: &[&str]) -> Candidate {
        let mut pool = Importable::default();
        (pool.guid, pool.name) = (guid, layout::POOL.to_owned());
        Candidate {
            pool,
            host_id: Some(host_id),
            host_name: "other".to_owned(),
            lies_on: disks.iter().map(ToString::to_string).collect(),
        }
    }

    fn refused(choice: &Choice) -> &str {
        match choice {
            Choice::Refuse(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_remembered_pool_is_imported_whoever_had_it_and_no_other() {
        let own = Own::Pool(Identity { guid: 1, encrypted: false });
        let disks = [candidate(2, 7, &["vda"]), candidate(1, 9, &["vdb"])];
        assert_eq!(choose(&own, HOST, None, &disks), Choice::Import(1));
        assert!(refused(&choose(&own, HOST, None, &disks[..1])).contains("number 1"));
    }

    #[test]
    fn without_memory_only_a_pool_that_this_box_had_last_is_its_own() {
        let own = Own::Unknown;
        assert_eq!(
            choose(&own, HOST, None, &[candidate(1, 7, &[]), candidate(2, 9, &[])]),
            Choice::Import(1)
        );
        let foreign = choose(&own, HOST, None, &[candidate(2, 9, &[])]);
        assert!(refused(&foreign).contains("(other)") && refused(&foreign).contains("no pool yet"));
        // A box whose own number is unknown knows no pool by it.
        assert!(matches!(choose(&own, None, None, &[candidate(1, 7, &[])]), Choice::Refuse(_)));
        let unlabelled = Candidate { host_id: None, ..candidate(1, 7, &[]) };
        assert!(matches!(choose(&own, None, None, &[unlabelled]), Choice::Refuse(_)));
        assert_eq!(choose(&own, HOST, None, &[]), Choice::Nothing);
        let both = choose(&own, HOST, None, &[candidate(1, 7, &[]), candidate(2, 7, &[])]);
        assert!(refused(&both).contains("two pools"));
    }

    #[test]
    fn a_pool_with_another_name_is_nobodys() {
        let mut tank = candidate(1, 7, &[]);
        tank.pool.name = "tank".to_owned();
        assert_eq!(choose(&Own::Unknown, HOST, None, &[tank]), Choice::Nothing);
    }

    #[test]
    fn a_forgotten_pool_stays_forgotten_and_a_half_made_one_is_finished() {
        let forgotten = candidate(1, 7, &["vda", "vdb"]);
        let half_made = candidate(2, 7, &["vdc"]);
        let making = BTreeSet::from(["vdc".to_owned()]);
        let disks = [forgotten, half_made];
        assert_eq!(choose(&Own::None, HOST, None, &disks), Choice::Nothing);
        assert_eq!(choose(&Own::None, HOST, Some(&making), &disks), Choice::Import(2));
    }
}
