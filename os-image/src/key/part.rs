//! One input of a stage: its hash, and what it was made from where that is short enough to be shown to a person.

use std::collections::BTreeMap;

use serde_json::Value;

/// Longest text that is kept: longer ones, such as a stage's source, are no line that a person would read.
const LONGEST_TEXT: usize = 200;
/// Most texts or files that are kept of one input.
const MOST: usize = 4000;

/// An input.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Part {
    /// BLAKE3 over all of it.
    pub hash: String,
    /// What it is.
    pub made: Made,
}

/// What a hash was made from.
#[derive(Debug, Clone)]
pub enum Made {
    /// Plain data.
    OfValue(Value),
    /// Files: their paths, each with a word for what it is and a hash.
    OfFiles(BTreeMap<String, String>),
    /// Only the hash was kept.
    Forgotten,
    /// Something in the result of the stage with this hash, which is not built: its own hash stands for nothing.
    NotKnownBefore(String),
}

impl Part {
    pub(super) fn of_value(value: &impl serde::Serialize) -> Self {
        const PLAIN: &str = "inputs are plain data with string keys";
        let hash = hash(&serde_json::to_vec(value).expect(PLAIN));
        Self { hash, made: Made::OfValue(serde_json::to_value(value).expect(PLAIN)) }
    }

    pub(super) fn of_files(files: BTreeMap<String, String>) -> Self {
        Self { hash: Self::of_value(&files).hash, made: Made::OfFiles(files) }
    }

    pub(super) fn not_known_before(stage: &str) -> Self {
        Self {
            hash: hash(format!("not known before {stage}").as_bytes()),
            made: Made::NotKnownBefore(stage.into()),
        }
    }

    /// Every text in its value: hashes of earlier stages are among them.
    pub fn texts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        if let Made::OfValue(value) = &self.made {
            collect_texts(value, &mut found);
        }
        found
    }

    fn is_worth_keeping(&self) -> bool {
        match &self.made {
            Made::OfValue(_) => {
                let texts = self.texts();
                texts.len() <= MOST && texts.iter().all(|text| text.len() <= LONGEST_TEXT)
            }
            Made::OfFiles(files) => files.len() <= MOST,
            Made::Forgotten | Made::NotKnownBefore(_) => false,
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn collect_texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How a part stands in a file.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Stored {
    /// Also the only form of files written before values were kept.
    Hash(String),
    Value {
        hash: String,
        value: Value,
    },
    Files {
        hash: String,
        files: BTreeMap<String, String>,
    },
}

impl From<Part> for Stored {
    fn from(part: Part) -> Self {
        let keep = part.is_worth_keeping();
        match part {
            Part { hash, made: Made::OfValue(value) } if keep => Self::Value { hash, value },
            Part { hash, made: Made::OfFiles(files) } if keep => Self::Files { hash, files },
            Part { hash, .. } => Self::Hash(hash),
        }
    }
}

impl From<Stored> for Part {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Hash(hash) => Self { hash, made: Made::Forgotten },
            Stored::Value { hash, value } => Self { hash, made: Made::OfValue(value) },
            Stored::Files { hash, files } => Self { hash, made: Made::OfFiles(files) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(part: &Part) -> Value {
        serde_json::to_value(part).unwrap()
    }

    #[test]
    fn short_values_are_kept_and_long_texts_are_not() {
        let short = Part::of_value(&["zfs"]);
        assert_eq!(stored(&short), serde_json::json!({ "hash": short.hash, "value": ["zfs"] }));
        let long = Part::of_value(&["x".repeat(LONGEST_TEXT + 1)]);
        assert_eq!(stored(&long), serde_json::json!(long.hash));
    }

    #[test]
    fn what_was_kept_is_read_again_and_so_is_a_bare_hash() {
        let files = Part::of_files([("etc/hosts".to_owned(), "file 1".to_owned())].into());
        let read: Part = serde_json::from_value(stored(&files)).unwrap();
        assert!(matches!(read.made, Made::OfFiles(files) if files.contains_key("etc/hosts")));
        let read: Part = serde_json::from_str("\"abc\"").unwrap();
        assert!(read.hash == "abc" && matches!(read.made, Made::Forgotten));
    }
}
