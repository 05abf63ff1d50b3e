//! GRUB on the removable-media path, which firmware finds without any entry in its variables.

use crate::error::{Error, Result};
use crate::recipe::{Content, Recipe};
use crate::stages::disk::partition_uuid;

/// Modules in the image: what the configuration below uses and what helps at its prompt.
const MODULES: &str = "part_gpt fat ext2 normal linux configfile regexp search serial terminal echo sleep test loadenv \
                       ls cat halt reboot all_video gzio";

/// A script for the tools: makes `/run/build/scratch/esp` with loader and configuration (given as a file).
pub(crate) fn make_loader() -> String {
    format!(
        "mkdir -p /tmp/esp/EFI/BOOT
         grub-mkimage -O x86_64-efi -p /EFI/BOOT -o /tmp/esp/EFI/BOOT/BOOTX64.EFI {MODULES}
         cp /run/build/scratch/grub.cfg /tmp/esp/EFI/BOOT/grub.cfg"
    )
}

/// The configuration. Partitions are found by their place on the disk GRUB itself was loaded from: labels
/// and UUIDs could also be on another disk, such as a copy of this one.
pub(crate) fn config(recipe: &Recipe, kernel: &str) -> Result<String> {
    let place = |content: Content| {
        recipe
            .partitions
            .iter()
            .position(|p| p.content == Some(content))
            .map(|n| (n + 1, &recipe.partitions[n]))
    };
    let (root_number, root) = place(Content::Root).ok_or_else(|| {
        Error::content(&recipe.name, "no partition holds the root", "give one `content = \"root\"`")
    })?;
    // A kernel partition holds the two files; a root holds them the way Debian's packages put them.
    let (number, vmlinuz, initrd) = match place(Content::Kernel) {
        Some((number, _)) => (number, "vmlinuz".to_owned(), "initrd.img".to_owned()),
        None => (root_number, format!("boot/vmlinuz-{kernel}"), format!("boot/initrd.img-{kernel}")),
    };
    let uuid = partition_uuid(recipe, root);
    let cmdline = recipe.cmdline.join(" ");
    Ok(format!(
        "serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
regexp --set=1:disk '^(hd[0-9]+)' \"$root\"
menuentry '{name}' {{
  linux ($disk,gpt{number})/{vmlinuz} root=PARTUUID={uuid} {cmdline}
  initrd ($disk,gpt{number})/{initrd}
}}
",
        name = recipe.name,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(partitions: &str) -> Recipe {
        toml::from_str(&format!(
            "name = \"n\"\nrelease = \"r\"\ncmdline = [\"ro\", \"quiet\"]\npartitions = [{partitions}]"
        ))
        .unwrap()
    }

    fn config_of(partitions: &str) -> Result<String> {
        config(&recipe(partitions), "6.1")
    }

    #[test]
    fn the_kernel_comes_from_its_partition_or_from_the_root() {
        let root = "{ label = \"root-a\", size = 1, content = \"root\" }";
        let apart = config_of(&format!("{{ label = \"boot-a\", size = 1, content = \"kernel\" }}, {root}"));
        let apart = apart.unwrap();
        assert!(apart.contains("linux ($disk,gpt1)/vmlinuz root=PARTUUID="), "{apart}");
        assert!(apart.contains(" ro quiet\n"));
        let inside = config_of(&format!("{{ label = \"esp\", size = 1 }}, {root}")).unwrap();
        assert!(inside.contains("linux ($disk,gpt2)/boot/vmlinuz-6.1 root="), "{inside}");
        assert!(inside.contains("initrd ($disk,gpt2)/boot/initrd.img-6.1"), "{inside}");
    }

    #[test]
    fn a_disk_without_a_root_is_refused() {
        assert!(config_of("").unwrap_err().to_string().contains("content = \"root\""));
    }
}
