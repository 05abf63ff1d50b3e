//! What RAUC asks of a manifest beyond its syntax, checked when one is written and when one is read.

use super::{Image, Manifest};

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not a key file.
    #[error("manifest, line {line}: {problem}")]
    Syntax {
        /// From one.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A section RAUC does not know, or one this crate does not support.
    #[error(
        "manifest: section [{section}] is not supported; remove it, or put free data into a [meta.LABEL] section"
    )]
    Section {
        /// Its name.
        section: String,
    },
    /// A key RAUC does not know, or one this crate does not support.
    #[error("manifest: key `{key}` in section [{section}] is not supported; remove it")]
    Key {
        /// Its section.
        section: String,
        /// Its name.
        key: String,
    },
    /// A required key is not there.
    #[error("manifest: section [{section}] lacks `{key}`")]
    Missing {
        /// The section.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// A value means nothing.
    #[error("manifest: `{key}` in section [{section}] is {value:?}; {expected}")]
    Value {
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A bundle of another format than verity.
    #[error(
        "this is a bundle of the format `{0}`, only `verity` is supported; make it again with `format=verity`"
    )]
    Format(String),
    /// A section cannot have that name.
    #[error("manifest: [{section}] is no name of a section; {expected}")]
    Name {
        /// The section.
        section: String,
        /// What is allowed.
        expected: &'static str,
    },
}

impl Manifest {
    /// # Errors
    /// When a name or a value is not one RAUC would read back as it is.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        text("update", "compatible", &self.compatible)?;
        let optional =
            [("version", &self.version), ("description", &self.description), ("build", &self.build)];
        for (key, value) in optional {
            value.as_deref().map_or(Ok(()), |value| text("update", key, value))?;
        }
        for (index, image) in self.images.iter().enumerate() {
            image.check()?;
            if self.images[..index].iter().any(|other| other.name == image.name) {
                return Err(ManifestError::Name { section: image.section(), expected: "it comes twice" });
            }
        }
        for (label, keys) in &self.meta {
            let section = format!("meta.{label}");
            let expected = "RAUC makes environment variables of labels and keys in meta sections, so they are letters, \
                            digits, `-` and `_`";
            if !is_word(label) {
                return Err(ManifestError::Name { section, expected });
            }
            for (key, value) in keys {
                if !is_word(key) {
                    let (key, value) = (key.clone(), value.clone());
                    return Err(ManifestError::Value { section, key, value, expected });
                }
                text(&section, key, value)?;
            }
        }
        Ok(())
    }
}

impl Image {
    pub(super) fn section(&self) -> String {
        format!("image.{}", self.name)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let section = self.section();
        // A trailing or doubled dot would leave RAUC with an empty class or variant.
        let parts_are_named = self.name.split(['.', '/']).all(|part| !part.is_empty());
        if !parts_are_named || self.name.contains(|c: char| c.is_control() || matches!(c, '[' | ']' | ' ')) {
            let expected = "an image is named by its slot class, such as [image.rootfs]";
            return Err(ManifestError::Name { section, expected });
        }
        text(&section, "filename", &self.filename)?;
        if self.filename.contains('/') || matches!(self.filename.as_str(), "." | "..") {
            return Err(ManifestError::Value {
                section,
                key: "filename".into(),
                value: self.filename.clone(),
                expected: "an image is a file at the top of the bundle, without `/`",
            });
        }
        self.adaptive.iter().try_for_each(|method| text(&section, "adaptive", method.name()))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// RAUC takes an empty value for a missing one; GLib escapes no control characters but these three.
fn text(section: &str, key: &str, value: &str) -> Result<(), ManifestError> {
    let expected = if value.is_empty() {
        "leave the key out, or give it a value"
    } else if value.contains(|c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t')) {
        "control characters do not survive in a key file"
    } else {
        return Ok(());
    };
    Err(ManifestError::Value { section: section.into(), key: key.into(), value: value.into(), expected })
}
