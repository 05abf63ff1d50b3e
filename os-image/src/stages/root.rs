//! The packages of a recipe as a tar file, with a list of their versions.

use crate::cache::Stage;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::packages::Packages;
use crate::packages::lock::Lock;
use crate::recipe::Recipe;
use crate::stages::bootstrap::Bootstrap;
use crate::stages::verity;

/// The section of a recipe's lock with these packages.
pub(crate) const SECTION: &str = "root";

/// A number at random that ZFS's packages leave: it would make every build another, and every system of one build the same, where it
/// is to tell systems apart (gethostid(3)). Whoever needs one makes it at its first boot.
const NO_HOST_ID: &str = "rm -f \"$1\"/etc/hostid";

/// What a recipe installs.
pub(crate) fn bootstrap(recipe: &Recipe) -> Bootstrap {
    let mut packages: Vec<_> = recipe.kernel.iter().chain(&recipe.packages).cloned().collect();
    if recipe.verity {
        packages.extend(verity::PACKAGES.map(String::from));
    }
    Bootstrap {
        release: recipe.release.clone(),
        components: recipe.components.clone(),
        packages,
        exclude: recipe.exclude.clone(),
        ..Bootstrap::default()
    }
}

/// `root.tar`, `packages.json` and, where the recipe has a kernel, `kernel-version`.
pub(crate) fn stage(packages: &Packages, recipe: &Recipe) -> Result<Stage> {
    let bootstrap = bootstrap(recipe);
    let key = Key::default()
        .value("release", &bootstrap.release)
        .value("components", &bootstrap.components)
        .value("packages", &bootstrap.packages)
        .value("excluded paths", &bootstrap.exclude)
        .value("builder", &[include_str!("root.rs"), include_str!("bootstrap.rs")]);
    let lock = Lock::load(&recipe.locks)?;
    let locked = lock.sections.get(SECTION);
    packages.stage(&format!("root {}", recipe.name), key, &bootstrap, locked, |installer, out| {
        let tar = out.join("root.tar");
        let packages =
            installer.run("install the packages with mmdebstrap", Some(&tar), &[NO_HOST_ID.into()])?;
        let list = out.join("packages.json");
        let pairs: Vec<_> = packages.iter().collect();
        let text = serde_json::to_vec_pretty(&pairs).expect("plain text");
        std::fs::write(&list, text).at("write", &list)?;
        if let Some(version) = kernel_version(packages.keys()) {
            let file = out.join("kernel-version");
            std::fs::write(&file, version).at("write", &file)?;
        }
        Ok(())
    })
}

/// The version of the kernel in a root, as in `/lib/modules`.
pub(crate) fn kernel_of(root: &Stage, recipe: &Recipe) -> Result<String> {
    std::fs::read_to_string(root.path.join("kernel-version")).map_err(|_| {
        Error::content(
            &recipe.name,
            "its packages contain no kernel",
            "give one, for example `kernel = \"linux-image-cloud-amd64\"`",
        )
    })
}

/// The version of the kernel among packages.
pub(crate) fn kernel_version<'a>(mut packages: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    packages.find_map(|name| {
        let version = name.strip_prefix("linux-image-")?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_found_among_the_packages() {
        let packages = ["bash", "linux-image-cloud-amd64", "linux-image-6.12.1+deb13-cloud-amd64"];
        let packages = packages.map(String::from);
        assert_eq!(kernel_version(packages.iter()), Some("6.12.1+deb13-cloud-amd64"));
    }
}
