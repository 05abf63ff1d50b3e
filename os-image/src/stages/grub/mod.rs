//! GRUB on the removable-media path, which firmware finds without any entry in its variables.

mod slots;

use crate::error::{Error, Result};
use crate::recipe::{Content, Partition, Recipe};
use crate::stages::disk::partition_uuid;
use crate::stages::verity::Verity;

/// Modules in the image: what the configurations below use and what helps at its prompt.
const MODULES: &str = "part_gpt fat ext2 normal linux configfile regexp search serial terminal echo sleep test loadenv \
                       ls cat halt reboot all_video gzio";

/// On a slot's kernel partition, beside kernel and initramfs: what GRUB has to start. The same in either slot.
pub(crate) const SLOT_CONFIG: &str = "slot.cfg";

/// The part of a configuration that every one begins with. Partitions are found by their place on the disk GRUB itself was
/// loaded from: labels and UUIDs could also be on another disk, such as a copy of this one.
const BEGINNING: &str = "serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
regexp --set=1:disk '^(hd[0-9]+)' \"$root\"
";

/// A script for the tools: makes `/tmp/esp` with loader and configuration (given as a file) and, for slots, the environments.
pub(crate) fn make_loader(recipe: &Recipe) -> String {
    let mut script = format!(
        "mkdir -p /tmp/esp/EFI/BOOT
         grub-mkimage -O x86_64-efi -p /EFI/BOOT -o /tmp/esp/EFI/BOOT/BOOTX64.EFI {MODULES}
         cp /run/build/scratch/grub.cfg /tmp/esp/EFI/BOOT/grub.cfg"
    );
    if has_slots(recipe) {
        script += &slots::make_environments();
    }
    script
}

/// The configuration beside the loader.
pub(crate) fn config(recipe: &Recipe, kernel: &str, verity: Option<&Verity>) -> Result<String> {
    let (root_number, root) = find(recipe, Content::Root).ok_or_else(|| {
        Error::content(&recipe.name, "no partition holds the root", "give one `content = \"root\"`")
    })?;
    if has_slots(recipe) {
        return slots::config(recipe);
    }
    // A kernel partition holds the two files; a root holds them the way Debian's packages put them.
    let (number, vmlinuz, initrd) = match find(recipe, Content::Kernel) {
        Some((number, _)) => (number, "vmlinuz".to_owned(), "initrd.img".to_owned()),
        None => (root_number, format!("boot/vmlinuz-{kernel}"), format!("boot/initrd.img-{kernel}")),
    };
    let uuid = partition_uuid(recipe, root).to_string();
    Ok(format!(
        "{BEGINNING}linux ($disk,gpt{number})/{vmlinuz} {}\ninitrd ($disk,gpt{number})/{initrd}\nboot\n",
        command_line(recipe, &uuid, verity)
    ))
}

/// [`SLOT_CONFIG`]: the loader's configuration sets the variables.
pub(crate) fn slot_config(recipe: &Recipe, verity: Option<&Verity>) -> String {
    format!(
        "linux ($disk,gpt$kernel)/vmlinuz {} rauc.slot=$slot\ninitrd ($disk,gpt$kernel)/initrd.img\n",
        command_line(recipe, "$root_uuid", verity)
    )
}

pub(crate) fn has_slots(recipe: &Recipe) -> bool {
    recipe.partitions.iter().any(|partition| partition.slot.is_some())
}

fn command_line(recipe: &Recipe, root_uuid: &str, verity: Option<&Verity>) -> String {
    let root = match verity {
        None => format!("root=PARTUUID={root_uuid}"),
        Some(verity) => verity.command_line(root_uuid),
    };
    std::iter::once(&root).chain(&recipe.cmdline).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// The first partition with this content, and its number in the table.
fn find(recipe: &Recipe, content: Content) -> Option<(usize, &Partition)> {
    let mut numbered = (1..).zip(&recipe.partitions);
    numbered.find(|(_, partition)| partition.content == Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn recipe(partitions: &str) -> Recipe {
        toml::from_str(&format!(
            "name = \"n\"\nrelease = \"r\"\ncmdline = [\"ro\", \"quiet\"]\npartitions = [{partitions}]"
        ))
        .unwrap()
    }

    fn config_of(partitions: &str) -> Result<String> {
        config(&recipe(partitions), "6.1", None)
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
