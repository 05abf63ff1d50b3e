//! A manifest as text, keys in the order RAUC 1.13 writes them.

use std::fmt::Write as _;

use super::key_file::escape;
use super::{Manifest, ManifestError, TreeKeys};

impl Manifest {
    /// The text of `manifest.raucm`, to be packed into the squashfs.
    ///
    /// # Errors
    /// When a name or a value is not one RAUC would read back as it is.
    pub fn to_text(&self) -> Result<String, ManifestError> {
        self.write(None)
    }

    /// The text that is signed.
    ///
    /// # Errors
    /// Like [`Manifest::to_text`].
    pub fn to_signed_text(&self, tree: &TreeKeys) -> Result<String, ManifestError> {
        self.write(Some(tree))
    }

    fn write(&self, tree: Option<&TreeKeys>) -> Result<String, ManifestError> {
        self.check()?;
        let mut text = Text::default();
        text.section("update");
        text.key("compatible", &self.compatible);
        for (key, value) in
            [("version", &self.version), ("description", &self.description), ("build", &self.build)]
        {
            if let Some(value) = value {
                text.key(key, value);
            }
        }
        text.section("bundle");
        text.key("format", "verity");
        if let Some(tree) = tree {
            text.key("verity-hash", &tree.root.to_string());
            text.key("verity-salt", &tree.salt.to_string());
            text.key("verity-size", &tree.tree_size.to_string());
        }
        for image in &self.images {
            text.section(&image.section());
            text.key("sha256", &image.sha256.to_string());
            text.key("size", &image.size.to_string());
            text.key("filename", &image.filename);
            if !image.adaptive.is_empty() {
                text.list("adaptive", image.adaptive.iter().map(super::Adaptive::name));
            }
        }
        for (label, keys) in &self.meta {
            text.section(&format!("meta.{label}"));
            for (key, value) in keys {
                text.key(key, value);
            }
        }
        Ok(text.0)
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, name: &str) {
        let blank = if self.0.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.0, "{blank}[{name}]");
    }

    fn key(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key}={}", escape(value, None));
    }

    fn list<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        let values: String = values.map(|value| escape(value, Some(';')) + ";").collect();
        let _ = writeln!(self.0, "{key}={values}");
    }
}
