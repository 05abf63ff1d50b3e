//! Where in a file an answer stands: for what the box finds wrong with answers that are right in themselves.

use toml::de::{DeTable, DeValue};

/// The line, counted from 1, of the value that `keys` lead to (`["network", "mac"]`); of its item `item` if that is a list. 0 if the
/// text has none, or is no TOML.
pub fn line_of(text: &str, keys: &[&str], item: Option<usize>) -> usize {
    find(text, keys, item).unwrap_or(0)
}

fn find(text: &str, keys: &[&str], item: Option<usize>) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let (last, path) = keys.split_last()?;
    let mut table = document.get_ref();
    for key in path {
        let DeValue::Table(inner) = table.get(*key)?.get_ref() else { return None };
        table = inner;
    }
    let value = table.get(*last)?;
    let at = match (value.get_ref(), item) {
        (DeValue::Array(items), Some(item)) => items.get(item)?.span().start,
        _ => value.span().start,
    };
    Some(line_at(text, at))
}

/// The line, counted from 1, in which the byte `offset` of a text stands.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.bytes().filter(|&byte| byte == b'\n').count() + 1
}
