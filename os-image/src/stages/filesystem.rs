//! The finished root: base, services, packages of our own, other recipes' kernels; as a filesystem image.

use std::path::Path;

use crate::cache::Stage;
use crate::command::quote;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::namespace;
use crate::overlay::lay_over;
use crate::recipe::{Content, Filesystem, Recipe};
use crate::service::Contribution;
use crate::sizes;
use crate::stages::tools::extract;
use crate::stages::{Context, sbom};

/// What goes on top of the base.
pub(crate) struct Additions {
    /// Services: files and units to enable.
    pub services: Contribution,
    /// Hash over what `services` consists of.
    pub services_key: Key,
    /// Folders with packages to install.
    pub debs: Vec<Stage>,
    /// Kernel and initramfs of other recipes, and where they go.
    pub included: Vec<(String, Stage)>,
    /// The bill of materials.
    pub sbom: Stage,
}

/// `root.img`: as large as its content if read-only, else as large as its partition. And what is in it, as [`sizes::record`] lists it.
pub(crate) fn stage(context: &Context, recipe: &Recipe, base: &Stage, additions: Additions) -> Result<Stage> {
    let partition = recipe.partitions.iter().find(|p| p.content == Some(Content::Root)).ok_or_else(|| {
        Error::content(&recipe.name, "no partition holds the root", "give one `content = \"root\"`")
    })?;
    let filesystem = partition.filesystem.unwrap_or(Filesystem::Erofs);
    let size = partition.size.0;
    let kernel_apart = recipe.partitions.iter().any(|p| p.content == Some(Content::Kernel));
    let included: Vec<_> = additions.included.iter().map(|(to, stage)| (to, &stage.hash)).collect();
    let debs: Vec<_> = additions.debs.iter().map(|d| &d.hash).collect();
    let key = Key::default()
        .value("base", &base.hash)
        .value("tools", &context.tools.hash)
        .value("filesystem", &(filesystem, kernel_apart, (filesystem != Filesystem::Erofs).then_some(size)))
        .value("debs", &debs)
        .value("included recipes", &included)
        .value("bill of materials", &additions.sbom.hash)
        .value("version", &(&recipe.name, &recipe.version))
        .value(
            "builder",
            &[
                include_str!("filesystem.rs"),
                include_str!("../service.rs"),
                include_str!("../overlay.rs"),
                include_str!("../sizes/contents.rs"),
            ],
        )
        .merge("", additions.services_key);
    context.cache.stage(&format!("filesystem {}", recipe.name), &key, |out, scratch, log| {
        let (tree, over, debs) = (scratch.join("tree"), scratch.join("overlay"), scratch.join("debs"));
        for dir in [&over, &debs] {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let mut overlay = additions.services.overlay;
        for (to, stage) in &additions.included {
            for name in ["vmlinuz", "initrd.img"] {
                overlay.file(format!("{to}/{name}"), &stage.path.join(name));
            }
        }
        let sbom = sbom::file_name(recipe);
        overlay.file(format!("usr/share/sbom/{sbom}"), &additions.sbom.path.join(&sbom));
        overlay.write_to(&over)?;
        for stage in &additions.debs {
            for deb in crate::key::sorted_children(&stage.path)? {
                let to = debs.join(deb.file_name().unwrap_or_default());
                std::fs::copy(&deb, &to).at("copy", &deb)?;
            }
        }
        let mut script = extract(&quote(base.path.join("base.tar")), &quote(&tree));
        if kernel_apart {
            script += &format!("\nrm -rf {t}/boot/* {t}/vmlinuz* {t}/initrd.img*", t = quote(&tree));
        }
        script += &format!("\n{}", lay_over(&quote(&over), &quote(&tree)));
        log.run("lay the services over the root", namespace::command(&script))?;
        let inside = context.root_in_the_making(&tree).with("debs", &debs);
        inside.run(
            log,
            "configure services",
            &configure(recipe, &additions.services.enable, !additions.debs.is_empty()),
        )?;
        let root = context.build_root().with("tree", &tree).with_writable("out", out);
        root.run(log, "list what is in the root", &sizes::record("/run/build/tree", "/run/build/out"))?;
        let label = &partition.label;
        make(context, recipe, filesystem, (label, size), &tree, &out.join("root.img"), log)
    })
}

/// Runs inside the root.
fn configure(recipe: &Recipe, enable: &[String], debs: bool) -> String {
    let mut lines = Vec::new();
    if let Some(version) = &recipe.version {
        let name = &recipe.name;
        lines.push(format!(
            "printf 'IMAGE_ID=%s\\nIMAGE_VERSION=%s\\n' {name} {version} >> /usr/lib/os-release"
        ));
    }
    if debs {
        lines.push("dpkg -i /run/build/debs/*.deb".to_owned());
    }
    lines.push("systemd-sysusers".into());
    if !enable.is_empty() {
        lines.push(format!("systemctl enable {}", enable.join(" ")));
    }
    // Users and caches were made of this /usr above, by packages and by systemd-sysusers: otherwise each boot of an image whose /etc is in
    // memory would do it again (ConditionNeedsUpdate= in systemd.unit(5)).
    lines.push("touch -r /usr /etc/.updated /var/.updated".into());
    lines.push("rm -rf /var/cache/* /var/log/* /tmp/* /run/* 2>/dev/null || true".into());
    lines.join("\n")
}

/// Makes `file` from `tree` without mounting anything.
fn make(
    context: &Context,
    recipe: &Recipe,
    filesystem: Filesystem,
    (label, size): (&str, u64),
    tree: &Path,
    file: &Path,
    log: &crate::command::Log,
) -> Result<()> {
    let out = file.parent().unwrap_or(file);
    let root = context.build_root().with_writable("tree", tree).with_writable("out", out);
    let uuid = super::disk::stable_uuid(&[&recipe.name, label, "filesystem"]);
    let too_small = |needed: u64| Error::TooSmall {
        recipe: recipe.name.clone(),
        partition: label.to_owned(),
        size,
        needed,
    };
    let script = match filesystem {
        // This is most of what somebody waits for who has changed a line. Levels from 3 on save 5 % and take two and a half times as
        // long: 2 is the last before lz4 searches in earnest. Tails packed between inodes (-Eztailpacking) save little more, on one
        // processor alone, and make updates larger: where one file's tail changes, the inodes behind it move.
        Filesystem::Erofs => {
            format!("mkfs.erofs -zlz4hc,2 -C65536 -U {uuid} /run/build/out/root.img /run/build/tree")
        }
        Filesystem::Ext4 => {
            let used = root.run(
                log,
                "measure the root",
                "du -s --block-size=1 /run/build/tree; du -s --inodes /run/build/tree",
            )?;
            let needed = ext4_needs(&String::from_utf8_lossy(&used));
            if needed > size {
                return Err(too_small(needed));
            }
            format!(
                "truncate -s {size} /run/build/out/root.img
                 mkfs.ext4 -q -F -L {label} -U {uuid} -E lazy_itable_init=0,lazy_journal_init=0,hash_seed={uuid} \
                 -d /run/build/tree /run/build/out/root.img"
            )
        }
        other => {
            return Err(Error::content(
                &recipe.name,
                format!("a root cannot be {other:?}"),
                "choose erofs (read-only) or ext4",
            ));
        }
    };
    root.run(log, "make the root filesystem", &script)?;
    let made = file.metadata().at("read", file)?.len();
    if made > size { Err(too_small(made)) } else { Ok(()) }
}

/// Bytes an ext4 filesystem needs for a tree, from `du`'s bytes and inodes: data, an inode each, and
/// 5 % + 80 MiB for journal, bitmaps and the reserve.
fn ext4_needs(du: &str) -> u64 {
    let mut numbers = du.lines().filter_map(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    let (bytes, inodes) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let raw = bytes + inodes * 256;
    (raw + raw / 20 + (80 << 20)).next_multiple_of(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_need_of_an_ext4_root_counts_data_inodes_and_overhead() {
        assert_eq!(ext4_needs("0\t/x\n0\t/x\n"), 80 << 20);
        assert!(ext4_needs("1073741824\t/x\n40000\t/x\n") > (1 << 30) + (130 << 20));
    }
}
