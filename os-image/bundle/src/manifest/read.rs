//! A manifest from text. A section or a key that RAUC 1.13 does not know is an error, as it is for RAUC.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::key_file::{Section, parse, unescape, unescape_list};
use super::{Adaptive, Image, Manifest, ManifestError, TreeKeys};
use crate::BLOCK;

impl Manifest {
    /// Reads `manifest.raucm` as it lies in the squashfs.
    ///
    /// # Errors
    /// When the text is not a manifest of a verity bundle without the figures of a tree.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let (manifest, bundle) = read(text)?;
        bundle.end()?;
        Ok(manifest)
    }

    /// Reads the manifest of a signature.
    ///
    /// # Errors
    /// When the text is not a manifest of a verity bundle with the figures of a tree.
    pub fn parse_signed(text: &str) -> Result<(Self, TreeKeys), ManifestError> {
        let (manifest, mut bundle) = read(text)?;
        let root = bundle.parsed("verity-hash", "64 hexadecimal digits")?;
        let salt = bundle.parsed("verity-salt", "64 hexadecimal digits")?;
        let expected = "a number of bytes in whole blocks of 4096, not zero";
        let tree_size: u64 = bundle.parsed("verity-size", expected)?;
        if tree_size == 0 || !tree_size.is_multiple_of(BLOCK as u64) {
            return Err(bundle.value("verity-size", &tree_size.to_string(), expected));
        }
        bundle.end()?;
        Ok((manifest, TreeKeys { root, salt, tree_size }))
    }
}

/// The manifest, and what is left of its section `[bundle]`.
fn read(text: &str) -> Result<(Manifest, Keys), ManifestError> {
    let mut sections = parse(text)?.into_iter().map(|(name, keys)| Keys { name, keys }).collect::<Vec<_>>();
    let mut take = |name: &str| {
        let at = sections.iter().position(|section| section.name == name);
        at.map_or_else(|| Keys { name: name.into(), keys: Vec::new() }, |at| sections.remove(at))
    };

    let mut update = take("update");
    let mut bundle = take("bundle");
    match bundle.optional("format")?.as_deref() {
        Some("verity") => {}
        // RAUC, too, takes a missing format for the oldest one.
        other => return Err(ManifestError::Format(other.unwrap_or("plain").into())),
    }
    let mut manifest = Manifest {
        compatible: update.required("compatible")?,
        version: update.optional("version")?,
        description: update.optional("description")?,
        build: update.optional("build")?,
        images: Vec::new(),
        meta: BTreeMap::new(),
    };
    update.end()?;
    for section in sections {
        if let Some(name) = section.name.strip_prefix("image.") {
            let name = name.to_owned();
            manifest.images.push(image(name, section)?);
        } else if let Some(label) = section.name.strip_prefix("meta.") {
            let label = label.to_owned();
            manifest.meta.insert(label, section.all()?);
        } else {
            return Err(ManifestError::Section { section: section.name });
        }
    }
    manifest.check()?;
    Ok((manifest, bundle))
}

fn image(name: String, mut keys: Keys) -> Result<Image, ManifestError> {
    // RAUC knows these and does nothing with them.
    for ignored in ["version", "description", "build"] {
        keys.raw(ignored);
    }
    let image = Image {
        name,
        sha256: keys.parsed("sha256", "64 hexadecimal digits")?,
        size: keys.parsed("size", "a number of bytes")?,
        filename: keys.required("filename")?,
        adaptive: keys.list("adaptive")?.into_iter().map(Adaptive::parse).collect(),
    };
    keys.end()?;
    Ok(image)
}

/// The keys of a section that nobody has asked for yet.
struct Keys {
    name: String,
    keys: Section,
}

impl Keys {
    fn raw(&mut self, key: &str) -> Option<String> {
        let at = self.keys.iter().position(|(name, _)| name == key)?;
        Some(self.keys.remove(at).1)
    }

    fn optional(&mut self, key: &str) -> Result<Option<String>, ManifestError> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        unescape(&raw).map(Some).ok_or_else(|| self.value(key, &raw, UNKNOWN_ESCAPE))
    }

    fn required(&mut self, key: &'static str) -> Result<String, ManifestError> {
        self.optional(key)?.ok_or_else(|| ManifestError::Missing { section: self.name.clone(), key })
    }

    fn parsed<T: FromStr>(&mut self, key: &'static str, expected: &'static str) -> Result<T, ManifestError> {
        let value = self.required(key)?;
        value.parse().map_err(|_| self.value(key, &value, expected))
    }

    fn list(&mut self, key: &str) -> Result<Vec<String>, ManifestError> {
        let Some(raw) = self.raw(key) else { return Ok(Vec::new()) };
        unescape_list(&raw).ok_or_else(|| self.value(key, &raw, UNKNOWN_ESCAPE))
    }

    /// Everything, whatever it is called.
    fn all(mut self) -> Result<BTreeMap<String, String>, ManifestError> {
        std::mem::take(&mut self.keys)
            .into_iter()
            .map(|(key, raw)| match unescape(&raw) {
                Some(value) => Ok((key, value)),
                None => Err(self.value(&key, &raw, UNKNOWN_ESCAPE)),
            })
            .collect()
    }

    /// Nothing may be left.
    fn end(mut self) -> Result<(), ManifestError> {
        match self.keys.pop() {
            Some((key, _)) => Err(ManifestError::Key { section: self.name, key }),
            None => Ok(()),
        }
    }

    fn value(&self, key: &str, value: &str, expected: &'static str) -> ManifestError {
        ManifestError::Value { section: self.name.clone(), key: key.into(), value: value.into(), expected }
    }
}

const UNKNOWN_ESCAPE: &str = "after a backslash only s, n, t, r and a backslash have a meaning";
