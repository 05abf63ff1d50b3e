//! Names that fit SPDX's identifiers.

use sha2::{Digest, Sha256};

/// Longest part of an identifier that is there for people to read.
const READABLE: usize = 40;

/// `name` with nothing but the letters, digits, `.` and `-` that SPDX allows in identifiers.
pub(crate) fn slug(name: &str) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let text: String = name.chars().map(fitting).take(READABLE).collect();
    match text.trim_matches('-') {
        "" => "unnamed".into(),
        text => text.into(),
    }
}

/// Tells apart what has the same [`slug`].
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize()[..6])
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
