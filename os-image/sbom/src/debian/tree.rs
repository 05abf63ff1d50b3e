//! The few files of a root filesystem, or of a package, that tell what is in it and under which licence.

use std::collections::BTreeMap;
use std::io::Read;

/// Links followed before a file counts as missing.
const MOST_LINKS: usize = 8;

/// Text files and links by their path, without a leading `/`.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Entry>);

#[derive(Debug)]
enum Entry {
    Text(String),
    /// A link to a path from the root.
    Link(String),
}

impl Tree {
    /// Adds what matters from a tar stream, which is read to its end.
    pub fn add_tar(&mut self, mut stream: impl Read) -> std::io::Result<()> {
        let mut archive = tar::Archive::new(&mut stream);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = joined("", &String::from_utf8_lossy(&entry.path_bytes()));
            let kind = entry.header().entry_type();
            let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
            let new = match target {
                Some(target) if kind.is_symlink() && may_matter(&path) => Entry::Link(joined(&path, &target)),
                Some(target) if kind.is_hard_link() && may_matter(&path) => Entry::Link(joined("", &target)),
                _ if kind.is_file() && may_matter(&path) => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    Entry::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
                _ => continue,
            };
            self.0.insert(path, new);
        }
        // A program that writes the stream must not find its pipe closed.
        std::io::copy(&mut stream, &mut std::io::sink())?;
        Ok(())
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            match self.0.get(&path) {
                Some(Entry::Text(text)) => return Some(text),
                Some(Entry::Link(target)) => path = target.clone(),
                None => {
                    let (folder, name) = path.rsplit_once('/')?;
                    let Some(Entry::Link(target)) = self.0.get(folder) else { return None };
                    path = format!("{target}/{name}");
                }
            }
        }
        None
    }

    /// The copyright file of a package (Debian Policy, section 12.5): its folder may be a link to that of
    /// another package built from the same source.
    pub fn copyright(&self, package: &str) -> Option<&str> {
        self.text(&format!("usr/share/doc/{package}/copyright"))
    }
}

/// Files are few that say something, and links few in their folder.
fn may_matter(path: &str) -> bool {
    [super::STATUS, super::OS_RELEASE].contains(&path)
        || path.strip_prefix("usr/share/doc/").is_some_and(|path| match path.split_once('/') {
            None => true, // the folder of a package, where it is a link
            Some((_, file)) => file == "copyright",
        })
}

/// The path that `target` means in a link at `link`.
fn joined(link: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { link.split('/').collect() };
    parts.pop(); // the link's own name
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tar archive with files (`path`, text) and symbolic links (`path`, `-> target`).
    pub fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, format!("./{path}"), target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, format!("./{path}"), content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn tree(entries: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        tree.add_tar(tar(entries).as_slice()).unwrap();
        tree
    }

    #[test]
    fn copyright_files_are_found_through_links() {
        let tree = tree(&[
            ("usr/share/doc/base/copyright", "words"),
            ("usr/share/doc/folder-link", "-> base"),
            ("usr/share/doc/file-link/copyright", "-> ../base/copyright"),
            ("usr/share/doc/absolute", "-> /usr/share/doc/folder-link"),
            ("usr/share/doc/loop", "-> loop"),
            ("usr/share/doc/nowhere", "-> gone"),
        ]);
        for package in ["base", "folder-link", "file-link", "absolute"] {
            assert_eq!(tree.copyright(package), Some("words"), "{package}");
        }
        for package in ["loop", "nowhere", "unknown"] {
            assert_eq!(tree.copyright(package), None, "{package}");
        }
    }

    #[test]
    fn other_files_are_not_kept() {
        let tree =
            tree(&[("usr/bin/big", "x"), ("usr/share/doc/a/README", "x"), ("var/lib/dpkg/status", "s")]);
        assert_eq!(tree.0.len(), 1);
        assert_eq!(tree.text("var/lib/dpkg/status"), Some("s"));
    }
}
