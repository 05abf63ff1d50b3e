//! The crates that a workspace's programs are made of.

mod lock;
mod metadata;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::{Expression, Inventory, Licence, Origin, Package, Relation, RelationKind, purl};
use lock::Checksums;
use metadata::{Kind, Metadata, MetadataPackage};

/// How cargo names crates.io, whatever mirror it was told to use.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What cargo knows of a workspace.
#[derive(Debug)]
pub struct Workspace {
    metadata: Metadata,
    checksums: Checksums,
}

impl Workspace {
    /// Reads what `cargo metadata --format-version 1 --locked --filter-platform TARGET` printed, and the
    /// `Cargo.lock` beside it.
    pub fn parse(metadata: &[u8], lock: &str) -> Result<Self> {
        Ok(Self { metadata: Metadata::parse(metadata)?, checksums: lock::checksums(lock)? })
    }

    /// The names of its members.
    pub fn members(&self) -> Vec<&str> {
        self.metadata.members().map(|member| member.name.as_str()).collect()
    }

    /// All crates that take part in the programs of the members `names`, and their relations.
    ///
    /// What is only needed to build them (build dependencies, procedural macros, and what those need) is not in
    /// the image. Tests' dependencies are left out. Cargo resolves features for the whole workspace at once: a
    /// crate that only another member asks for, as an optional dependency of a common one, is listed too.
    pub fn inventory(&self, names: &[&str]) -> Result<Inventory> {
        let mut found: BTreeMap<&str, (&MetadataPackage, bool)> = BTreeMap::new();
        let mut relations = BTreeSet::new();
        let mut open = names.iter().map(|name| Ok((self.member(name)?, true))).collect::<Result<Vec<_>>>()?;
        while let Some((krate, in_image)) = open.pop() {
            if found.get(krate.id.as_str()).is_some_and(|(_, known)| *known || !in_image) {
                continue;
            }
            found.insert(&krate.id, (krate, in_image));
            for (kind, dependency) in self.metadata.dependencies(krate) {
                // A macro runs in the compiler, whatever its dependency is called.
                let linked = kind == Kind::Normal && !dependency.is_proc_macro();
                let (this, that) = (self.package(krate).id(), self.package(dependency).id());
                relations.insert(if linked {
                    Relation { from: this, kind: RelationKind::DependsOn, to: that }
                } else {
                    Relation { from: that, kind: RelationKind::BuildDependencyOf, to: this }
                });
                open.push((dependency, in_image && linked));
            }
        }
        let package = |(krate, in_image): &(&MetadataPackage, bool)| Package {
            in_image: *in_image,
            ..self.package(krate)
        };
        let packages = found.values().map(package).collect();
        Ok(Inventory { packages, relations: relations.into_iter().collect() })
    }

    fn member(&self, name: &str) -> Result<&MetadataPackage> {
        self.metadata
            .members()
            .find(|member| member.name == name)
            .ok_or_else(|| Error::UnknownCrate { name: name.to_owned(), members: self.members().join(", ") })
    }

    fn package(&self, krate: &MetadataPackage) -> Package {
        let MetadataPackage { name, version, license, homepage, repository, source, .. } = krate;
        let expression = license.as_deref().and_then(Expression::parse);
        let public = source.as_deref() == Some(CRATES_IO);
        let locked = |source: &String| self.checksums.get(&(name.clone(), version.clone(), source.clone()));
        let checksum = source.as_ref().and_then(locked);
        Package {
            purl: public.then(|| purl::cargo(name, version)),
            homepage: homepage.clone().or_else(|| repository.clone()),
            file_name: checksum.map(|_| format!("{name}-{version}.crate")),
            sha256: checksum.cloned(),
            licence: expression.map(Licence::stated).unwrap_or_default(),
            ..Package::new(Origin::Cargo, name, version)
        }
    }
}

#[cfg(test)]
mod tests;
