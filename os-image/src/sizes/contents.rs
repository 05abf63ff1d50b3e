//! What lies in a root. It is recorded while the root is made: to look into the finished filesystem, one would have to mount it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, IoContext, Result};

/// Every file, one a line: inode, bytes, path.
const FILES: &str = "files";
/// The name of every Debian package, and indented below it the paths it brought.
const PACKAGES: &str = "packages";

/// A script that writes down what lies in the folder `tree`, below the folder `out`.
pub(crate) fn record(tree: &str, out: &str) -> String {
    format!(
        "cd {tree}
         find . -type f -printf '%i %s %P\\n' > {out}/{FILES}
         dpkg-query --admindir={tree}/var/lib/dpkg -W -f='${{Package}}\\n${{db-fsys:Files}}' > {out}/{PACKAGES}"
    )
}

/// The files of a root and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// By inode: a file with several names is there once.
    pub files: BTreeMap<u64, File>,
    /// Paths, without a leading `/`, to the packages that brought them.
    pub packages: BTreeMap<String, String>,
}

/// A file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Its size.
    pub bytes: u64,
    /// Its paths, without a leading `/`, in order.
    pub names: Vec<String>,
}

impl Contents {
    /// What [`record`] wrote below `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let text = |name: &str| -> Result<String> {
            let file = folder.join(name);
            let bytes = std::fs::read(&file).at("read", &file)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let files = files(&text(FILES)?).ok_or_else(|| {
            let file = folder.join(FILES).display().to_string();
            Error::content(&file, "a line of it is not understood", "remove the cache")
        })?;
        Ok(Self { files, packages: packages(&text(PACKAGES)?) })
    }

    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// One a line, as [`record`] writes them.
fn files(text: &str) -> Option<BTreeMap<u64, File>> {
    let mut files = BTreeMap::<u64, File>::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (inode, bytes, name) = (words.next()?, words.next()?, words.next()?);
        let file = files.entry(inode.parse().ok()?).or_default();
        file.bytes = bytes.parse().ok()?;
        file.names.push(name.into());
    }
    files.values_mut().for_each(|file| file.names.sort());
    Some(files)
}

fn packages(text: &str) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    let mut package = "";
    for line in text.lines() {
        match line.strip_prefix(" /") {
            Some(path) => drop(owners.insert(path.to_owned(), package.to_owned())),
            None => package = line,
        }
    }
    owners
}
