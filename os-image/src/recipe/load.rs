//! Reads a recipe file and its parents and merges them.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Recipe, keys};

/// A recipe that cannot be used. Says file, line and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read the recipe {file}{why}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Who asked for it.
        why: String,
        /// Why the system refused.
        source: std::io::Error,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("{file}:{line}: {message}")]
    Parse {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A key nobody knows.
    #[error("{file}:{line}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The nearest known key, in words.
        hint: String,
    },
    /// A recipe inherits from itself.
    #[error("recipes inherit in a circle: {}; break it by removing one `inherit`", display_chain(.0))]
    Loop(Vec<PathBuf>),
    /// The merged recipe lacks a key or has one of the wrong type.
    #[error("{file}, with its parents: {message}")]
    Merged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
}

fn display_chain(chain: &[PathBuf]) -> String {
    chain.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" -> ")
}

impl Recipe {
    /// Reads `file` and all it inherits from.
    pub fn load(file: &Path) -> Result<Self, RecipeError> {
        let mut chain = Vec::new();
        let merged = load_merged(file, &mut chain)?;
        let mut recipe: Recipe = Value::Table(merged).try_into().map_err(|e: toml::de::Error| {
            RecipeError::Merged { file: file.to_owned(), message: e.message().to_owned() }
        })?;
        recipe.locks = chain.iter().rev().map(|file| file.with_extension("lock")).collect();
        Ok(recipe)
    }
}

fn load_merged(file: &Path, chain: &mut Vec<PathBuf>) -> Result<Table, RecipeError> {
    let child_of = chain.last().map(|c| format!(", which {} inherits", c.display())).unwrap_or_default();
    let read_error = |source| RecipeError::Read { file: file.to_owned(), why: child_of.clone(), source };
    let text = std::fs::read_to_string(file).map_err(read_error)?;
    let known_by = file.canonicalize().map_err(read_error)?;
    let looped = chain.contains(&known_by);
    chain.push(known_by);
    if looped {
        return Err(RecipeError::Loop(chain.clone()));
    }
    let mut table = parse(file, &text)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    anchor_paths(&mut table, folder);
    let Some(parent) = table.remove("inherit") else { return Ok(table) };
    let parent = parent.as_str().ok_or_else(|| RecipeError::Merged {
        file: file.to_owned(),
        message: "`inherit` must be the name of a recipe file".into(),
    })?;
    let mut merged = load_merged(&folder.join(parent), chain)?;
    merge(&mut merged, table);
    Ok(merged)
}

fn parse(file: &Path, text: &str) -> Result<Table, RecipeError> {
    let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let document = toml_edit::Document::parse(text).map_err(|e| RecipeError::Parse {
        file: file.to_owned(),
        line: line(e.span().map_or(0, |s| s.start)),
        message: e.message().to_owned(),
    })?;
    if let Some(unknown) = keys::first_unknown(&document) {
        let hint = unknown.nearest.map(|k| format!("; did you mean `{k}`?"));
        return Err(RecipeError::UnknownKey {
            file: file.to_owned(),
            line: line(unknown.offset),
            key: unknown.key,
            hint: hint.unwrap_or_default(),
        });
    }
    toml::from_str(text).map_err(|e| RecipeError::Parse {
        file: file.to_owned(),
        line: line(e.span().map_or(0, |s| s.start)),
        message: e.message().to_owned(),
    })
}

/// Makes the paths that are relative to this recipe's folder independent of who inherits it.
fn anchor_paths(table: &mut Table, folder: &Path) {
    let anchor = |value: &mut Value| {
        if let Value::String(path) = value {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
    };
    if let Some(Value::Array(files)) = table.get_mut("files") {
        files.iter_mut().for_each(anchor);
    }
    if let Some(Value::Array(includes)) = table.get_mut("include") {
        includes.iter_mut().filter_map(|i| i.get_mut("recipe")).for_each(anchor);
    }
}

/// Lists add to the parent's, tables merge, everything else replaces.
fn merge(parent: &mut Table, child: Table) {
    for (key, value) in child {
        match (parent.get_mut(&key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(Value::Table(table)), Value::Table(more)) => merge(table, more),
            (_, value) => {
                parent.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Recipe, RecipeError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Recipe::load(&dir.path().join(files[0].0))
    }

    #[test]
    fn lists_add_to_the_parents_and_scalars_replace() {
        let recipe = load(&[
            (
                "child.toml",
                "inherit = \"parent.toml\"\nname = \"child\"\npackages = [\"b\"]\nfiles = [\"f\"]",
            ),
            ("parent.toml", "name = \"parent\"\nrelease = \"trixie\"\npackages = [\"a\"]"),
        ])
        .unwrap();
        assert_eq!(recipe.name, "child");
        assert_eq!(recipe.packages, ["a", "b"]);
        assert!(recipe.files[0].is_absolute(), "paths stand for themselves after loading");
        let locks: Vec<_> = recipe.locks.iter().filter_map(|file| file.file_name()).collect();
        assert_eq!(locks, ["parent.lock", "child.lock"]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_file_line_and_the_nearest_key() {
        let message = load(&[("r.toml", "name = \"r\"\nrelease = \"trixie\"\npackges = [\"a\"]\n")])
            .unwrap_err()
            .to_string();
        assert!(message.contains("r.toml:3: unknown key `packges`; did you mean `packages`?"), "{message}");
    }

    #[test]
    fn an_unknown_key_inside_a_table_is_refused_in_every_notation() {
        for (text, line) in [
            ("name = \"r\"\n[[partitions]]\nlabel = \"x\"\nsiz = 1\n", 4),
            ("name = \"r\"\npartitions = [\n  { label = \"x\", siz = 1 },\n]\n", 3),
        ] {
            let message = load(&[("r.toml", text)]).unwrap_err().to_string();
            let expected = format!("r.toml:{line}: unknown key `partitions.siz`; did you mean `size`?");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn a_missing_parent_names_parent_and_child() {
        let message = load(&[("r.toml", "inherit = \"gone.toml\"")]).unwrap_err().to_string();
        assert!(message.contains("gone.toml") && message.contains("r.toml inherits"), "{message}");
    }

    #[test]
    fn a_circle_of_parents_is_shown() {
        let message = load(&[("a.toml", "inherit = \"b.toml\""), ("b.toml", "inherit = \"a.toml\"")])
            .unwrap_err()
            .to_string();
        assert!(message.contains("circle") && message.matches("a.toml").count() == 2, "{message}");
    }

    #[test]
    fn a_value_of_the_wrong_type_or_a_missing_key_is_named() {
        let message = load(&[("r.toml", "name = \"r\"")]).unwrap_err().to_string();
        assert!(message.contains("release"), "{message}");
        let bad_size = "name = \"r\"\nrelease = \"t\"\ndisks = [{ name = \"d\", filesystem = \"xfs\", size = \"1 MB\" }]";
        let message = load(&[("r.toml", bad_size)]).unwrap_err().to_string();
        assert!(message.contains("1 MB") && message.contains("MiB"), "{message}");
    }

    #[test]
    fn broken_toml_is_refused_with_its_line() {
        let message = load(&[("r.toml", "name = \"r\"\nrelease = [\n")]).unwrap_err().to_string();
        assert!(message.contains("r.toml:"), "{message}");
    }
}
