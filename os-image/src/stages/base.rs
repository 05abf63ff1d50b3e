//! Packages, modules, files and users of a recipe put together, with the initramfs made from them.
//! Services come later, so that changing one does not repeat this.

use std::path::Path;

use crate::cache::Stage;
use crate::command::quote;
use crate::error::Result;
use crate::key::Key;
use crate::namespace;
use crate::overlay::{Overlay, lay_over};
use crate::recipe::{Content, Filesystem, Recipe};
use crate::stages::{Context, root, tools, verity};

/// `base.tar`, `vmlinuz`, `initrd.img`.
pub(crate) fn stage(
    context: &Context,
    recipe: &Recipe,
    root: &Stage,
    modules: Option<&Stage>,
) -> Result<Stage> {
    let modules_of_initramfs = initramfs_modules(recipe);
    let overlay = overlay(recipe, &modules_of_initramfs)?;
    let mut key = Key::default()
        .value("root", &root.hash)
        .value("modules", &modules.map(|m| &m.hash))
        .value("module lists", &(&recipe.modules, &modules_of_initramfs))
        .value("users", &recipe.users)
        .value("units", &(&recipe.enable, &recipe.disable, &recipe.mask))
        .value("hostname", &recipe.hostname)
        .value("compatible", &recipe.compatible)
        .value("disks", &recipe.disks)
        .value("verity", &recipe.verity.then_some(verity::SCRIPTS))
        .value(
            "builder",
            &[include_str!("base.rs"), include_str!("tools.rs"), include_str!("../overlay.rs")],
        );
    for (n, folder) in recipe.files.iter().enumerate() {
        key = key.path(&format!("files {n}"), folder)?;
    }
    context.cache.stage(&format!("base {}", recipe.name), &key, |out, scratch, log| {
        let kernel = root::kernel_of(root, recipe)?;
        let (tree, over) = (scratch.join("tree"), scratch.join("overlay"));
        overlay.write_to(&over)?;
        let mut unpack = vec![tools::extract(&quote(root.path.join("root.tar")), &quote(&tree))];
        if let Some(modules) = modules {
            let (tar, tree) = (quote(modules.path.join("modules.tar")), quote(&tree));
            unpack.push(format!("tar -C {tree}/usr/lib/modules/{kernel} -xf {tar} --numeric-owner"));
        }
        unpack.push(lay_over(&quote(&over), &quote(&tree)));
        log.run("unpack the packages", namespace::command(&unpack.join("\n")))?;
        context.root_in_the_making(&tree).run(log, "configure the root", &configure(recipe, &kernel))?;
        log.run(
            "pack the root",
            namespace::command(&pack(&tree, out, &kernel, context.packages.source_date())),
        )?;
        Ok(())
    })
}

/// The recipe's files, and those that follow from its keys.
fn overlay(recipe: &Recipe, initramfs_modules: &[String]) -> Result<Overlay> {
    let mut overlay = Overlay::default();
    if !recipe.modules.is_empty() {
        overlay.text("usr/lib/modules-load.d/recipe.conf", recipe.modules.join("\n") + "\n");
    }
    if !initramfs_modules.is_empty() {
        let list = initramfs_modules.join("\n") + "\n";
        overlay.text("usr/share/initramfs-tools/modules.d/recipe", list);
    }
    if !recipe.users.is_empty() {
        overlay.text("usr/lib/sysusers.d/recipe.conf", sysusers(recipe));
    }
    if let Some(name) = &recipe.hostname {
        overlay.text("etc/hostname", format!("{name}\n"));
        overlay.text(
            "etc/hosts",
            format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n"),
        );
    }
    if recipe.verity {
        verity::add_to(&mut overlay);
    }
    for folder in &recipe.files {
        overlay.folder(folder)?;
    }
    Ok(overlay)
}

/// The recipe's, and what reads the root's filesystem: Debian's choice has no erofs.
fn initramfs_modules(recipe: &Recipe) -> Vec<String> {
    let root = recipe.partitions.iter().find(|partition| partition.content == Some(Content::Root));
    let filesystem = root.map(|root| root.filesystem.unwrap_or(Filesystem::Erofs).kernel_name().to_owned());
    filesystem.into_iter().chain(recipe.initramfs_modules.iter().cloned()).collect()
}

fn sysusers(recipe: &Recipe) -> String {
    let mut lines = Vec::new();
    for user in &recipe.users {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        lines.push(format!("u {} - - {} {}", user.name, or_none(&user.home), or_none(&user.shell)));
        lines.extend(user.groups.iter().map(|group| format!("m {} {group}", user.name)));
    }
    lines.join("\n") + "\n"
}

/// Runs inside the root.
fn configure(recipe: &Recipe, kernel: &str) -> String {
    let mut lines = vec![
        "rm -rf /var/log/*.log /var/log/apt/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old \
         /var/lib/dpkg/*-old"
            .to_owned(),
        format!("depmod {kernel}"),
    ];
    if !recipe.users.is_empty() {
        lines.push("systemd-sysusers recipe.conf".into());
    }
    for disk in &recipe.disks {
        if let Some(mount) = &disk.mount {
            let kind = disk.filesystem.kernel_name();
            lines.push(format!(
                "mkdir -p {m}; echo 'LABEL={} {mount} {kind} defaults 0 2' >> /etc/fstab",
                disk.name,
                m = quote(Path::new(mount))
            ));
        }
    }
    // A box and its updates are told apart from others by one word, which the recipe has.
    if let Some(compatible) = &recipe.compatible {
        let file = "/etc/rauc/system.conf";
        let line = quote(format!("/^compatible=/c\\compatible={compatible}"));
        lines.push(format!("[ ! -e {file} ] || sed -i {line} {file}"));
    }
    for (verb, units) in [("mask", &recipe.mask), ("disable", &recipe.disable), ("enable", &recipe.enable)] {
        if !units.is_empty() {
            lines.push(format!("systemctl {verb} {}", units.join(" ")));
        }
    }
    lines.push("export TMPDIR=/tmp".into());
    lines.push(format!("if command -v update-initramfs; then update-initramfs -c -k {kernel}; fi"));
    lines.join("\n")
}

/// Packs the tree, and lays kernel and initramfs beside it.
fn pack(tree: &Path, out: &Path, kernel: &str, source_date: u64) -> String {
    let (tree, out) = (quote(tree), quote(out));
    format!(
        "cp {tree}/boot/vmlinuz-{kernel} {out}/vmlinuz
         if [ -e {tree}/boot/initrd.img-{kernel} ]; then cp {tree}/boot/initrd.img-{kernel} {out}/initrd.img; fi
         chmod 0644 {out}/*
         {pack}",
        pack = tools::pack(&tree, ".", &format!("{out}/base.tar"), source_date)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_become_sysusers_lines() {
        let text = "name = \"n\"\nrelease = \"r\"\nusers = [{ name = \"vm\", groups = [\"kvm\"] }]";
        let recipe: Recipe = toml::from_str(text).unwrap();
        assert_eq!(sysusers(&recipe), "u vm - - - -\nm vm kvm\n");
    }

    #[test]
    fn the_initramfs_can_read_the_roots_filesystem_unasked() {
        let text = "name = \"n\"\nrelease = \"r\"\ninitramfs-modules = [\"nvme\"]\npartitions = [
            { label = \"root\", size = 1, filesystem = \"erofs\", content = \"root\" }]";
        let recipe: Recipe = toml::from_str(text).unwrap();
        assert_eq!(initramfs_modules(&recipe), ["erofs", "nvme"]);
    }
}
