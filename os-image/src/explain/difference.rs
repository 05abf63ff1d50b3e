//! Two versions of an input compared, as a person would tell it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::key::Made;

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// An entry of a list or a file is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// A file has another content.
    Changed(String),
    /// A value is another one.
    Replaced {
        /// Which of several; empty for a value that stands alone.
        what: String,
        /// The value before; nothing if it was not set.
        from: Option<String>,
        /// The value now; nothing if it is not set any more.
        to: Option<String>,
    },
    /// The entries of a list are the same, and come in another order.
    Reordered,
    /// There was no such input.
    NewInput,
    /// There is no such input any more.
    LostInput,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Added(what) => write!(f, "+ {what}"),
            Self::Removed(what) => write!(f, "- {what}"),
            Self::Changed(what) => write!(f, "~ {what}"),
            Self::Replaced { what, from, to } => {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
                let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
                write!(f, "{what}{} -> {}", shown(from), shown(to))
            }
            Self::Reordered => write!(f, "in another order"),
            Self::NewInput => write!(f, "a new input"),
            Self::LostInput => write!(f, "no input any more"),
        }
    }
}

/// What differs; nothing where too little was kept to tell.
pub(super) fn between(before: Option<&Made>, after: Option<&Made>) -> Vec<Difference> {
    match (before, after) {
        (None, _) => vec![Difference::NewInput],
        (_, None) => vec![Difference::LostInput],
        (Some(Made::OfFiles(before)), Some(Made::OfFiles(after))) => between_files(before, after),
        (Some(Made::OfValue(before)), Some(Made::OfValue(after))) => between_values(before, after),
        _ => Vec::new(),
    }
}

fn between_files(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut found = Vec::new();
    for path in names(before, after) {
        match (before.get(path), after.get(path)) {
            (Some(before), Some(after)) if before == after => {}
            // A file that is an input by itself: the input's name says it all.
            (Some(_), Some(_)) if path.is_empty() => {}
            (Some(_), Some(_)) => found.push(Difference::Changed(path.clone())),
            (None, _) => found.push(Difference::Added(path.clone())),
            (_, None) => found.push(Difference::Removed(path.clone())),
        }
    }
    found
}

fn between_values(before: &Value, after: &Value) -> Vec<Difference> {
    let (before, after) = (Leaves::of(before), Leaves::of(after));
    let mut found = Vec::new();
    for name in names(&before.lists, &after.lists) {
        let entries = |leaves: &Leaves| leaves.lists.get(name).cloned().unwrap_or_default();
        found.extend(between_lists(name, &entries(&before), &entries(&after)));
    }
    for name in names(&before.values, &after.values) {
        let (from, to) = (before.values.get(name).cloned(), after.values.get(name).cloned());
        if from != to {
            found.push(Difference::Replaced { what: name.clone(), from, to });
        }
    }
    found
}

fn between_lists(name: &str, before: &[String], after: &[String]) -> Vec<Difference> {
    let without = |list: &[String], others: &[String]| -> Vec<String> {
        let more = list.iter().filter(|entry| !others.contains(entry));
        more.map(|entry| joined(name, ": ", entry)).collect()
    };
    let removed = without(before, after).into_iter().map(Difference::Removed);
    let found: Vec<_> = removed.chain(without(after, before).into_iter().map(Difference::Added)).collect();
    if found.is_empty() && before != after { vec![Difference::Reordered] } else { found }
}

/// The names of both, each once.
fn names<'a, T>(before: &'a BTreeMap<String, T>, after: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    before.keys().chain(after.keys()).collect()
}

fn joined(first: &str, separator: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{first}{separator}{second}") }
}

/// Nested data laid flat: what it lists and the values it sets, by the way that leads there.
#[derive(Debug, Default)]
struct Leaves {
    lists: BTreeMap<String, Vec<String>>,
    values: BTreeMap<String, String>,
}

impl Leaves {
    fn of(value: &Value) -> Self {
        let mut leaves = Self::default();
        leaves.add("", value);
        leaves
    }

    fn add(&mut self, way: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| self.add(&joined(way, ".", name), field));
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    match item {
                        Value::Object(fields) => self.add(&joined(way, ".", &name_of(fields, n)), item),
                        Value::Array(_) => self.add(way, item),
                        _ => self.lists.entry(way.to_owned()).or_default().push(text(item)),
                    }
                }
            }
            _ => drop(self.values.insert(way.to_owned(), text(value))),
        }
    }
}

/// What a table in a list is called: by its name or label, else by its place.
fn name_of(fields: &serde_json::Map<String, Value>, place: usize) -> String {
    let name = ["name", "label"].iter().find_map(|key| fields.get(*key)?.as_str());
    name.map_or_else(|| place.to_string(), str::to_owned)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(before: Value, after: Value) -> Vec<String> {
        between_values(&before, &after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn entries_of_lists_are_added_removed_or_reordered() {
        assert_eq!(told(json!(["a", "b"]), json!(["b", "c"])), ["- a", "+ c"]);
        assert_eq!(told(json!(["a", "b"]), json!(["b", "a"])), ["in another order"]);
        assert_eq!(told(json!([["a"], ["b"]]), json!([["a"], ["b", "c"]])), ["+ c"]);
        let bootstrap = |packages: Value| json!({ "release": "trixie", "packages": packages });
        assert_eq!(told(bootstrap(json!(["a"])), bootstrap(json!(["a", "b"]))), ["+ packages: b"]);
    }

    #[test]
    fn values_are_told_with_the_table_they_stand_in() {
        assert_eq!(told(json!("box"), json!("cube")), ["box -> cube"]);
        assert_eq!(told(json!(null), json!("cube")), ["nothing -> cube"]);
        let partition = |size: u64| json!([{ "label": "esp", "size": 1 }, { "label": "root", "size": size }]);
        assert_eq!(told(partition(5), partition(6)), ["root.size: 5 -> 6"]);
    }

    #[test]
    fn files_are_told_by_their_paths() {
        let listing = |entries: &[(&str, &str)]| {
            Made::OfFiles(entries.iter().map(|(path, entry)| (path.to_string(), entry.to_string())).collect())
        };
        let before = listing(&[("etc/gone", "file 1"), ("etc/hosts", "file 1"), ("etc/same", "file 1")]);
        let after = listing(&[("etc/hosts", "file 2"), ("etc/new", "file 1"), ("etc/same", "file 1")]);
        let told: Vec<_> = between(Some(&before), Some(&after)).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["- etc/gone", "~ etc/hosts", "+ etc/new"]);
        assert_eq!(between(Some(&listing(&[("", "file 1")])), Some(&listing(&[("", "file 2")]))), []);
        assert_eq!(between(Some(&Made::Forgotten), Some(&before)), []);
        assert_eq!(between(None, Some(&before)), [Difference::NewInput]);
    }
}
