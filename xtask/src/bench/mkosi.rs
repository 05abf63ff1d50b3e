//! The rival: mkosi of the image's release, in a root that the image builder installs; it makes a bootable disk of the same packages
//! and programs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use os_image::recipe::Recipe;
use os_image::{Builder, Toolbox};

use crate::{paths, sources};

/// mkosi, and what it calls on the way to such an image.
const PACKAGES: [&str; 17] = [
    "mkosi",
    "apt",
    "ca-certificates",
    "cpio",
    "debian-archive-keyring",
    "dosfstools",
    "e2fsprogs",
    "kmod",
    "mtools",
    "systemd-boot-efi",
    "systemd-boot-tools",
    "systemd-repart",
    "systemd-sysv",
    "systemd-ukify",
    "uidmap",
    "xz-utils",
    "zstd",
];

/// Packages of ours that are not for it: it makes an initramfs in its own way.
const NOT_ITS: [&str; 1] = ["initramfs-tools"];

const NAME: &str = "rival";

/// The folder that it writes to, and its name inside the root it runs in.
const OWN: &str = "state";

/// The place of `name` in that folder, as it sees it.
fn inside(name: &str) -> String {
    format!("/run/build/{OWN}/{name}")
}

/// What it builds with, from the time before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// Nothing: it also downloads.
    Nothing,
    /// Downloaded packages.
    Packages,
    /// Its image before programs are laid over it.
    Cache,
}

pub struct Mkosi {
    toolbox: Toolbox,
    folder: PathBuf,
    extra: PathBuf,
}

impl Mkosi {
    /// Installs it, and writes its configuration for `recipe`, below the new `folder`.
    pub fn prepare(builder: &Builder, recipe: &Recipe, folder: &Path) -> Result<Self> {
        let config = folder.join("config");
        for name in ["out", "cache", "packages", "workspace", "extra"] {
            let made = folder.join(OWN).join(name);
            std::fs::create_dir_all(&made).with_context(|| format!("cannot make {}", made.display()))?;
        }
        // What is at hand need not be downloaded again.
        let packages = folder.join(OWN).join("packages/cache/apt/archives");
        os_image::host::link_folder(&paths::cache()?.join("debs"), &packages)?;
        builder.write_apt_configuration(&recipe.release, &recipe.components, &config.join("sandbox"))?;
        let sources = config.join("sandbox/etc/apt/sources.list.d");
        if sources.is_dir() {
            // Without a file of this name it asks mirrors of its own choice.
            write(&sources.join("mkosi.sources"), "")?;
        }
        write(&config.join("mkosi.conf"), &configuration(recipe))?;
        let extra = folder.join(OWN).join("extra");
        // A shell on a virtio console, as our image for tests has it.
        sources::copy(&paths::workspace().join("recipes/root-console/files"), &extra)?;
        let toolbox = builder
            .toolbox("mkosi", &recipe.release, &PACKAGES)?
            .with("config", &config)
            .with("resolv.conf", Path::new("/etc/resolv.conf"))
            .with_writable(OWN, &folder.join(OWN));
        Ok(Self { toolbox, folder: folder.to_owned(), extra })
    }

    /// Its version, as it says it.
    pub fn version(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.toolbox.run("ask mkosi its version", "mkosi --version")?)
            .trim()
            .to_owned())
    }

    /// Lays the programs in `folder` over its next image.
    pub fn lay_over(&self, folder: &Path, vendor: &str) -> Result<()> {
        let to = self.extra.join("usr/lib").join(vendor);
        if to.is_dir() {
            std::fs::remove_dir_all(&to).with_context(|| format!("cannot empty {}", to.display()))?;
        }
        sources::copy(folder, &to)
    }

    /// Builds, and tells in how many seconds.
    pub fn build(&self, with: With) -> Result<f64> {
        let options = match with {
            With::Nothing => "-f -f",
            With::Packages => "-f -f --cache-only=always",
            With::Cache => "-f --cache-only=always",
        };
        let begin = Instant::now();
        // The root's own files cannot be changed: one more goes into a copy of /etc.
        let script = format!(
            "mkdir /tmp/etc; cp -a /etc/. /tmp/etc; cat /run/build/resolv.conf > /tmp/etc/resolv.conf
             mount --bind /tmp/etc /etc; mount -t tmpfs tmpfs /var/tmp
             cd /run/build/config; mkosi {options} build"
        );
        self.toolbox.run("build the rival's image", &script)?;
        Ok(begin.elapsed().as_secs_f64())
    }

    pub fn disk(&self) -> PathBuf {
        self.folder.join(OWN).join(format!("out/{NAME}.raw"))
    }

    /// Bytes of its disk, compressed as ours.
    pub fn compressed_bytes(&self) -> Result<u64> {
        let script = format!("zstd -q -T0 -3 -c {}/{NAME}.raw | wc -c", inside("out"));
        let said =
            String::from_utf8_lossy(&self.toolbox.run("compress the rival's image", &script)?).into_owned();
        said.trim().parse().with_context(|| format!("the size of the rival's compressed image is {said:?}"))
    }
}

/// `mkosi.conf`, see mkosi(1).
fn configuration(recipe: &Recipe) -> String {
    let mut packages: Vec<_> = recipe.kernel.iter().chain(&recipe.packages).map(String::as_str).collect();
    packages.retain(|package| !NOT_ITS.contains(package));
    packages.push("systemd-boot");
    let others = recipe.components.iter().filter(|component| *component != "main");
    let mut text = String::new();
    let mut section = |name: &str, keys: &[(&str, &str)]| {
        let _ = writeln!(text, "[{name}]");
        keys.iter().for_each(|(key, value)| {
            let _ = writeln!(text, "{key}={value}");
        });
    };
    let others: Vec<_> = others.map(String::as_str).collect();
    section(
        "Distribution",
        &[("Distribution", "debian"), ("Release", &recipe.release), ("Repositories", &others.join(","))],
    );
    section("Output", &[("Format", "disk"), ("Output", NAME), ("OutputDirectory", &inside("out"))]);
    section(
        "Build",
        &[
            ("SandboxTrees", "/run/build/config/sandbox"),
            ("Incremental", "yes"),
            ("CacheDirectory", &inside("cache")),
            ("PackageCacheDirectory", &inside("packages")),
            ("WorkspaceDirectory", &inside("workspace")),
        ],
    );
    section(
        "Content",
        &[
            ("Bootable", "yes"),
            ("Bootloader", "systemd-boot"),
            ("WithDocs", "no"),
            ("KernelCommandLine", "console=ttyS0"),
            ("ExtraTrees", &inside("extra")),
            ("Packages", &packages.join(",")),
        ],
    );
    text
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_image_has_the_packages_of_the_recipe() {
        let recipe = Recipe::load(&paths::workspace().join("recipes/appliance-qemu.toml")).unwrap();
        let text = configuration(&recipe);
        let packages = text.lines().find_map(|line| line.strip_prefix("Packages=")).unwrap();
        let packages: Vec<_> = packages.split(',').collect();
        for package in recipe.kernel.iter().chain(&recipe.packages) {
            assert_eq!(packages.contains(&package.as_str()), package != "initramfs-tools", "{package}");
        }
        assert!(text.contains("\nRepositories=contrib\n"), "{text}");
    }
}
