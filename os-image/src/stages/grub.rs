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
pub(crate) fn config(recipe: &Recipe) -> Result<String> {
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
    // Debian keeps links to the newest kernel in the root folder; a kernel partition holds the files themselves.
    let kernel_number = place(Content::Kernel).map_or(root_number, |(number, _)| number);
    let uuid = partition_uuid(recipe, root);
    let cmdline = recipe.cmdline.join(" ");
    Ok(format!(
        "serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
regexp --set=1:disk '^(hd[0-9]+)' \"$root\"
menuentry '{name}' {{
  linux ($disk,gpt{kernel_number})/vmlinuz root=PARTUUID={uuid} {cmdline}
  initrd ($disk,gpt{kernel_number})/initrd.img
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

    #[test]
    fn the_kernel_comes_from_its_partition_or_from_the_root() {
        let root = "{ label = \"root-a\", size = 1, content = \"root\" }";
        let apart =
            config(&recipe(&format!("{{ label = \"boot-a\", size = 1, content = \"kernel\" }}, {root}")))
                .unwrap();
        assert!(apart.contains("linux ($disk,gpt1)/vmlinuz root=PARTUUID="), "{apart}");
        assert!(apart.contains(" ro quiet\n"));
        let inside = config(&recipe(&format!("{{ label = \"esp\", size = 1 }}, {root}"))).unwrap();
        assert!(inside.contains("initrd ($disk,gpt2)/initrd.img"), "{inside}");
    }

    #[test]
    fn a_disk_without_a_root_is_refused() {
        assert!(config(&recipe("")).unwrap_err().to_string().contains("content = \"root\""));
    }
}
