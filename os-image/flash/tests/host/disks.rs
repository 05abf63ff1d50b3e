//! Loop devices, and what can be done to them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use os_flash::{Disk, Found, find};
use tempfile::TempDir;

use crate::common::MIB;
use crate::shell::{run, try_run};

/// A loop device over a file; both go away with it, and with them what was mounted or swapped on.
pub struct Loop {
    pub node: PathBuf,
    pub file: PathBuf,
    pub folder: TempDir,
    /// Programs and their argument, to be run backwards.
    undo: Vec<(&'static str, String)>,
}

impl Loop {
    /// A disk of `size` bytes, each of them `fill`.
    pub fn new(size: u64, fill: u8) -> Self {
        Self::with(size, fill, &[])
    }

    /// The same with further options for losetup(8).
    pub fn with(size: u64, fill: u8, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        let content = File::create(&file).unwrap();
        content.set_len(size).unwrap();
        if fill != 0 {
            (0..size / MIB).for_each(|at| content.write_all_at(&[fill; MIB as usize], at * MIB).unwrap());
        }
        let path = file.display().to_string();
        // Partitions that a former user of the device left behind are forgotten, and so will be ours.
        let node = run("losetup", ["--partscan", "--show", "-f", &path].iter().chain(options));
        Self { node: node.into(), file, folder, undo: Vec::new() }
    }

    /// A disk nothing is found on: its ends are zeros, all between them is `fill`.
    pub fn blank(size: u64, fill: u8) -> Self {
        let disk = Self::new(size, fill);
        let node = File::options().write(true).open(&disk.node).unwrap();
        for end in [0, size - MIB] {
            node.write_all_at(&[0; MIB as usize], end).unwrap();
        }
        node.sync_all().unwrap();
        disk
    }

    /// What is found out about it.
    pub fn look(&self) -> Disk {
        look(&self.node)
    }

    /// Makes a partition known to the kernel, which need not be able to read tables for that.
    pub fn partition(&self) -> PathBuf {
        let node = self.node.display().to_string();
        run("addpart", [&node, "1", "2048", "8192"]);
        format!("{node}p1").into()
    }

    /// Mounts a new ext4 on `node`, which is this device or a part of it.
    pub fn mount(&mut self, node: &Path) -> String {
        run("mkfs.ext4", ["-q", "-F", &node.display().to_string()]);
        self.try_mount(node).unwrap()
    }

    /// Mounts what is on `node`, if that is possible; gives the place.
    pub fn try_mount(&mut self, node: &Path) -> Result<String, String> {
        let place = self.folder.path().join("mnt").display().to_string();
        fs::create_dir(&place).unwrap();
        try_run("mount", [&node.display().to_string(), &place])?;
        self.undo.push(("umount", place.clone()));
        Ok(place)
    }

    /// Swaps on it.
    pub fn swap(&mut self) {
        let node = self.node.display().to_string();
        run("mkswap", [&node]);
        run("swapon", ["--priority", "0", &node]);
        self.undo.push(("swapoff", node));
    }

    /// Gives the same device another life, as if a disk was pulled and another one plugged in.
    pub fn exchange(&mut self) {
        let (node, file) = (self.node.display().to_string(), self.file.display().to_string());
        run("losetup", ["-d", &node]);
        if let Err(error) = try_run("losetup", [&node, &file]) {
            self.node = PathBuf::new(); // somebody else's now
            panic!("{error}");
        }
    }

    /// All of its bytes, as its file has them.
    pub fn content(&self) -> Vec<u8> {
        run("sync", ["--file-system", &self.file.display().to_string()]);
        fs::read(&self.file).unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        for (program, argument) in self.undo.iter().rev() {
            if let Err(error) = try_run(program, [argument]) {
                eprintln!("{error}");
            }
        }
        if let Err(error) = try_run("losetup", [Path::new("-d"), &self.node]) {
            eprintln!("{error}");
        }
    }
}

/// What is found out about a block device.
pub fn look(node: &Path) -> Disk {
    match find(node).unwrap() {
        Found::Disk(disk) => *disk,
        Found::Place(place) => panic!("{place:?} is no disk"),
    }
}
