//! The JSON of `zfs list -j -p` and `zpool … -j`. Every field is optional: what is absent is noticed where
//! it is needed, with a message that says which.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use understudy_bus::error::{Error, Result};

use crate::engine::Geometry;
use crate::layout;

#[derive(Deserialize)]
struct Property {
    #[serde(default)]
    value: Value,
}

/// One dataset, snapshot or pool.
#[derive(Deserialize)]
pub struct Entry {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    properties: BTreeMap<String, Property>,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    datasets: BTreeMap<String, Entry>,
    #[serde(default)]
    pools: BTreeMap<String, Entry>,
}

/// Parses a listing; its entries come in no particular order.
pub fn parse(json: &str) -> Result<Vec<Entry>> {
    // ZFS prints nothing at all where there is nothing to list.
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listing: Listing = serde_json::from_str(json)
        .map_err(|error| Error::Failed(format!("cannot read what ZFS printed as JSON: {error}")))?;
    let named = listing.datasets.into_iter().chain(listing.pools);
    Ok(named
        .map(|(key, entry)| if entry.name.is_empty() { Entry { name: key, ..entry } } else { entry })
        .collect())
}

impl Entry {
    /// A property's text; nothing when it is absent or `-`, as ZFS prints what is not set.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property)?.value.as_str().filter(|text| *text != "-")
    }

    /// A number, printed as text. One that is printed as a JSON number is refused: it may have been cut to 63 bits.
    pub fn number(&self, property: &str) -> Result<u64> {
        let value = self.properties.get(property).map(|property| &property.value);
        let number = value.and_then(|value| value.as_str()?.parse().ok());
        number.ok_or_else(|| Error::Corrupt(format!("{} has no readable property {property}", self.name)))
    }

    /// True size and sector size, after the check that they were written by a version we know.
    pub fn geometry(&self) -> Result<Geometry> {
        let version = self.number(layout::PROPERTY_VERSION)?;
        if version != layout::VERSION {
            return Err(Error::Corrupt(format!(
                "{} was written by another version of this software ({version}; this one knows {}); update the box",
                self.name,
                layout::VERSION
            )));
        }
        let sector = self.number(layout::PROPERTY_SECTOR)?;
        Geometry::new(self.number(layout::PROPERTY_SIZE)?, u32::try_from(sector).unwrap_or(0))
            .map_err(|error| Error::Corrupt(format!("{}: {}", self.name, error.message())))
    }
}

/// Paths of all disks in the JSON of `zpool status -j -P`, wherever they stand in its tree of vdevs.
pub fn disks(json: &str) -> Result<Vec<String>> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if fields.get("vdev_type").and_then(Value::as_str) == Some("disk")
                    && let Some(path) = fields.get("path").or(fields.get("name")).and_then(Value::as_str)
                {
                    found.push(path.to_owned());
                }
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Error::Failed(format!("cannot read what zpool printed as JSON: {error}")))?;
    let mut found = Vec::new();
    walk(&value, &mut found);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: &str = r#"{"output_version":{"command":"zfs list","vers_major":0,"vers_minor":1},"datasets":{
        "understudy/v":{"name":"understudy/v","type":"VOLUME","pool":"understudy","createtxg":12,"properties":{
            "volsize":{"value":"65536","source":{"type":"LOCAL","data":"-"}},
            "guid":{"value":"18446744073709551615"},"used":{"value":9223372036854775807},
            "org.understudy:version":{"value":"1"},"org.understudy:size":{"value":"35840000"},
            "org.understudy:sector":{"value":"512"},"org.understudy:point":{"value":"-"}}}}}"#;

    #[test]
    fn numbers_are_read_in_all_their_64_bits_or_not_at_all() {
        let entry = parse(VOLUME).unwrap().remove(0);
        assert_eq!(entry.number("volsize").unwrap(), 65536);
        assert_eq!(entry.number("guid").unwrap(), u64::MAX);
        assert!(entry.number("used").is_err(), "a JSON number may have been cut");
        assert_eq!(entry.geometry().unwrap(), Geometry::new(35_840_000, 512).unwrap());
        assert_eq!(entry.text("org.understudy:point"), None);
    }

    #[test]
    fn an_absent_property_is_named() {
        let error = parse(VOLUME).unwrap()[0].number("createtxg").unwrap_err();
        assert!(error.message().contains("understudy/v") && error.message().contains("createtxg"));
    }

    #[test]
    fn a_volume_of_a_later_version_is_refused() {
        let entry = parse(&VOLUME.replace(r#"{"value":"1"}"#, r#"{"value":"2"}"#)).unwrap().remove(0);
        assert!(entry.geometry().unwrap_err().message().contains("another version"));
    }

    #[test]
    fn nothing_listed_is_no_error_and_nonsense_is() {
        assert!(parse("").unwrap().is_empty());
        assert!(parse(r#"{"datasets":{}}"#).unwrap().is_empty());
        assert!(parse("{").is_err());
    }

    #[test]
    fn disks_are_found_at_any_depth() {
        let json = r#"{"pools":{"understudy":{"vdevs":{"understudy":{"vdev_type":"root","vdevs":{"mirror-0":{
            "vdev_type":"mirror","vdevs":{"a":{"vdev_type":"disk","path":"/dev/disk/by-id/virtio-a-part1"},
            "b":{"vdev_type":"disk","name":"/dev/disk/by-id/virtio-b-part1"}}}}}}}}}"#;
        assert_eq!(
            disks(json).unwrap(),
            ["/dev/disk/by-id/virtio-a-part1", "/dev/disk/by-id/virtio-b-part1"]
        );
    }
}
