//! The packages of a recipe as a tar file, with a list of their versions.

use std::process::Command;

use crate::cache::Stage;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::recipe::Recipe;
use crate::stages::bootstrap::Bootstrap;
use crate::stages::{Context, verity};

/// `root.tar`, `packages.json` and, where the recipe has a kernel, `kernel-version`.
pub(crate) fn stage(context: &Context, recipe: &Recipe) -> Result<Stage> {
    let mut packages = recipe.packages.clone();
    if recipe.verity {
        packages.extend(verity::PACKAGES.map(String::from));
    }
    let bootstrap = Bootstrap {
        release: &recipe.release,
        components: &recipe.components,
        packages: &packages,
        exclude: &recipe.exclude,
        setup_hooks: Vec::new(),
    };
    let key = Key::default()
        .value("release", &recipe.release)
        .value("components", &recipe.components)
        .value("packages", &packages)
        .value("excluded paths", &recipe.exclude)
        .value("builder", &[include_str!("root.rs"), include_str!("bootstrap.rs")]);
    context.cache.stage(&format!("root {}", recipe.name), &key, |out, scratch, log| {
        let tar = out.join("root.tar");
        bootstrap.run(
            context.cache,
            context.mirrors,
            log,
            "install the packages with mmdebstrap",
            scratch,
            Some(&tar),
            &[],
        )?;
        let mut status = Command::new("tar");
        status.arg("-xOf").arg(&tar).arg("./var/lib/dpkg/status");
        let status = log.run("read the list of packages", status)?;
        let packages = installed(&String::from_utf8_lossy(&status));
        let list = out.join("packages.json");
        let text = serde_json::to_vec_pretty(&packages).expect("plain text");
        std::fs::write(&list, text).at("write", &list)?;
        if let Some(version) = kernel_version(&packages) {
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
            "add one to `packages`, for example linux-image-cloud-amd64",
        )
    })
}

/// Name and version of every installed package, from dpkg's status file.
fn installed(status: &str) -> Vec<(String, String)> {
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let stanzas = status
        .split("\n\n")
        .filter(|s| field(s, "Status").is_some_and(|status| status.ends_with(" installed")));
    stanzas.filter_map(|s| Some((field(s, "Package")?, field(s, "Version")?))).collect()
}

fn kernel_version(packages: &[(String, String)]) -> Option<&str> {
    packages.iter().find_map(|(name, _)| {
        let version = name.strip_prefix("linux-image-")?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_and_the_kernel_are_read_from_dpkgs_status() {
        let status = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: linux-image-cloud-amd64\nStatus: install ok installed\nVersion: 6.12.1-1\n\n\
                      Package: linux-image-6.12.1+deb13-cloud-amd64\nStatus: install ok installed\nVersion: 6.12.1-1\n";
        let packages = installed(status);
        assert_eq!(packages.len(), 3);
        assert_eq!(kernel_version(&packages), Some("6.12.1+deb13-cloud-amd64"));
    }
}
