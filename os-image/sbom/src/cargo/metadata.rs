//! What `cargo metadata` prints (The Cargo Book, "cargo metadata", output format 1).

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

const COMMAND: &str = "cargo metadata --format-version 1 --locked --filter-platform TARGET";

/// A workspace and everything that it depends on.
#[derive(Debug)]
pub(super) struct Metadata {
    packages: BTreeMap<String, MetadataPackage>,
    members: BTreeSet<String>,
    dependencies: BTreeMap<String, Vec<Dependency>>,
}

/// One crate.
#[derive(Debug, serde::Deserialize)]
pub(super) struct MetadataPackage {
    /// Unique; holds the crate's folder if it is a member.
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    pub homepage: Option<String>,
    pub repository: Option<String>,
    /// Where it was downloaded from; `None` for a folder on this machine.
    pub source: Option<String>,
    targets: Vec<Target>,
}

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Build,
}

#[derive(Debug, serde::Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Printed {
    packages: Vec<MetadataPackage>,
    workspace_members: BTreeSet<String>,
    resolve: Option<Resolve>,
}

#[derive(serde::Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(serde::Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, serde::Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, serde::Deserialize)]
struct DependencyKind {
    /// `None`, "build" or "dev".
    kind: Option<String>,
}

impl MetadataPackage {
    /// Whether it is a library that the compiler loads.
    pub fn is_proc_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }
}

impl Metadata {
    pub fn parse(json: &[u8]) -> Result<Self> {
        let error =
            |reason: String| Error::Cargo { what: "the metadata of the crates", reason, from: COMMAND };
        let printed: Printed = serde_json::from_slice(json).map_err(|e| error(e.to_string()))?;
        let resolve = printed.resolve.ok_or_else(|| error("it has no dependencies".into()))?;
        Ok(Self {
            packages: printed.packages.into_iter().map(|package| (package.id.clone(), package)).collect(),
            members: printed.workspace_members,
            dependencies: resolve.nodes.into_iter().map(|node| (node.id, node.deps)).collect(),
        })
    }

    fn package(&self, id: &str) -> Option<&MetadataPackage> {
        self.packages.get(id)
    }

    pub fn members(&self) -> impl Iterator<Item = &MetadataPackage> {
        self.members.iter().filter_map(|id| self.package(id))
    }

    /// What a crate needs, apart from its tests' dependencies; twice what it needs for two ends.
    pub fn dependencies(&self, package: &MetadataPackage) -> impl Iterator<Item = (Kind, &MetadataPackage)> {
        let all = self.dependencies.get(&package.id).into_iter().flatten();
        all.filter_map(|dependency| Some((self.package(&dependency.pkg)?, &dependency.dep_kinds))).flat_map(
            |(package, kinds)| {
                let kinds = kinds.iter().filter_map(|kind| match kind.kind.as_deref() {
                    None => Some(Kind::Normal),
                    Some("build") => Some(Kind::Build),
                    Some(_) => None,
                });
                kinds.map(move |kind| (kind, package))
            },
        )
    }
}
