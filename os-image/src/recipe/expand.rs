//! A recipe as one file that inherits from nothing.

use std::fmt::Write;
use std::path::PathBuf;

use toml::{Table, Value};

use super::{Bytes, Recipe, keys};

/// Longest line of what is written, as far as single entries allow.
const WIDTH: usize = 110;

impl Recipe {
    /// The recipe as TOML, its parents merged in: what is set or has a default, in the order of the documentation. Its paths are
    /// absolute, so that it means the same wherever it is put.
    pub fn expanded(&self) -> std::io::Result<String> {
        let mut recipe = self.clone();
        let includes = recipe.include.iter_mut().map(|include| &mut include.recipe);
        recipe.files.iter_mut().chain(includes).try_for_each(make_absolute)?;
        let table = Table::try_from(&recipe).map_err(std::io::Error::other)?;
        let mut text = String::new();
        for key in keys::RECIPE {
            match table.get(*key) {
                Some(Value::Array(list)) if list.is_empty() => {}
                Some(value) => writeln!(text, "{key} = {}", shown(key, value)).expect("a string takes all"),
                None => {}
            }
        }
        Ok(text)
    }
}

fn make_absolute(path: &mut PathBuf) -> std::io::Result<()> {
    *path = std::path::absolute(&*path)?;
    Ok(())
}

/// A value as it stands behind `key = `.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Array(entries) => list(key, entries),
        Value::Table(fields) => table(key, fields),
        Value::Integer(bytes) if key == "size" => quoted(Bytes(bytes.unsigned_abs()).to_string()),
        other => other.to_string(),
    }
}

/// On one line if it fits, else on as few as needed; tables on one each.
fn list(key: &str, entries: &[Value]) -> String {
    let words: Vec<_> = entries.iter().map(|entry| shown(key, entry)).collect();
    let tables = entries.iter().any(Value::is_table);
    let line = format!("[{}]", words.join(", "));
    if !tables && key.len() + " = ".len() + line.len() <= WIDTH {
        return line;
    }
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(last) if !tables && last.len() + word.len() + 2 <= WIDTH => *last += &format!(" {word},"),
            _ => lines.push(format!("    {word},")),
        }
    }
    format!("[\n{}\n]", lines.join("\n"))
}

fn table(name: &str, fields: &Table) -> String {
    let known = keys::TABLES.iter().find(|(table, _)| *table == name).map_or(&[][..], |(_, keys)| keys);
    let present = known.iter().filter_map(|key| Some((*key, fields.get(*key)?)));
    let words: Vec<_> = present.map(|(key, value)| format!("{key} = {}", shown(key, value))).collect();
    format!("{{ {} }}", words.join(", "))
}

fn quoted(text: String) -> String {
    Value::String(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(files: &[(&str, &str)]) -> (String, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        (Recipe::load(&dir.path().join(files[0].0)).unwrap().expanded().unwrap(), dir)
    }

    #[test]
    fn parents_are_merged_and_keys_come_in_the_order_of_their_documentation() {
        let child = "inherit = \"parent.toml\"\npackages = [\"b\"]\nfiles = [\"f\"]\nhostname = \"box\"\n\
                     disks = [{ size = \"512MiB\", name = \"d\", filesystem = \"xfs\" }]";
        let parent =
            "release = \"trixie\"\nname = \"n\"\npackages = [\"a\"]\ncmdline = [\"say \\\"hello\\\"\"]";
        let (text, dir) = expanded(&[("child.toml", child), ("parent.toml", parent)]);
        let expected = format!(
            "name = \"n\"\nvendor = \"os-image\"\nrelease = \"trixie\"\ncomponents = [\"main\"]\noutput = \"disk\"\n\
             packages = [\"a\", \"b\"]\nfiles = [\"{}/f\"]\nhostname = \"box\"\n\
             cmdline = ['say \"hello\"']\nverity = false\n\
             disks = [\n    {{ name = \"d\", filesystem = \"xfs\", size = \"512MiB\" }},\n]\n",
            dir.path().display()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn long_lists_are_wrapped() {
        let packages: Vec<_> = (0..40).map(|n| format!("package-{n}")).collect();
        let recipe = format!("name = \"n\"\nrelease = \"r\"\npackages = {packages:?}");
        let (text, _) = expanded(&[("r.toml", &recipe)]);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(toml::from_str::<Recipe>(&text).unwrap().packages, packages);
    }
}
