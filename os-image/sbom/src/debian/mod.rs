//! The Debian packages of a root filesystem.

mod deb;
mod fields;
mod free_form;
mod machine_readable;
mod short_name;
mod status;
mod synopsis;
mod tree;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::error::{Error, IoContext, Result};
use crate::{Inventory, Licence, Origin, Package, purl};
use status::Installed;
use tree::Tree;

/// dpkg's list of packages, in a root filesystem.
pub const STATUS: &str = "var/lib/dpkg/status";
/// `os-release(5)`, in a root filesystem.
pub const OS_RELEASE: &str = "usr/lib/os-release";

/// The packages installed in a root filesystem, and what it says of their licences.
#[derive(Debug)]
pub struct Root {
    installed: Vec<Installed>,
    /// `ID` and `VERSION_CODENAME` of `os-release(5)`.
    distribution: (String, String),
    tree: Tree,
}

impl Root {
    /// A root filesystem in a tar archive.
    pub fn read(tar: &Path) -> Result<Self> {
        let mut tree = Tree::default();
        tree.add_tar(BufReader::new(File::open(tar).reading(tar)?)).reading(tar)?;
        let missing = |file: &str| Error::Root { problem: format!("{} has no {file}", tar.display()) };
        let find = |file: &str| tree.text(file).map(str::to_owned).ok_or_else(|| missing(file));
        let root = Self::new(&find(STATUS)?, &find(OS_RELEASE)?)?;
        Ok(Self { tree, ..root })
    }

    /// A root filesystem of which only dpkg's status file and `/usr/lib/os-release` are at hand.
    pub fn new(status: &str, os_release: &str) -> Result<Self> {
        let release = |key: &str| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value
                .map(|value| value.trim_matches('"').to_owned())
                .ok_or_else(|| Error::Root { problem: format!("its os-release has no {key}") })
        };
        let installed = status::installed(status);
        if installed.is_empty() {
            return Err(Error::Root { problem: "its dpkg status names no installed package".into() });
        }
        let distribution = (release("ID")?, release("VERSION_CODENAME")?);
        Ok(Self { installed, distribution, tree: Tree::default() })
    }

    /// Only the packages `names`: for a root that lends some of its files to an image.
    pub fn only(mut self, names: &[&str]) -> Result<Self> {
        if let Some(name) = names.iter().find(|name| self.installed.iter().all(|p| p.name != **name)) {
            return Err(Error::NotInstalled { name: (*name).to_owned() });
        }
        self.installed.retain(|package| names.contains(&package.name.as_str()));
        Ok(self)
    }

    /// Its packages. Checksums, and the copyright files that are not in the root, come from the package files
    /// in the folder `debs`, where they lie under the names that apt gives them.
    pub fn inventory(mut self, debs: &Path) -> Result<Inventory> {
        let mut packages = Vec::new();
        for installed in &self.installed {
            let deb = debs.join(installed.deb());
            let mut package = self.package(installed);
            if deb.is_file() {
                package.file_name = Some(installed.deb());
                package.sha256 = Some(deb::sha256(&deb)?);
                if self.tree.copyright(&installed.name).is_none() {
                    deb::add_copyright(&mut self.tree, &deb)?;
                }
            }
            packages.push(package);
        }
        // Only now: a package may point at another's file.
        for package in &mut packages {
            package.licence = self.tree.copyright(&package.name).map(licence).unwrap_or_default();
        }
        Ok(Inventory { packages, relations: Vec::new() })
    }

    fn package(&self, installed: &Installed) -> Package {
        let (distribution, release) = &self.distribution;
        let Installed { name, version, architecture, source, maintainer, homepage, .. } = installed;
        Package {
            purl: Some(purl::deb(distribution, release, name, version, architecture)),
            supplier: maintainer.as_deref().map(supplier),
            homepage: homepage.clone(),
            source_info: Some(format!("built from the source package {} {}", source.0, source.1)),
            ..Package::new(Origin::Debian, name, version)
        }
    }
}

/// What a copyright file says.
fn licence(copyright: &str) -> Licence {
    machine_readable::read(copyright).unwrap_or_else(|| free_form::read(copyright))
}

/// `NAME <ADDRESS>` as SPDX writes it (2.3, clause 7.5). dpkg does not say whether a maintainer is a person; all
/// act for the distribution.
fn supplier(maintainer: &str) -> String {
    match maintainer.split_once('<') {
        Some((name, address)) => {
            format!("Organization: {} ({})", name.trim().trim_matches('"'), address.trim_end_matches('>'))
        }
        None => format!("Organization: {maintainer}"),
    }
}

#[cfg(test)]
mod tests;
