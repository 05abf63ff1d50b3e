//! Which pool on the disks is meant by answers that import one.

use understudy_answers::Import;
use understudy_bus::zfs::ImportablePool;

/// Its GUID; or why there is none to be imported.
pub fn choose(import: Import, found: &[ImportablePool]) -> Result<u64, String> {
    let fits = |pool: &&ImportablePool| match import {
        Import::Only => pool.ours,
        Import::Guid(guid) => pool.guid == guid,
    };
    let fitting: Vec<_> = found.iter().filter(fits).collect();
    match (&fitting[..], import) {
        ([pool], _) if pool.health == "UNAVAIL" => {
            Err(format!("the pool {} cannot be imported: {}", named(pool), pool.hint))
        }
        ([pool], _) => Ok(pool.guid),
        ([], Import::Only) => {
            Err("no disk holds the pool of a box like this one; connect its disks".to_owned())
        }
        ([], Import::Guid(guid)) => {
            Err(format!("no disk holds a pool with the number {guid}; there are: {}", list(found)))
        }
        (several, _) => {
            let several: Vec<_> = several.iter().map(|pool| named(pool)).collect();
            Err(format!("several pools could be meant; import one by its number: {}", several.join(", ")))
        }
    }
}

fn named(pool: &ImportablePool) -> String {
    match pool.last_host.as_str() {
        "" => pool.guid.to_string(),
        host => format!("{} (of {host})", pool.guid),
    }
}

fn list(found: &[ImportablePool]) -> String {
    if found.is_empty() {
        return "none at all".to_owned();
    }
    found.iter().map(named).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(guid: u64, ours: bool, health: &str) -> ImportablePool {
        let (health, hint) = (health.to_owned(), "two disks are missing".to_owned());
        ImportablePool {
            guid,
            ours,
            health,
            hint,
            last_host: "old-box".to_owned(),
            ..ImportablePool::default()
        }
    }

    #[test]
    fn the_only_one_of_a_box_is_meant_whatever_else_there_is() {
        let found = [pool(1, false, "ONLINE"), pool(2, true, "DEGRADED")];
        assert_eq!(choose(Import::Only, &found), Ok(2));
        assert!(choose(Import::Only, &found[..1]).unwrap_err().contains("no disk holds"));
        let two = choose(Import::Only, &[pool(2, true, "ONLINE"), pool(3, true, "ONLINE")]).unwrap_err();
        assert!(two.contains("2 (of old-box), 3 (of old-box)"), "{two}");
    }

    #[test]
    fn one_is_meant_by_its_number_and_must_be_whole_enough() {
        let found = [pool(1, false, "ONLINE"), pool(2, true, "UNAVAIL")];
        assert_eq!(choose(Import::Guid(1), &found), Ok(1));
        assert!(choose(Import::Guid(2), &found).unwrap_err().contains("two disks are missing"));
        assert!(choose(Import::Guid(9), &found).unwrap_err().contains("1 (of old-box)"));
        assert!(choose(Import::Guid(9), &[]).unwrap_err().contains("none at all"));
    }
}
