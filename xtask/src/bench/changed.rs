//! A copy of the workspace in which one line of one service changes: the user's own is never touched.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{paths, sources};

/// In the library of the largest service, which its program is linked with.
const FILE: &str = "services/scheduler/src/reconcile.rs";
const PROGRAM: &str = "understudy-scheduler";
const LINE: &str = "tracing::info!(\"the catalogue matches the pool\");";

pub struct Workspace(PathBuf);

impl Workspace {
    pub fn copy_to(folder: &Path) -> Result<Self> {
        sources::copy_workspace(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The hash of the program that the line is in, in a folder of programs.
    pub fn program(&self, programs: &Path) -> Result<String> {
        Ok(os_image::sha256(&programs.join(PROGRAM))?)
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Changes the line, to something else in every round.
    pub fn change(&self, round: usize) -> Result<()> {
        self.write(&changed(&original()?, round)?)
    }

    /// Changes it back.
    pub fn restore(&self) -> Result<()> {
        self.write(&original()?)
    }

    fn write(&self, text: &str) -> Result<()> {
        let copy = self.0.join(FILE);
        std::fs::write(&copy, text).with_context(|| format!("cannot write {}", copy.display()))
    }
}

fn original() -> Result<String> {
    let file = paths::workspace().join(FILE);
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

fn changed(text: &str, round: usize) -> Result<String> {
    let found = text.matches(LINE).count();
    ensure!(
        found == 1,
        "the bench changes the line `{LINE}` of {FILE}, which is there {found} times: let it change another one"
    );
    Ok(text.replace(LINE, &LINE.replace("pool", &format!("pool, in round {round}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_the_source_as_it_is_changes_in_every_round() {
        let text = original().unwrap();
        let rounds = [changed(&text, 1).unwrap(), changed(&text, 2).unwrap()];
        for [one, other] in [[&text, &rounds[0]], [&rounds[0], &rounds[1]]] {
            assert_eq!(one.lines().count(), other.lines().count());
            assert_eq!(one.lines().zip(other.lines()).filter(|(one, other)| one != other).count(), 1);
        }
    }

    #[test]
    fn a_line_that_is_gone_is_told() {
        assert!(changed("fn other() {}", 1).unwrap_err().to_string().contains("there 0 times"));
    }
}
