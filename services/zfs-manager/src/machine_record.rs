//! A machine's record in ZFS user properties of its dataset, in base64 and numbered parts as a recovery point's (see
//! [`crate::record`]), with two differences.
//!
//! - Its properties have names of their own: volumes and their snapshots inherit what stands on the machine's dataset, and a
//!   point's record must not be continued by parts of its machine's.
//! - It is written again and again, so the first part begins with the number of parts (`2:…`): what a longer record left behind
//!   them does not count. ZFS sets all properties of one command in one transaction, so that no power cut mixes two records.

use understudy_bus::error::Result;

use crate::record;

/// Name of the property that holds part `index`.
pub fn property(index: usize) -> String {
    format!("org.understudy:machine-record.{index}")
}

/// The properties that hold `record`, with their values. `InvalidArgument` if it is too long.
pub fn encode(record: &str) -> Result<Vec<(String, String)>> {
    let parts = record::encode(record)?;
    let count = parts.len();
    let numbered = parts.into_iter().enumerate().map(|(index, (_, part))| {
        // Two digits and the colon just fit: a value may have 8191 bytes.
        (property(index), if index == 0 { format!("{count}:{part}") } else { part })
    });
    Ok(numbered.collect())
}

/// Puts the parts together again; `part` gives the value of part `index`. `None` if there is no record. One that is damaged is returned as
/// it stands: whoever wanted to read it says what is wrong with it, and other machines' records are not held up.
pub fn decode<'a>(part: impl Fn(usize) -> Option<&'a str>) -> Option<String> {
    let first = part(0)?;
    let whole = || {
        let (count, begin) = first.split_once(':')?;
        let count = count.parse().ok().filter(|count| (1..=record::PARTS).contains(count))?;
        let rest = (1..count).map(&part).collect::<Option<Vec<_>>>()?;
        record::decode(std::iter::once(begin).chain(rest)).ok()
    };
    Some(whole().unwrap_or_else(|| first.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use understudy_bus::error::Error;

    use super::*;

    /// What the pool has after these records were set one after the other.
    fn read_back(records: &[&str]) -> Option<String> {
        let mut held = BTreeMap::new();
        for record in records {
            let parts = encode(record).unwrap();
            assert!(parts.iter().all(|(_, value)| value.len() < 8192));
            held.extend(parts);
        }
        decode(|index| held.get(&property(index)).map(String::as_str))
    }

    #[test]
    fn a_record_reads_back_whatever_longer_or_shorter_one_was_there_before() {
        let (short, long) = ("{\"name\":\"mail\"}".to_owned(), "x".repeat(90_000));
        for records in [vec![&short], vec![&long], vec![&long, &short], vec![&short, &long, &short, &long]] {
            let records: Vec<&str> = records.into_iter().map(String::as_str).collect();
            assert!(read_back(&records).as_deref() == records.last().copied());
        }
    }

    #[test]
    fn every_length_up_to_the_longest_fits_into_properties() {
        // Around each boundary between two parts, and the longest there is.
        for parts in 1..=record::PARTS {
            let longest = parts * 8188 / 4 * 3;
            for length in [longest - 1, longest] {
                let text = "x".repeat(length);
                assert!(read_back(&[&text]).as_deref() == Some(&text), "{length}");
            }
        }
        assert!(matches!(encode(&"x".repeat(100_000)), Err(Error::InvalidArgument(_))));
    }

    #[test]
    fn no_record_is_none_and_a_damaged_one_comes_as_it_stands() {
        assert_eq!(decode(|_| None), None);
        for damaged in ["", "e30=", "1:%%%", "2:e30=", "17:e30=", "0:e30="] {
            assert_eq!(decode(|index| (index == 0).then_some(damaged)).as_deref(), Some(damaged));
        }
    }

    #[test]
    fn points_do_not_inherit_from_their_machine_what_they_would_read_as_their_own() {
        let own: Vec<String> = (0..record::PARTS).map(record::property).collect();
        assert!((0..record::PARTS).all(|index| !own.contains(&property(index))));
    }
}
