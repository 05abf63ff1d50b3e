//! What somebody puts into the box: a disk with a FAT file system. The kernel of the image for virtual machines knows no USB; a box takes a
//! FAT disk of a virtual machine's for a stick. The image for real machines gets it over USB.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use qemu_harness::{Bytes, Disk};

/// A stick, which is a raw file here.
pub struct Stick {
    file: PathBuf,
    label: String,
}

impl Stick {
    /// One with this label, and these files in its uppermost folder.
    pub fn make(folder: &Path, label: &str, size: Bytes, files: &[&Path]) -> anyhow::Result<Self> {
        let file = folder.join(format!("{}.raw", label.to_lowercase()));
        let created = std::fs::File::create(&file).and_then(|file| file.set_len(size.get()));
        created.with_context(|| format!("cannot make {}", file.display()))?;
        run(Command::new("mkfs.vfat").args(["-F", "32", "-n", label]).arg(&file))?;
        let stick = Self { file, label: label.to_owned() };
        if !files.is_empty() {
            run(stick.mtools("mcopy").args(files).arg("::"))?;
        }
        Ok(stick)
    }

    /// What it is called.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where all of it lies.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// As a disk of a machine, which is called and numbered so.
    pub fn disk(&self, name: &str) -> Disk {
        Disk::file(&self.file).named(name).serial(name)
    }

    /// Names of the files in its uppermost folder.
    pub fn names(&self) -> anyhow::Result<Vec<String>> {
        let said = run(self.mtools("mdir").args(["-b", "::"]))?;
        let names = String::from_utf8(said).context("mdir does not speak UTF-8")?;
        Ok(names.lines().map(|line| line.trim().trim_start_matches("::/").to_owned()).collect())
    }

    /// What is in a file.
    pub fn read(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        run(self.mtools("mcopy").arg(format!("::{name}")).arg("-"))
    }

    fn mtools(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-i").arg(&self.file);
        command
    }
}

fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| {
        format!("cannot start {program}; `cargo xtask setup` installs dosfstools and mtools")
    })?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_onto_a_stick_is_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a new version.raucb");
        std::fs::write(&file, "bytes").unwrap();
        let stick = Stick::make(folder.path(), "TOOLS", Bytes::mib(64), &[&file]).unwrap();
        assert_eq!(stick.names().unwrap(), ["a new version.raucb"]);
        assert_eq!(stick.read("a new version.raucb").unwrap(), b"bytes");
    }
}
