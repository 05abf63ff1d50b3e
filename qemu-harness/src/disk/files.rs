//! A small FAT disk made from names and contents, without mounting anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::process::Program;
use crate::{Error, Result};

/// Room for tables and folders, and the least that mkfs.vfat makes sense of.
const SLACK: u64 = 1 << 20;

/// Writes a FAT image with `files` (name, with folders separated by `/`, and contents) to the file `image`. Needs mkfs.vfat and mtools.
pub fn write_fat(image: &Path, label: &str, files: &[(String, Vec<u8>)]) -> Result<()> {
    if label.is_empty() || label.len() > 11 || !label.is_ascii() {
        return Err(Error::Asked(format!(
            "`{label}` cannot be the label of a FAT disk; take 1 to 11 ASCII characters"
        )));
    }
    // Each file may waste most of a cluster.
    let content: u64 = files.iter().map(|(_, content)| content.len() as u64 + 8192).sum();
    let size = (SLACK + content + content / 50).next_multiple_of(1 << 20);
    let doing = |what: &str| format!("{what} {}", image.display());
    let file = fs::File::create(image).map_err(Error::io(doing("create")))?;
    file.set_len(size).map_err(Error::io(doing("size")))?;
    Program::new("mkfs.vfat", "dosfstools").args(["--invariant", "-n", label]).arg(image).run()?;

    let scratch = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    for folder in folders(files) {
        mtool("mmd", image).arg(format!("::{folder}")).run()?;
    }
    for (index, (name, content)) in files.iter().enumerate() {
        let source = scratch.path().join(index.to_string());
        fs::write(&source, content).map_err(Error::io(format!("write {}", source.display())))?;
        mtool("mcopy", image).arg(&source).arg(format!("::{name}")).run()?;
    }
    Ok(())
}

fn mtool(name: &'static str, image: &Path) -> Program {
    // mtools refuses geometry it finds odd unless told not to check.
    Program::new(name, "mtools").env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(image)
}

/// Every folder the names need, parents first.
fn folders(files: &[(String, Vec<u8>)]) -> BTreeSet<&str> {
    let parents = |name| -> Vec<&str> { name_slashes(name).map(|end| &name[..end]).collect() };
    files.iter().flat_map(|(name, _)| parents(name)).filter(|folder| !folder.is_empty()).collect()
}

fn name_slashes(name: &str) -> impl Iterator<Item = usize> + '_ {
    name.match_indices('/').map(|(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_children() {
        let files =
            [("a/b/c.txt".to_owned(), vec![]), ("a/d.txt".to_owned(), vec![]), ("e".to_owned(), vec![])];
        assert_eq!(folders(&files).into_iter().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn files_can_be_read_back_from_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("config.img");
        let long = vec![7; 3_000_000];
        let files =
            [("settings.toml".to_owned(), b"name = 1\n".to_vec()), ("deep/er/blob".to_owned(), long.clone())];
        write_fat(&image, "CONFIG", &files).unwrap();
        let read = |name: &str| {
            let copy = folder.path().join("copy");
            let _ = fs::remove_file(&copy);
            mtool("mcopy", &image).arg(format!("::{name}")).arg(&copy).run().unwrap();
            fs::read(&copy).unwrap()
        };
        assert_eq!(read("settings.toml"), b"name = 1\n");
        assert_eq!(read("deep/er/blob"), long);
        Program::new("fsck.vfat", "dosfstools").arg("-n").arg(&image).run().unwrap();
    }

    #[test]
    fn a_label_that_does_not_fit_is_refused() {
        let said = write_fat(Path::new("/nowhere"), "much-too-long-a-label", &[]).unwrap_err().to_string();
        assert!(said.contains("1 to 11 ASCII characters"), "{said}");
    }
}
