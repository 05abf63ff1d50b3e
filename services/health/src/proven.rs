//! Systems that were healthy once, by the hash of their root: one a line, newest last.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// More than the two slots can hold.
const KEPT: usize = 8;

/// The list.
pub struct Proven(PathBuf);

impl Proven {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.join("proven"))
    }

    /// Whether this system is on it. A list that cannot be read has nobody on it: that costs a second look at its health.
    pub fn contains(&self, root_hash: &str) -> bool {
        self.lines().iter().any(|line| line == root_hash)
    }

    /// Adds a system.
    pub fn add(&self, root_hash: &str) -> anyhow::Result<()> {
        let mut lines = self.lines();
        if lines.last().is_some_and(|line| line == root_hash) {
            return Ok(());
        }
        lines.retain(|line| line != root_hash);
        lines.push(root_hash.to_owned());
        let text = lines[lines.len().saturating_sub(KEPT)..].join("\n") + "\n";
        let new = self.0.with_extension("new");
        let attempt = || {
            let mut file = std::fs::File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &self.0)
        };
        attempt().with_context(|| format!("cannot write {}", self.0.display()))
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_healthy_stays_known_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let proven = Proven::new(folder.path());
        assert!(!proven.contains("a"));
        proven.add("a").unwrap();
        assert!(proven.contains("a") && !proven.contains(""));
        (0..KEPT).for_each(|n| proven.add(&n.to_string()).unwrap());
        assert!(!proven.contains("a") && proven.contains("0"));
    }
}
