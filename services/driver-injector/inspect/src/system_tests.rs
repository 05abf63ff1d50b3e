use std::path::Path;

use super::*;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn debian() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "usr/lib/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n");
    std::fs::create_dir(root.join("etc")).unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    write(root, "etc/hostname", "# the name\nledger\n");
    write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    write(root, "etc/fstab", "# a comment\nUUID=1-2 / ext4 defaults 0 1\n");
    write(
        root,
        "lib/modules/6.12/modules.dep",
        "kernel/virtio_blk.ko.xz:\nkernel/virtio_net.ko.xz:\nkernel/virtio_pci.ko.xz:\n",
    );
    directory
}

fn system(directory: &tempfile::TempDir) -> System {
    look(&Tree::open(directory.path()).unwrap()).unwrap().unwrap()
}

#[test]
fn a_debian_that_boots_anywhere_has_no_problems() {
    let system = system(&debian());
    assert_eq!(system.name, "Debian GNU/Linux 13 (trixie)");
    assert_eq!(system.host_name, "ledger");
    assert_eq!(system.machine_id, "0123456789abcdef0123456789abcdef");
    assert_eq!(system.kernels.virtio, ["6.12"]);
    assert_eq!(system.problems, Vec::<String>::new());
}

#[test]
fn a_file_system_without_an_os_is_none() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(look(&Tree::open(directory.path()).unwrap()).unwrap(), None);
}

#[test]
fn mounts_by_the_original_hardwares_names_are_problems_where_booting_waits_for_them() {
    let directory = debian();
    let fstab =
        "/dev/sda1 / ext4 defaults 0 1\n/dev/nvme0n1p2 /srv xfs rw,nofail 0 0\nUUID=x /boot ext4 rw 0 2\n";
    write(directory.path(), "etc/fstab", fstab);
    let problems = system(&directory).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("mounts / from /dev/sda1"), "{problems:?}");
}

#[test]
fn an_initramfs_for_one_machine_only_is_a_problem() {
    let directory = debian();
    write(directory.path(), "etc/initramfs-tools/initramfs.conf", "# MODULES=dep\nMODULES=most\n");
    assert!(system(&directory).problems.is_empty());
    write(directory.path(), "etc/initramfs-tools/conf.d/driver-policy", "MODULES=dep # smaller\n");
    assert!(system(&directory).problems[0].contains("MODULES=dep"));

    let directory = debian();
    write(directory.path(), "usr/lib/dracut/dracut.conf.d/01-dist.conf", "hostonly=\"yes\"\n");
    assert!(system(&directory).problems[0].contains("hostonly"));
}

#[test]
fn a_system_without_virtio_or_any_kernel_says_which() {
    let directory = debian();
    write(directory.path(), "lib/modules/6.12/modules.dep", "kernel/ahci.ko:\n");
    assert!(system(&directory).problems[0].contains("None of its kernels (6.12)"));
    std::fs::remove_dir_all(directory.path().join("lib/modules")).unwrap();
    assert!(system(&directory).problems[0].contains("No installed kernel"));
}

#[test]
fn names_are_unquoted_as_a_shell_would() {
    assert_eq!(pretty_name("PRETTY_NAME=Plain\n"), "Plain");
    assert_eq!(pretty_name("PRETTY_NAME=\"a \\\"b\\\" c\"\n"), "a \"b\" c");
    assert_eq!(pretty_name("ID=x\n"), "Linux");
}
