//! Whose a file of a root is.

use std::collections::BTreeMap;

use crate::sizes::contents::{Contents, File};

/// Who brings files into an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Origin {
    /// A Debian package: the files it is made of, not those that its scripts make when it is installed.
    Package(String),
    /// A crate of the workspace: its programs, units and policies.
    Service(String),
    /// Kernel and initramfs of another recipe.
    Recipe(String),
    /// The kernel's modules, and those built for it.
    KernelModules,
    /// The kernel.
    Kernel,
    /// The initramfs.
    Initramfs,
    /// What nobody else brings into this folder: made while packages were installed, or files of the recipe.
    Folder(String),
}

/// Depth of the folders in which files of nobody are counted together.
const FOLDER_DEPTH: usize = 3;

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Package(name) => write!(f, "package {name}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Recipe(name) => write!(f, "recipe {name}"),
            Self::KernelModules => write!(f, "kernel modules"),
            Self::Kernel => write!(f, "kernel"),
            Self::Initramfs => write!(f, "initramfs"),
            Self::Folder(name) => write!(f, "others in /{name}"),
        }
    }
}

/// What the builder itself lays into a root: paths, without a leading `/`, and whose they are.
pub(crate) type Origins = BTreeMap<String, Origin>;

/// Bytes by whose they are. A file with several names belongs to the first of them that is anybody's.
pub(super) fn shares(contents: &Contents, laid: &Origins) -> BTreeMap<Origin, u64> {
    let mut shares = BTreeMap::new();
    for File { bytes, names } in contents.files.values() {
        let known = names.iter().find_map(|name| of_path(name, contents, laid));
        let origin = known.unwrap_or_else(|| Origin::Folder(folder(names.first().map_or("", |name| name))));
        *shares.entry(origin).or_default() += bytes;
    }
    shares
}

fn of_path(path: &str, contents: &Contents, laid: &Origins) -> Option<Origin> {
    if let Some(origin) = laid.get(path) {
        return Some(origin.clone());
    }
    if path.starts_with("usr/lib/modules/") {
        return Some(Origin::KernelModules); // before the package that brings most of them
    }
    match path.strip_prefix("boot/") {
        Some(name) if name.starts_with("vmlinuz") => Some(Origin::Kernel),
        Some(name) if name.starts_with("initrd.img") => Some(Origin::Initramfs),
        _ => contents.packages.get(path).cloned().map(Origin::Package),
    }
}

fn folder(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split('/').take(FOLDER_DEPTH).collect::<Vec<_>>().join("/")
}
