//! GLib's key files, as far as manifests use them ("Desktop Entry Specification", "Basic format"; GLib, `GKeyFile`).
//!
//! Stricter than GLib in one thing: a section or a key that comes twice is an error, because whichever wins, some
//! reader may take the other.

use super::ManifestError;

/// Keys of a section in their order.
pub(super) type Section = Vec<(String, String)>;

/// Sections in their order; values still escaped.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Section)>, ManifestError> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let malformed = |problem| ManifestError::Syntax { line: index + 1, problem };
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.trim_end_matches(is_space).strip_suffix(']').ok_or(malformed("no `]`"))?;
            if name.is_empty() || name.contains(['[', ']']) || name.contains(char::is_control) {
                return Err(malformed("not a section's name"));
            }
            if sections.iter().any(|(other, _)| other == name) {
                return Err(malformed("this section comes twice"));
            }
            sections.push((name.into(), Section::new()));
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(malformed("neither a section nor a key"))?;
        let (key, value) = (key.trim_end_matches(is_space), value.trim_start_matches(is_space));
        let (_, section) = sections.last_mut().ok_or(malformed("a key before the first section"))?;
        if key.is_empty() {
            return Err(malformed("a value without a key"));
        }
        if section.iter().any(|(other, _)| other == key) {
            return Err(malformed("this key comes twice"));
        }
        section.push((key.into(), value.into()));
    }
    Ok(sections)
}

/// What C calls a space, without the vertical tab, as GLib has it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

/// `None` for an escape that GLib does not know.
pub(super) fn unescape(value: &str) -> Option<String> {
    let mut parts = unescape_with(value, None)?;
    parts.pop()
}

/// Values that each end in `;`, the last one perhaps without.
pub(super) fn unescape_list(value: &str) -> Option<Vec<String>> {
    let mut parts = unescape_with(value, Some(';'))?;
    if parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    Some(parts)
}

fn unescape_with(value: &str, separator: Option<char>) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        if Some(c) == separator {
            parts.push(String::new());
            continue;
        }
        let plain = match c {
            '\\' => match characters.next()? {
                's' => ' ',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' => '\\',
                other if Some(other) == separator => other,
                _ => return None,
            },
            other => other,
        };
        parts.last_mut()?.push(plain);
    }
    Some(parts)
}

/// Leading blanks are escaped because readers skip them; separators because lists are split at them.
pub(super) fn escape(value: &str, separator: Option<char>) -> String {
    let mut escaped = String::with_capacity(value.len());
    let mut leading = true;
    for c in value.chars() {
        match c {
            ' ' if leading => escaped.push_str("\\s"),
            '\t' if leading => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            c if Some(c) == separator => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        leading &= matches!(c, ' ' | '\t');
    }
    escaped
}
