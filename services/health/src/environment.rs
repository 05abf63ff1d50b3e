//! GRUB's environment block (GRUB manual, "Environment block"), in which RAUC keeps the state of the slots, and its copy.
//!
//! grub-editenv empties the file before it fills it, and GRUB itself writes to it at every start. Whatever a power cut left of it: as
//! long as one of the two files is whole, the box starts from it, and what is not whole is made new here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

const SIGNATURE: &str = "# GRUB Environment Block\n";
const SIZE: usize = 1024;

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads a block; `None` unless it is whole and has the state of both slots.
    pub fn parse(block: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(block).ok().filter(|text| text.len() == SIZE)?;
        let lines = text.strip_prefix(SIGNATURE)?.lines().filter(|line| !line.starts_with('#'));
        let environment = Self(lines.filter_map(|line| line.split_once('=')).map(owned).collect());
        let whole = ["ORDER", "A_OK", "A_TRY", "B_OK", "B_TRY"]
            .iter()
            .all(|name| environment.0.get(*name).is_some_and(|value| !value.is_empty()));
        whole.then_some(environment)
    }

    /// What is certain when nothing else is: the running slot starts, the other may be half written.
    pub fn of_running_slot(running: &str) -> Self {
        let order = if running == "B" { "B A" } else { "A B" };
        let ok = |slot: &str| if slot == running { "1" } else { "0" };
        Self(
            [("ORDER", order), ("A_OK", ok("A")), ("A_TRY", "0"), ("B_OK", ok("B")), ("B_TRY", "0")]
                .map(owned)
                .into(),
        )
    }

    /// Whether GRUB would start this slot without having to.
    pub fn is_good(&self, slot: &str) -> bool {
        self.0.get(&format!("{slot}_OK")).is_some_and(|ok| ok == "1")
            && self.0.get(&format!("{slot}_TRY")).is_some_and(|tried| tried != "3")
    }

    /// Whether a slot was started three times and never became good.
    pub fn is_used_up(&self, slot: &str) -> bool {
        self.0.get(&format!("{slot}_OK")).is_some_and(|ok| ok == "1")
            && self.0.get(&format!("{slot}_TRY")).is_some_and(|tried| tried == "3")
    }

    fn to_block(&self) -> Vec<u8> {
        let mut text = SIGNATURE.to_owned();
        for (name, value) in &self.0 {
            text += &format!("{name}={value}\n");
        }
        let mut block = text.into_bytes();
        block.resize(SIZE, b'#');
        block
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The two files.
pub struct Store {
    block: PathBuf,
    backup: PathBuf,
}

impl Store {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { block: folder.join("grubenv"), backup: folder.join("grubenv.backup") }
    }

    /// The environment that GRUB would go by. Where its first file is not whole, it is made new before anybody edits it.
    pub fn repaired(&self, running: &str) -> anyhow::Result<Environment> {
        if let Some(environment) = self.current() {
            return Ok(environment);
        }
        let environment = read(&self.backup).unwrap_or_else(|| Environment::of_running_slot(running));
        tracing::warn!("the boot environment was not whole and is made new: {:?}", environment.0);
        write(&self.block, &environment)?;
        Ok(environment)
    }

    /// What stands there now, if that is whole: somebody may be writing it.
    pub fn current(&self) -> Option<Environment> {
        read(&self.block)
    }

    /// Makes the copy equal to the first file, if that is whole.
    pub fn back_up(&self) -> anyhow::Result<()> {
        let environment = self
            .current()
            .with_context(|| format!("{} is not whole; its copy is left as it is", self.block.display()))?;
        if read(&self.backup).as_ref() == Some(&environment) {
            return Ok(());
        }
        write(&self.backup, &environment)
    }
}

fn read(file: &Path) -> Option<Environment> {
    Environment::parse(&std::fs::read(file).ok()?)
}

/// Never leaves less than there was: on FAT a rename is not atomic, but it touches only the folder, and the other file is whole.
fn write(file: &Path, environment: &Environment) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let attempt = || {
        let mut opened = File::create(&new)?;
        opened.write_all(&environment.to_block())?;
        opened.sync_all()?;
        std::fs::rename(&new, file)?;
        File::open(file.parent().unwrap_or(file))?.sync_all()
    };
    attempt().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Vec<u8> {
        let mut block = format!("{SIGNATURE}{text}").into_bytes();
        block.resize(SIZE, b'#');
        block
    }

    const WHOLE: &str = "A_OK=1\nA_TRY=1\nB_OK=0\nB_TRY=0\nORDER=A B\n";

    fn store(first: &[u8], second: &[u8]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("grubenv"), first).unwrap();
        std::fs::write(folder.path().join("grubenv.backup"), second).unwrap();
        let store = Store::new(folder.path());
        (folder, store)
    }

    #[test]
    fn a_whole_block_reads_and_writes_back_the_same() {
        let environment = Environment::parse(&block(WHOLE)).unwrap();
        assert_eq!(environment.to_block(), block(WHOLE));
        assert!(environment.is_good("A") && !environment.is_good("B"));
    }

    #[test]
    fn an_empty_cut_or_incomplete_block_is_not_whole() {
        for bytes in [Vec::new(), block(WHOLE)[..512].to_vec(), block("ORDER=A B\nA_OK=1\n"), vec![0; SIZE]] {
            assert_eq!(Environment::parse(&bytes), None);
        }
    }

    #[test]
    fn what_a_power_cut_left_is_made_new_from_the_copy_or_else_from_the_running_slot() {
        let (_folder, from_copy) = store(b"", &block(WHOLE));
        assert_eq!(from_copy.repaired("B").unwrap(), Environment::parse(&block(WHOLE)).unwrap());
        assert_eq!(std::fs::read(&from_copy.block).unwrap(), block(WHOLE));
        let (_folder, from_nothing) = store(b"", b"half");
        let environment = from_nothing.repaired("B").unwrap();
        assert_eq!(environment, Environment::of_running_slot("B"));
        assert!(environment.is_good("B") && !environment.is_good("A"));
    }

    #[test]
    fn to_look_at_a_block_that_is_being_written_changes_nothing() {
        let (_folder, store) = store(b"", &block(WHOLE));
        assert_eq!(store.current(), None);
        assert_eq!(std::fs::read(&store.block).unwrap(), b"");
        std::fs::write(&store.block, block("A_OK=1\nA_TRY=0\nB_OK=1\nB_TRY=3\nORDER=B A\n")).unwrap();
        assert!(store.current().unwrap().is_used_up("B"));
    }

    #[test]
    fn a_block_that_is_not_whole_never_replaces_its_copy() {
        let (_folder, store) = store(b"", &block(WHOLE));
        assert!(store.back_up().is_err());
        assert_eq!(std::fs::read(&store.backup).unwrap(), block(WHOLE));
    }
}
