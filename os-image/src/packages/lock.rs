//! Lock files: exactly which Debian packages an image is made of. Plain text, one package a line, for reading in a diff:
//!
//! ```text
//! # a comment
//! source-date-epoch 1795219200
//!
//! [root]
//! for trixie main: busybox kmod
//! adduser 3.152 all 84172dd4…
//! -bash
//! ```
//!
//! A section is one run of mmdebstrap: what was asked for, and the name, version, architecture and SHA-256 of every package
//! that this led to. As a recipe says what it adds to its parent, its lock says what is other than in its parent's; `-` takes a
//! package out. `source-date-epoch` stands in the builder's own lock alone: no file of an image is younger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};

/// A lock file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Seconds since 1970.
    pub source_date: Option<u64>,
    /// By name.
    pub sections: BTreeMap<String, Section>,
}

/// The packages of one root filesystem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// What was asked for.
    pub request: String,
    /// What has to be installed.
    pub packages: Pins,
}

/// Packages by name.
pub type Pins = BTreeMap<String, Pin>;

/// One version of a package, down to its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Version, with its epoch.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Of the `.deb`, hexadecimal.
    pub sha256: String,
}

const HEADER: &str =
    "# Written by `cargo xtask image --update-lock`: package, version, architecture, SHA-256.\n";

/// Something that a lock does not allow.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file is damaged.
    #[error(
        "{file}:{line}: `{text}` is no line of a lock; take the file from git, or write it anew with `--update-lock`"
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// There is none.
    #[error("there is no lock; `cargo xtask image RECIPE --update-lock` makes one")]
    Absent,
    /// The recipe has moved on.
    #[error(
        "the lock is of another list of packages; `cargo xtask image RECIPE --update-lock` brings it up to date"
    )]
    Stale,
    /// The mirror has moved on.
    #[error("neither the package cache nor the mirror has {}; `cargo xtask image RECIPE --update-lock` locks what the mirror has now", some(.0))]
    Gone(Vec<String>),
    /// Some locked packages are not in the package cache, and the mirror does not answer.
    #[error("the package cache lacks {}, and the mirror cannot be asked: {why}", some(.lacking))]
    NoMirror {
        /// The packages, with their versions.
        lacking: Vec<String>,
        /// Why.
        why: String,
    },
    /// The mirror's file is not the one that was locked. No version of a package is ever made twice: somebody is mistaken, or lies.
    #[error(
        "the mirror's file of {0} has other bytes than the locked one; find out which is genuine, and if the mirror's is, lock it \
         with `cargo xtask image RECIPE --update-lock`"
    )]
    OtherBytes(String),
    /// Exactly the locked packages were asked for, and cannot be had.
    #[error("{stage} cannot be made of locked packages alone: {why}")]
    Unlocked {
        /// The stage.
        stage: String,
        /// Why.
        why: Box<LockError>,
    },
    /// Locked packages were at hand, and apt installed others.
    #[error(
        "the lock of {stage} does not describe what it installs: {}; `cargo xtask image RECIPE --update-lock` writes it anew",
        .differences.join(", ")
    )]
    Differs {
        /// The stage.
        stage: String,
        /// Package by package.
        differences: Vec<String>,
    },
}

impl LockError {
    /// Whether nothing is wrong but that locked packages are not to be had: others would do.
    pub fn is_want_of_packages(&self) -> bool {
        matches!(self, Self::Absent | Self::Stale | Self::Gone(_) | Self::NoMirror { .. })
    }
}

/// The first of a list that may be long.
fn some(list: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = list[..list.len().min(SHOWN)].join(", ");
    if list.len() > SHOWN { format!("{shown} and {} more", list.len() - SHOWN) } else { shown }
}

impl Pin {
    /// The name of its file, as apt writes it.
    pub fn file_name(&self, package: &str) -> String {
        format!("{package}_{}_{}.deb", self.version.replace(':', "%3a"), self.architecture)
    }
}

impl Lock {
    /// Reads lock files, those of parents first. An absent one adds nothing.
    pub fn load<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<Self> {
        let mut lock = Self::default();
        for file in files {
            match std::fs::read_to_string(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                text => lock.apply(file, &text.at("read", file)?)?,
            }
        }
        Ok(lock)
    }

    /// Changes this lock as a file's text says.
    fn apply(&mut self, file: &Path, text: &str) -> Result<(), LockError> {
        let mut section = None;
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(self.sections.entry(name.into()).or_default());
                continue;
            }
            let words: Vec<_> = line.split(' ').collect();
            let understood = match (&mut section, words.as_slice()) {
                (None, ["source-date-epoch", seconds]) => {
                    self.source_date = seconds.parse().ok();
                    self.source_date.is_some()
                }
                (Some(section), ["for", request @ ..]) => {
                    section.request = request.join(" ");
                    true
                }
                (Some(section), [package, version, architecture, sha256]) if sha256.len() == 64 => {
                    let [version, architecture, sha256] =
                        [version, architecture, sha256].map(|word| word.to_string());
                    section.packages.insert(package.to_string(), Pin { version, architecture, sha256 });
                    true
                }
                (Some(section), [word]) => {
                    word.strip_prefix('-').is_some_and(|package| section.packages.remove(package).is_some())
                }
                _ => false,
            };
            if !understood {
                return Err(LockError::Line { file: file.to_owned(), line: number, text: line.to_owned() });
            }
        }
        Ok(())
    }

    /// The text of a file that makes this lock of `parent`; nothing if both are the same.
    pub fn text(&self, parent: &Self) -> String {
        let mut text = String::new();
        if let Some(date) = self.source_date.filter(|_| self.source_date != parent.source_date) {
            text += &format!("source-date-epoch {date}\n");
        }
        let nothing = Section::default();
        for (name, section) in &self.sections {
            let before = parent.sections.get(name).unwrap_or(&nothing);
            if section == before {
                continue;
            }
            text += &format!("\n[{name}]\n");
            if section.request != before.request {
                text += &format!("for {}\n", section.request);
            }
            let lost = before.packages.keys().filter(|package| !section.packages.contains_key(*package));
            text.extend(lost.map(|package| format!("-{package}\n")));
            let new = section.packages.iter().filter(|(name, pin)| before.packages.get(*name) != Some(pin));
            text.extend(new.map(|(name, pin)| {
                let Pin { version, architecture, sha256 } = pin;
                format!("{name} {version} {architecture} {sha256}\n")
            }));
        }
        if text.is_empty() { text } else { format!("{HEADER}{text}") }
    }

    /// What moved from this lock to `next`, a line each.
    pub fn changes(&self, next: &Self) -> Vec<String> {
        let sections: BTreeSet<_> = self.sections.keys().chain(next.sections.keys()).collect();
        let empty = Section::default();
        let of = |lock: &Self, name: &String| lock.sections.get(name).unwrap_or(&empty).packages.clone();
        sections.into_iter().flat_map(|name| changes(name, &of(self, name), &of(next, name))).collect()
    }
}

fn changes(section: &str, before: &Pins, after: &Pins) -> Vec<String> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| match (before.get(name), after.get(name)) {
        (None, Some(new)) => Some(format!("{section}: added {name} {}", new.version)),
        (Some(old), None) => Some(format!("{section}: removed {name} {}", old.version)),
        (Some(old), Some(new)) if old.version != new.version => {
            Some(format!("{section}: {name} {} -> {}", old.version, new.version))
        }
        (Some(old), Some(new)) if old != new => {
            Some(format!("{section}: {name} {} has other bytes", new.version))
        }
        _ => None,
    };
    names.into_iter().filter_map(change).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A lock of a root with these packages, by name and version.
    pub fn lock(packages: &[(&str, &str)]) -> Lock {
        let pin = |version: &str| Pin {
            version: version.into(),
            architecture: "all".into(),
            sha256: "0123456789abcdef".repeat(4),
        };
        let packages = packages.iter().map(|(name, version)| (name.to_string(), pin(version))).collect();
        let section = Section { request: "trixie main: a b".into(), packages };
        Lock { source_date: Some(1), sections: [("root".to_owned(), section)].into() }
    }

    /// What a file's text makes of `parent`.
    fn read(parent: &Lock, text: &str) -> Result<Lock, LockError> {
        let mut lock = parent.clone();
        lock.apply(Path::new("x.lock"), text).map(|()| lock)
    }

    #[test]
    fn a_lock_reads_as_it_was_written() {
        let lock = lock(&[("libstdc++6", "1:14.2.0-19+b1"), ("tzdata", "2026f-0+deb13u1")]);
        assert_eq!(read(&Lock::default(), &lock.text(&Lock::default())).unwrap(), lock);
        assert_eq!(
            lock.sections["root"].packages["libstdc++6"].file_name("libstdc++6"),
            "libstdc++6_1%3a14.2.0-19+b1_all.deb"
        );
    }

    #[test]
    fn a_damaged_line_is_named() {
        for damage in ["<<<<<<< HEAD", "=======", "-never-there", "bash 5.2 amd64 0123"] {
            let text = lock(&[]).text(&Lock::default()) + damage;
            let message = read(&Lock::default(), &text).unwrap_err().to_string();
            assert!(message.contains(&format!("x.lock:6: `{damage}`")), "{message}");
        }
    }

    #[test]
    fn the_lock_of_an_inheriting_recipe_holds_what_is_other_than_in_its_parents() {
        let parent = lock(&[("a", "1"), ("b", "1"), ("c", "1")]);
        assert_eq!(parent.text(&parent), "", "a recipe that asks for the same packages needs no lock");
        let mut child = lock(&[("a", "1"), ("b", "2"), ("d", "1")]);
        child.sections.get_mut("root").unwrap().request = "trixie main: a b d".into();
        let text = child.text(&parent);
        let hash = "0123456789abcdef".repeat(4);
        let expected =
            format!("{HEADER}\n[root]\nfor trixie main: a b d\n-c\nb 2 all {hash}\nd 1 all {hash}\n");
        assert_eq!(text, expected);
        assert_eq!(read(&parent, &text).unwrap(), child);
    }

    #[test]
    fn a_long_list_of_lost_packages_stays_one_line() {
        let lost = ["a 1", "b 1", "c 1", "d 1", "e 1"].map(String::from).to_vec();
        let message = LockError::Gone(lost).to_string();
        assert!(message.contains("a 1, b 1, c 1 and 2 more;"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }

    #[test]
    fn what_moved_is_told_package_by_package() {
        let (before, after) =
            (lock(&[("a", "1"), ("b", "1"), ("c", "1")]), lock(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(before.changes(&after), ["root: b 1 -> 2", "root: removed c 1", "root: added d 1"]);
        assert!(before.changes(&before).is_empty());
    }
}
