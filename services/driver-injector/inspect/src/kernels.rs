//! Which installed kernels can use virtual hardware.

use std::io;

use crate::tree::Tree;

/// What a guest on virtio needs to find its disks and its network.
const DRIVERS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_net"];
/// A distribution's `modules.dep` has some 700 KiB.
const LONGEST_LIST: u64 = 8 << 20;

/// Installed kernels, by what they can.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kernels {
    /// With all the drivers, as modules or built in.
    pub virtio: Vec<String>,
    /// Without one of them.
    pub other: Vec<String>,
}

/// Looks through `/lib/modules`.
pub fn installed(tree: &Tree) -> io::Result<Kernels> {
    let mut kernels = Kernels::default();
    for name in tree.list("lib/modules")? {
        let list = |file: &str| tree.text(&format!("lib/modules/{name}/{file}"), LONGEST_LIST);
        // A folder without a list is what a removed kernel leaves behind.
        let Some(modules) = list("modules.dep")? else { continue };
        let builtin = list("modules.builtin")?.unwrap_or_default();
        let complete = DRIVERS.iter().all(|driver| has(&modules, driver) || has(&builtin, driver));
        if complete { kernels.virtio.push(name) } else { kernels.other.push(name) }
    }
    Ok(kernels)
}

/// Whether a list of modules.dep(5) or modules.builtin names a module, compressed or not.
fn has(list: &str, module: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == module)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_needs_all_drivers_in_one_list_or_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let kernel = |name: &str, modules: &str, builtin: &str| {
            let folder = directory.path().join("usr/lib/modules").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("modules.dep"), modules).unwrap();
            std::fs::write(folder.join("modules.builtin"), builtin).unwrap();
        };
        // As a merged /usr has it: the link is absolute and must be followed inside.
        std::os::unix::fs::symlink("/usr/lib", directory.path().join("lib")).unwrap();
        kernel(
            "6.12.1-amd64",
            "kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz\n\
             kernel/drivers/net/virtio_net.ko.xz:\n",
            "kernel/drivers/virtio/virtio-pci.ko\n",
        );
        kernel("5.10.0-old", "kernel/drivers/block/virtio_blk.ko:\n", "");
        kernel("4.0.0-tricky", "a/b.ko: virtio_pci.ko virtio_blk.ko virtio_net.ko\n", "");
        std::fs::create_dir(directory.path().join("usr/lib/modules/removed")).unwrap();
        let kernels = installed(&Tree::open(directory.path()).unwrap()).unwrap();
        assert_eq!(kernels.virtio, ["6.12.1-amd64"]);
        assert_eq!(kernels.other, ["4.0.0-tricky", "5.10.0-old"]);
    }
}
