//! The stages of a build, one a file. Each hashes what it is made from, its own source included: a
//! change to how a stage works builds it anew.

pub(crate) mod base;
pub(crate) mod bootstrap;
pub(crate) mod compressed;
pub(crate) mod deb;
pub(crate) mod disk;
pub(crate) mod emulator;
pub(crate) mod filesystem;
pub(crate) mod firmware;
pub(crate) mod grub;
pub(crate) mod initramfs;
pub(crate) mod modules;
pub(crate) mod payload;
pub(crate) mod programs;
pub(crate) mod root;
pub(crate) mod sbom;
pub(crate) mod slot;
pub(crate) mod tools;
pub(crate) mod verity;

use std::path::Path;

use crate::cache::{Cache, Stage};
use crate::namespace::BuildRoot;
use crate::packages::Packages;
use crate::workspace::Workspace;

/// What the stages of one build share.
pub(crate) struct Context<'a> {
    pub cache: &'a Cache,
    pub workspace: &'a Workspace,
    pub packages: Packages<'a>,
    /// The tools of the image's release.
    pub tools: Stage,
    /// Programs are compiled in steps.
    pub in_steps: bool,
}

impl Context<'_> {
    /// The same for a part of the build.
    pub fn on<'a>(&'a self, cache: &'a Cache) -> Context<'a> {
        let Self { workspace, packages, tools, in_steps, .. } = self;
        let (packages, tools) = (packages.on(cache), tools.clone());
        Context { cache, workspace, packages, tools, in_steps: *in_steps }
    }

    /// A root that is being made, ready to be entered.
    pub fn root_in_the_making(&self, tree: &Path) -> BuildRoot {
        BuildRoot::writable(tree, self.packages.source_date())
    }

    /// The tools, ready to be entered.
    pub fn build_root(&self) -> BuildRoot {
        BuildRoot::read_only(&self.tools.path.join("root"), self.packages.source_date())
    }
}
