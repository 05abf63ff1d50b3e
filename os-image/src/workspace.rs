//! What cargo knows of the workspace whose services go into an image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;

/// A Cargo workspace and the toolchain that builds it.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Folder of the Rust toolchain, with `bin/cargo`.
    pub toolchain: PathBuf,
    toolchain_version: String,
    crates: Vec<Crate>,
}

/// A member of the workspace.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Crate {
    /// Package name.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Package description.
    pub description: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
    metadata: Option<Metadata>,
}

/// Where a binary goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BinPlace {
    /// `/usr/lib/VENDOR`.
    Vendor,
    /// This folder.
    Folder(String),
    /// Not into the root.
    LeftOut,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct Dependency {
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, serde::Deserialize)]
struct Metadata {
    #[serde(default)]
    image: ImageMetadata,
}

/// `[package.metadata.image]`
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageMetadata {
    /// Binary to folder, or `false`.
    #[serde(default)]
    bin: BTreeMap<String, Place>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
enum Place {
    Folder(String),
    Installed(bool),
}

impl Crate {
    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    /// Its binaries and where they go.
    pub fn bins(&self) -> Vec<(String, BinPlace)> {
        let places = self.metadata.clone().unwrap_or_default().image.bin;
        let bins = self.targets.iter().filter(|t| t.kind.iter().any(|k| k == "bin"));
        bins.map(|target| {
            let place = match places.get(&target.name) {
                None | Some(Place::Installed(true)) => BinPlace::Vendor,
                Some(Place::Installed(false)) => BinPlace::LeftOut,
                Some(Place::Folder(folder)) => BinPlace::Folder(folder.clone()),
            };
            (target.name.clone(), place)
        })
        .collect()
    }
}

impl Workspace {
    /// Asks cargo and rustc about the workspace in `root`.
    pub fn open(root: &Path, log: &Log) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Answer {
            packages: Vec<Crate>,
        }
        let ask = |purpose: &str, program: &str, args: &[&str]| -> Result<String> {
            let mut command = Command::new(program);
            command.args(args).current_dir(root);
            Ok(String::from_utf8_lossy(&log.run(purpose, command)?).trim().to_owned())
        };
        let metadata =
            ask("read the workspace", "cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
        let answer: Answer = serde_json::from_str(&metadata).map_err(|e| {
            Error::content(
                "of the workspace",
                format!("cargo's metadata is not understood: {e}"),
                "check \
                `[package.metadata.image]` of the crates: only the table `bin` is known",
            )
        })?;
        let toolchain = PathBuf::from(ask("find the Rust toolchain", "rustc", &["--print", "sysroot"])?);
        let cargo = toolchain.join("bin/cargo");
        cargo.metadata().at("find the toolchain's cargo, expected at", &cargo)?;
        let toolchain_version = ask("ask rustc its version", "rustc", &["--version", "--verbose"])?;
        Ok(Self { root: root.to_owned(), toolchain, toolchain_version, crates: answer.packages })
    }

    /// The member in `folder` (relative to the workspace).
    pub fn member(&self, recipe: &str, folder: &str) -> Result<&Crate> {
        let path = self.root.join(folder);
        let known = || {
            let mut all: Vec<_> =
                self.crates.iter().filter_map(|c| c.folder().strip_prefix(&self.root).ok()).collect();
            all.sort();
            all.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        self.crates.iter().find(|c| c.folder() == path).ok_or_else(|| {
            Error::content(
                recipe,
                format!("`{folder}` is no crate of the workspace"),
                format!("it has {}", known()),
            )
        })
    }

    /// Everything the binaries of these crates are made from.
    pub fn sources_key(&self, crates: &[&Crate]) -> Result<Key> {
        let mut key = Key::default()
            .value("toolchain", &self.toolchain_version)
            .path("Cargo.lock", &self.root.join("Cargo.lock"))?
            .path("workspace Cargo.toml", &self.root.join("Cargo.toml"))?;
        for folder in self.closure(crates) {
            let label = folder.strip_prefix(&self.root).unwrap_or(&folder).display().to_string();
            key = key.path(&label, &folder)?;
        }
        Ok(key)
    }

    /// What decides which crates these crates are made of, and under which licences.
    pub fn manifests_key(&self, crates: &[&Crate]) -> Result<Key> {
        let mut key = Key::default()
            .value("toolchain", &self.toolchain_version)
            .path("Cargo.lock", &self.root.join("Cargo.lock"))?
            .path("workspace Cargo.toml", &self.root.join("Cargo.toml"))?;
        for folder in self.closure(crates) {
            let manifest = folder.join("Cargo.toml");
            let label = manifest.strip_prefix(&self.root).unwrap_or(&manifest).display().to_string();
            key = key.path(&label, &manifest)?;
        }
        Ok(key)
    }

    /// The release of the Rust toolchain, such as `1.95.0`.
    pub fn rust_release(&self) -> &str {
        // `rustc --version --verbose` prints it as `release: 1.95.0`.
        let release = self.toolchain_version.lines().find_map(|line| line.strip_prefix("release: "));
        release.unwrap_or(&self.toolchain_version)
    }

    /// Copies what cargo needs to compile any member into `to`, changing only what differs.
    pub fn mirror(&self, to: &Path) -> Result<()> {
        let mut names: BTreeSet<PathBuf> = ["Cargo.toml", "Cargo.lock"].map(PathBuf::from).into();
        let folders = self.crates.iter().filter_map(|c| c.folder().strip_prefix(&self.root).ok());
        names.extend(folders.filter_map(|f| f.components().next()).map(|top| PathBuf::from(top.as_os_str())));
        for name in &names {
            crate::mirror::mirror(&self.root.join(name), &to.join(name))?;
        }
        // A folder that is no longer there could still match a pattern of `members`.
        for stale in crate::key::sorted_children(to)? {
            if !names.contains(Path::new(stale.file_name().unwrap_or_default())) {
                std::fs::remove_dir_all(&stale).at("remove", &stale)?;
            }
        }
        Ok(())
    }

    /// The folders of these crates and of the members they depend on.
    fn closure(&self, crates: &[&Crate]) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut open: Vec<PathBuf> = crates.iter().map(|c| c.folder().to_owned()).collect();
        while let Some(folder) = open.pop() {
            if !found.insert(folder.clone()) {
                continue;
            }
            let dependencies =
                self.crates.iter().filter(|c| c.folder() == folder).flat_map(|c| &c.dependencies);
            open.extend(
                dependencies.filter(|d| d.kind.as_deref() != Some("dev")).filter_map(|d| d.path.clone()),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(json: serde_json::Value) -> Crate {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn binaries_go_to_the_vendor_folder_unless_the_crate_says_otherwise() {
        let krate = krate(serde_json::json!({
            "name": "c", "version": "1.0.0", "description": null, "manifest_path": "/w/c/Cargo.toml",
            "targets": [
                { "name": "c", "kind": ["bin"] },
                { "name": "tool", "kind": ["bin"] },
                { "name": "hidden", "kind": ["bin"] },
                { "name": "lib", "kind": ["lib"] },
            ],
            "dependencies": [],
            "metadata": { "image": { "bin": { "tool": "/usr/bin", "hidden": false } } },
        }));
        assert_eq!(
            krate.bins(),
            [
                ("c".into(), BinPlace::Vendor),
                ("tool".into(), BinPlace::Folder("/usr/bin".into())),
                ("hidden".into(), BinPlace::LeftOut),
            ]
        );
    }

    #[test]
    fn what_a_program_is_made_of_changes_with_a_manifest_and_not_with_its_own_code() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        ["Cargo.lock", "Cargo.toml", "a/Cargo.toml", "a/main.rs"]
            .into_iter()
            .for_each(|file| write(file, "1"));
        let member = krate(serde_json::json!({
            "name": "a", "version": "1.0.0", "description": null, "targets": [], "dependencies": [],
            "manifest_path": dir.path().join("a/Cargo.toml"), "metadata": null,
        }));
        let workspace = Workspace {
            root: dir.path().into(),
            toolchain: "/t".into(),
            toolchain_version: "rustc 1.95.0 (x)\nrelease: 1.95.0\nLLVM version: 1".into(),
            crates: vec![member],
        };
        assert_eq!(workspace.rust_release(), "1.95.0");
        let key = || workspace.manifests_key(&[&workspace.crates[0]]).unwrap();
        let before = key();
        write("a/main.rs", "2");
        assert_eq!(key().hash(), before.hash());
        write("a/Cargo.toml", "2");
        assert_ne!(key().hash(), before.hash());
    }

    #[test]
    fn the_sources_of_a_program_reach_through_the_crates_it_depends_on() {
        let member = |name: &str, deps: serde_json::Value| {
            krate(serde_json::json!({
                "name": name, "version": "1.0.0", "description": null, "targets": [], "dependencies": deps,
                "manifest_path": format!("/w/{name}/Cargo.toml"), "metadata": null,
            }))
        };
        let on = |name: &str, kind: Option<&str>| serde_json::json!({ "path": format!("/w/{name}"), "kind": kind });
        let workspace = Workspace {
            root: "/w".into(),
            toolchain: "/t".into(),
            toolchain_version: "1".into(),
            crates: vec![
                member("a", serde_json::json!([on("b", None), on("d", Some("dev"))])),
                member("b", serde_json::json!([on("c", Some("build"))])),
                member("c", serde_json::json!([])),
                member("d", serde_json::json!([])),
            ],
        };
        let closure = workspace.closure(&[&workspace.crates[0]]);
        assert_eq!(closure.into_iter().collect::<Vec<_>>(), ["/w/a", "/w/b", "/w/c"].map(PathBuf::from));
    }
}
