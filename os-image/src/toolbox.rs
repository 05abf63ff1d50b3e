//! Programs of a Debian release that no image needs: another builder, to compare with.

use std::path::Path;

use crate::command::Log;
use crate::error::Result;
use crate::key::Key;
use crate::namespace::{self, BuildRoot};
use crate::packages::Packages;
use crate::stages::bootstrap::Bootstrap;
use crate::stages::tools;

/// A root with programs, to run them in as the builder runs its own: as root of a user namespace.
#[derive(Debug, Clone)]
pub struct Toolbox {
    root: BuildRoot,
    log: Log,
}

impl Toolbox {
    pub(crate) fn install(packages: &Packages, name: &str, release: &str, programs: &[&str]) -> Result<Self> {
        let bootstrap = Bootstrap {
            release: release.into(),
            components: vec!["main".into()],
            packages: programs.iter().map(|program| program.to_string()).collect(),
            ..Bootstrap::default()
        };
        let key = Key::default()
            .value("packages", &bootstrap)
            .value("builder", &[include_str!("toolbox.rs"), include_str!("stages/bootstrap.rs")]);
        let stage = packages.stage(&format!("toolbox {name}"), key, &bootstrap, None, |installer, out| {
            let tar = installer.scratch.join("root.tar");
            installer.run("install the programs with mmdebstrap", Some(&tar), &[])?;
            let script =
                tools::extract(&crate::command::quote(&tar), &crate::command::quote(out.join("root")));
            installer.log.run("unpack the programs", namespace::command(&script))?;
            Ok(())
        })?;
        Ok(Self {
            root: BuildRoot::read_only(&stage.path.join("root"), packages.source_date()),
            log: Log(packages.cache.persistent("logs")?.join(format!("toolbox-{name}-runs.log"))),
        })
    }

    /// Shows `from` as `/run/build/NAME`, read-only.
    pub fn with(self, name: &str, from: &Path) -> Self {
        Self { root: self.root.with(name, from), ..self }
    }

    /// Shows `from` as `/run/build/NAME`, writable.
    pub fn with_writable(self, name: &str, from: &Path) -> Self {
        Self { root: self.root.with_writable(name, from), ..self }
    }

    /// Runs a shell script (`sh -eu`) inside and returns its standard output.
    pub fn run(&self, purpose: &str, script: &str) -> Result<Vec<u8>> {
        Ok(self.root.run(&self.log, purpose, script)?)
    }
}
