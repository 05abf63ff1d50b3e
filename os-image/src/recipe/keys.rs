//! The keys a recipe may have, table by table. Checked before the values are read, so that a typing
//! error is answered with its line and the key that was meant.

use toml_edit::{Document, Item, Table};

/// In the order of their documentation.
pub(super) const RECIPE: &[&str] = &[
    "inherit",
    "name",
    "vendor",
    "version",
    "compatible",
    "keyring",
    "release",
    "components",
    "output",
    "kernel",
    "packages",
    "exclude",
    "module-packages",
    "modules",
    "initramfs-modules",
    "services",
    "debs",
    "include",
    "program",
    "files",
    "users",
    "enable",
    "disable",
    "mask",
    "hostname",
    "cmdline",
    "verity",
    "partitions",
    "disks",
];

/// The keys of the tables inside a recipe.
pub(super) const TABLES: &[(&str, &[&str])] = &[
    ("include", &["recipe", "to"]),
    ("users", &["name", "home", "shell", "groups"]),
    ("program", &["service", "bin"]),
    ("partitions", &["label", "type", "size", "filesystem", "content", "slot"]),
    ("disks", &["name", "filesystem", "size", "mount"]),
];

/// A key nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The key as written, with its table.
    pub key: String,
    /// Byte offset in the file.
    pub offset: usize,
    /// The known key that looks most like it.
    pub nearest: Option<&'static str>,
}

/// The first unknown key of a recipe file.
pub(super) fn first_unknown(document: &Document<&str>) -> Option<Unknown> {
    let root = document.as_table();
    if let Some(unknown) = check(root, "", RECIPE) {
        return Some(unknown);
    }
    for (name, known) in TABLES {
        let found = match root.get(name) {
            Some(Item::Table(table)) => check(table, name, known),
            Some(Item::ArrayOfTables(tables)) => tables.iter().find_map(|t| check(t, name, known)),
            Some(Item::Value(value)) => check_inline(value, name, known),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn check_inline(value: &toml_edit::Value, name: &str, known: &'static [&'static str]) -> Option<Unknown> {
    let table = |value: &toml_edit::Value| {
        let table = value.as_inline_table()?;
        let mut keys: Vec<_> = table.iter().filter_map(|(k, _)| table.get_key_value(k)).collect();
        keys.retain(|(key, _)| !known.contains(&key.get()));
        let (key, _) = keys.first()?;
        Some(unknown(key, name, known))
    };
    match value.as_array() {
        Some(array) => array.iter().find_map(table),
        None => table(value),
    }
}

fn check(table: &Table, name: &str, known: &'static [&'static str]) -> Option<Unknown> {
    let (key, _) = table
        .iter()
        .filter_map(|(key, _)| table.get_key_value(key))
        .find(|(key, _)| !known.contains(&key.get()))?;
    Some(unknown(key, name, known))
}

fn unknown(key: &toml_edit::Key, table: &str, known: &'static [&'static str]) -> Unknown {
    let name = key.get();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate);
    let key_text = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
    Unknown { key: key_text, offset: key.span().map_or(0, |s| s.start), nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, a key added to the structure alone would be refused, and nobody would see why.
    #[test]
    fn the_lists_name_exactly_the_fields_of_the_structures() {
        let text = r#"
            name = "n"
            release = "r"
            include = [{ recipe = "r", to = "t" }]
            users = [{ name = "u" }]
            program = { service = "s", bin = "b" }
            partitions = [{ label = "l", size = 1 }]
            disks = [{ name = "d", filesystem = "xfs", size = 1 }]
        "#;
        let recipe: super::super::Recipe = toml::from_str(text).unwrap();
        let value = serde_json::to_value(&recipe).unwrap();
        let fields = |value: &serde_json::Value| -> Vec<String> {
            let value = value.as_array().map_or(value, |array| &array[0]);
            let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        let sorted = |list: &[&str]| {
            let mut list: Vec<_> = list.iter().filter(|k| **k != "inherit").map(|k| k.to_string()).collect();
            list.sort();
            list
        };
        assert_eq!(fields(&value), sorted(RECIPE));
        for (name, known) in TABLES {
            assert_eq!(fields(&value[name]), sorted(known), "{name}");
        }
    }
}
