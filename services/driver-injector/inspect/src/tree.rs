//! A foreign file system, looked at without leaving it: every path and every symbolic link in it is resolved below its root
//! (openat2(2), RESOLVE_IN_ROOT), whatever it says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// Entries of one folder we look at: a folder somebody filled to tire us ends here.
const MOST_ENTRIES: usize = 1000;

/// The root of a foreign file system.
#[derive(Debug)]
pub struct Tree(OwnedFd);

impl Tree {
    /// The file system mounted at a folder of ours.
    pub fn open(mounted_at: &Path) -> io::Result<Self> {
        Ok(Self(File::open(mounted_at)?.into()))
    }

    fn resolve(&self, path: &str, flags: OFlag) -> io::Result<Option<OwnedFd>> {
        // Without NONBLOCK a FIFO in the place of a file would hold us for ever.
        let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let how = OpenHow::new().flags(flags).mode(Mode::empty()).resolve(
            ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV,
        );
        match openat2(self.0.as_fd(), path, how) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV | Errno::ENXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The text of a regular file, at most `limit` bytes of it; `None` if there is no such file.
    pub fn text(&self, path: &str, limit: u64) -> io::Result<Option<String>> {
        let Some(fd) = self.resolve(path, OFlag::empty())? else { return Ok(None) };
        let file = File::from(fd);
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether there is a regular file with something in it.
    pub fn has_file(&self, path: &str) -> io::Result<bool> {
        let Some(fd) = self.resolve(path, OFlag::empty())? else { return Ok(false) };
        let metadata = File::from(fd).metadata()?;
        Ok(metadata.is_file() && metadata.len() > 0)
    }

    /// The names in a folder, sorted; empty if there is no such folder.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(fd) = self.resolve(path, OFlag::O_DIRECTORY)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in Dir::from_fd(fd)?.iter().take(MOST_ENTRIES) {
            let entry = entry?;
            let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(entry.file_name().to_bytes());
            names.extend(name.to_str().filter(|name| !matches!(*name, "." | "..")).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/hostname"), "ledger\n").unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        (directory, tree)
    }

    #[test]
    fn links_that_point_out_end_at_the_root_of_the_tree() {
        let (directory, tree) = tree();
        let etc = directory.path().join("etc");
        symlink("/etc/passwd", etc.join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", etc.join("relative")).unwrap();
        symlink("/", etc.join("up")).unwrap();
        assert!(Path::new("/etc/passwd").exists(), "the test needs a file outside");
        for path in ["etc/absolute", "etc/relative", "etc/up/etc/passwd", "/etc/passwd", "../../etc/passwd"] {
            assert_eq!(tree.text(path, 100).unwrap(), None, "{path} led out of the tree");
            assert!(!tree.has_file(path).unwrap(), "{path} led out of the tree");
        }
        // The same links lead to what stands inside.
        std::fs::write(etc.join("passwd"), "inside").unwrap();
        for path in ["etc/absolute", "etc/relative", "etc/up/etc/passwd"] {
            assert_eq!(tree.text(path, 100).unwrap().as_deref(), Some("inside"), "{path}");
        }
    }

    #[test]
    fn a_link_into_proc_is_not_followed() {
        let (directory, tree) = tree();
        symlink("/proc/self/root/etc/passwd", directory.path().join("magic")).unwrap();
        assert_eq!(tree.text("magic", 100).unwrap(), None);
    }

    #[test]
    fn only_regular_files_have_a_text_and_only_so_much_of_it() {
        let (directory, tree) = tree();
        assert_eq!(tree.text("etc/hostname", 3).unwrap().as_deref(), Some("led"));
        assert_eq!(tree.text("etc", 3).unwrap(), None);
        nix::unistd::mkfifo(&directory.path().join("fifo"), Mode::S_IRWXU).unwrap();
        assert_eq!(tree.text("fifo", 3).unwrap(), None);
    }

    #[test]
    fn links_in_a_circle_are_no_file() {
        let (directory, tree) = tree();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert_eq!(tree.text("a", 3).unwrap(), None);
    }

    #[test]
    fn a_folder_lists_its_names_in_order() {
        let (directory, tree) = tree();
        std::fs::write(directory.path().join("etc/fstab"), "").unwrap();
        assert_eq!(tree.list("etc").unwrap(), ["fstab", "hostname"]);
        assert!(tree.list("nowhere").unwrap().is_empty());
        assert!(!tree.has_file("etc/fstab").unwrap(), "an empty file holds nothing");
    }
}
