//! A recovery point's record in ZFS user properties.
//!
//! A property's value is at most 8191 bytes (ZAP_MAXVALUELEN) and is printed into lines, so the text is kept in base64, in
//! as many numbered properties as it takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use understudy_bus::error::{Error, Result};

/// Properties a record may take: some 96 KiB of text.
pub const PARTS: usize = 16;

/// Characters in one property; a multiple of four, so that each part decodes by itself.
const PART: usize = 8188;

/// Name of the property that holds part `index`.
pub fn property(index: usize) -> String {
    format!("org.understudy:record.{index}")
}

/// The properties that hold `record`, with their values. `InvalidArgument` if it is too long.
pub fn encode(record: &str) -> Result<Vec<(String, String)>> {
    let text = STANDARD.encode(record);
    if text.len() > PART * PARTS {
        return Err(Error::InvalidArgument(format!(
            "a record of {} bytes does not fit on the pool; at most {} do",
            record.len(),
            PART * PARTS / 4 * 3
        )));
    }
    let parts = text.as_bytes().chunks(PART).enumerate();
    Ok(parts.map(|(index, part)| (property(index), String::from_utf8_lossy(part).into_owned())).collect())
}

/// Puts the parts together again.
pub fn decode<'a>(parts: impl Iterator<Item = &'a str>) -> Result<String> {
    let text: String = parts.collect();
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::Corrupt("a record on the pool is not base64 of UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(record: &str) -> String {
        let parts = encode(record).unwrap();
        assert!(parts.iter().all(|(_, value)| value.len() < 8192));
        decode(parts.iter().map(|(_, value)| value.as_str())).unwrap()
    }

    #[test]
    fn any_text_reads_back() {
        for record in ["", "{}", "tab\tnewline\nquote\"ümlaut", &"x".repeat(90_000)] {
            assert_eq!(round(record), record);
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_refused() {
        assert!(matches!(encode(&"x".repeat(100_000)), Err(Error::InvalidArgument(_))));
    }

    #[test]
    fn a_damaged_record_is_corrupt() {
        assert!(matches!(decode(["%%%"].into_iter()), Err(Error::Corrupt(_))));
    }
}
