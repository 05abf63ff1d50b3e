//! What a bundle says of itself, and whether it is as signed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;
use dm_verity::{Digest, Salt, Verity};
use understudy_bus::rauc::RaucProxy;
use zbus::zvariant::{OwnedValue, Value};

use crate::plain;

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// What hardware it is for.
    pub compatible: String,
    /// Its version; empty if it says none.
    pub version: String,
    /// What authenticates the contents: root and salt of the tree, and its bytes.
    tree: Option<(Digest, Salt, u64)>,
}

impl Offered {
    /// Has RAUC read it: its signature must be one that this box trusts.
    pub async fn inspect(rauc: &RaucProxy<'_>, source: &str) -> anyhow::Result<Self> {
        let info = rauc
            .inspect_bundle(source, HashMap::new())
            .await
            .map_err(plain)
            .with_context(|| format!("{source} cannot be used, and nothing was changed"))?;
        Self::read(&info).with_context(|| format!("RAUC says nothing of the contents of {source}"))
    }

    fn read(info: &HashMap<String, OwnedValue>) -> Option<Self> {
        let update = dictionary(info.get("update")?)?;
        let text = |dictionary: &HashMap<String, Value<'_>>, key: &str| match dictionary.get(key) {
            Some(Value::Str(text)) => Some(text.to_string()),
            _ => None,
        };
        let tree = || {
            let bundle = dictionary(info.get("bundle")?)?;
            let Some(Value::U64(size)) = bundle.get("verity-size") else { return None };
            let root = text(&bundle, "verity-hash")?.parse().ok()?;
            Some((root, text(&bundle, "verity-salt")?.parse().ok()?, *size))
        };
        Some(Self {
            compatible: text(&update, "compatible")?,
            version: text(&update, "version").unwrap_or_default(),
            tree: tree(),
        })
    }

    /// Compares every block of a bundle with its signed tree. Layout: data, tree, signature, and its length in eight bytes.
    pub fn check(&self, bundle: &Path) -> anyhow::Result<()> {
        let (root, salt, tree_size) = self.tree.context("RAUC does not say what authenticates it")?;
        let mut file = File::open(bundle)?;
        let mut length = [0; 8];
        let end = file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut length)?;
        let data_size = end
            .checked_sub(u64::from_be_bytes(length))
            .and_then(|signed| signed.checked_sub(tree_size))
            .context("it is shorter than it says")?;
        let mut tree = vec![0; usize::try_from(tree_size)?];
        file.seek(SeekFrom::Start(data_size))?;
        file.read_exact(&mut tree)?;
        file.rewind()?;
        let verity = Verity { root, salt, data_size };
        let mut data = BufReader::with_capacity(1 << 20, file).take(data_size);
        Ok(dm_verity::verify(&verity, &mut data, &mut Cursor::new(tree))?)
    }
}

/// A dictionary, in however many variants RAUC has wrapped it.
fn dictionary<'a>(value: &Value<'a>) -> Option<HashMap<String, Value<'a>>> {
    match value {
        Value::Value(inner) => dictionary(inner),
        Value::Dict(dict) => HashMap::try_from(dict.try_clone().ok()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundles_own_words_are_found_in_nested_variants() {
        let update = HashMap::from([("compatible", Value::from("box")), ("version", Value::from("1.2"))]);
        let wrapped = Value::Value(Box::new(Value::from(update)));
        let info = HashMap::from([("update".to_owned(), wrapped.try_to_owned().unwrap())]);
        let offered = Offered::read(&info).unwrap();
        assert_eq!(offered, Offered { compatible: "box".into(), version: "1.2".into(), tree: None });
        assert_eq!(Offered::read(&HashMap::new()), None);
    }

    #[test]
    fn a_flipped_bit_in_a_bundle_is_found_before_anything_is_written() {
        let salt = Salt([7; 32]);
        let data = vec![5; 3 * dm_verity::BLOCK];
        let mut tree = Cursor::new(Vec::new());
        let root = dm_verity::build(&mut &data[..], data.len() as u64, &salt, &mut tree).unwrap();
        let tree = tree.into_inner();
        let offered = Offered {
            compatible: String::new(),
            version: String::new(),
            tree: Some((root, salt, tree.len() as u64)),
        };
        let mut bundle = [&data[..], &tree, b"signature", &9u64.to_be_bytes()].concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bundle).unwrap();
        offered.check(file.path()).unwrap();
        bundle[5000] ^= 1;
        std::fs::write(file.path(), &bundle).unwrap();
        let error = offered.check(file.path()).unwrap_err().to_string();
        assert!(error.contains("block 1 of the data"), "{error}");
        std::fs::write(file.path(), &bundle[4096..]).unwrap();
        assert!(offered.check(file.path()).is_err());
    }
}
