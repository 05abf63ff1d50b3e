//! The disk images: a GPT with its partitions, and further disks beside it. All files are sparse.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::cache::Stage;
use crate::command::Log;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::recipe::{Content, DataDisk, Filesystem, Partition, PartitionType, Recipe, Slot};
use crate::sparse;
use crate::stages::slot::SlotImages;
use crate::stages::{Context, grub, root, sbom};

/// Partitions begin at multiples of this: the erase block of common flash, and what every tool expects.
const ALIGN: u64 = 1 << 20;
const SECTOR: u64 = 512;
/// "Linux variable data" of the Discoverable Partitions Specification.
const LINUX_VAR: uuid::Uuid = uuid::uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d");

const FIXED: &str = include_str!("fixed.c");

/// `disk.raw`, one `NAME.raw` per data disk, and the bill of materials that the root has too.
pub(crate) fn stage(
    context: &Context,
    recipe: &Recipe,
    root: &Stage,
    slot: &SlotImages,
    sbom: &Path,
) -> Result<Stage> {
    let key = Key::default()
        .value("name", &recipe.name)
        .value("kernel and root", &slot.hash)
        .value("kernel command line", &recipe.cmdline)
        .value("partitions", &recipe.partitions)
        .value("disks", &recipe.disks)
        .value("tools", &context.tools.hash)
        .value(
            "builder",
            &[
                include_str!("disk.rs"),
                FIXED,
                include_str!("grub/mod.rs"),
                include_str!("grub/slots.rs"),
                include_str!("../sparse.rs"),
            ],
        );
    context.cache.stage(&format!("disk {}", recipe.name), &key, |out, scratch, log| {
        let config = grub::config(recipe, &root::kernel_of(root, recipe)?, slot.verity()?.as_ref())?;
        let file = scratch.join("grub.cfg");
        std::fs::write(&file, &config).at("write", &file)?;
        let disk = out.join("disk.raw");
        let extents = write_table(recipe, &disk)?;
        for (partition, start) in recipe.partitions.iter().zip(extents) {
            let image = match partition.content {
                _ if partition.slot == Some(Slot::B) => None,
                Some(Content::Root) => Some(slot.root.clone()),
                Some(Content::Kernel) => slot.boot.clone(),
                Some(Content::Loader) | None if partition.filesystem.is_none() => None,
                Some(Content::Loader) | None => {
                    Some(make_partition(context, recipe, partition, scratch, log)?)
                }
            };
            if let Some(image) = image {
                sparse::copy_into(&image, &disk, start)?;
            }
        }
        std::fs::copy(sbom, out.join(sbom::file_name(recipe))).at("copy", sbom)?;
        recipe.disks.iter().try_for_each(|data| make_data_disk(context, recipe, data, (out, scratch), log))
    })
}

/// A filesystem image for a partition other than the root, made from the files its content needs in `scratch`.
pub(crate) fn make_partition(
    context: &Context,
    recipe: &Recipe,
    partition: &Partition,
    scratch: &Path,
    log: &Log,
) -> Result<PathBuf> {
    let filesystem = partition.filesystem.ok_or_else(|| {
        Error::content(
            &recipe.name,
            format!("partition {} has content but no filesystem", partition.label),
            "give it one, for example vfat",
        )
    })?;
    let (label, size) = (&partition.label, partition.size.0);
    let uuid = stable_uuid(&[&recipe.name, label, "filesystem"]);
    let image = format!("/run/build/scratch/{label}.img");
    let prepare = match partition.content {
        Some(Content::Loader) => grub::make_loader(recipe),
        Some(Content::Kernel) => {
            "mkdir /tmp/esp; cd /run/build/scratch; cp vmlinuz initrd.img slot.cfg /tmp/esp; cd /".into()
        }
        Some(Content::Root) | None => "mkdir /tmp/esp".to_owned(),
    };
    let make = match filesystem {
        Filesystem::Vfat => format!(
            "mkfs.vfat --invariant -F 32 -n {name} -i {id} {image}
             cd /tmp/esp; find . -mindepth 1 -printf '%P\n' | sort | while read -r path; do
               if [ -d \"$path\" ]; then mmd -i {image} \"::/$path\"; else mcopy -i {image} \"$path\" \"::/$path\"; fi
             done; cd /",
            name = fat_label(label),
            id = &uuid.simple().to_string()[..8],
        ),
        Filesystem::Ext4 => format!(
            "mkfs.ext4 -q -F -L {label} -U {uuid} -E lazy_itable_init=0,lazy_journal_init=0,hash_seed={uuid} \
             -d /tmp/esp {image}"
        ),
        other => {
            return Err(Error::content(
                &recipe.name,
                format!("partition {label} cannot be made as {other:?}"),
                "choose vfat or ext4",
            ));
        }
    };
    let root = context.build_root().with_writable("scratch", scratch);
    let script =
        format!("{prepare}\ndu -s --apparent-size --block-size=1 /tmp/esp\ntruncate -s {size} {image}");
    let used = root.run(log, &format!("measure the content of {label}"), &script)?;
    let used: u64 = String::from_utf8_lossy(&used)
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    // Tables and rounding of FAT32 and ext4 on partitions of this size stay below a tenth and 2 MiB.
    let needed = (used + used / 10 + (2 << 20)).next_multiple_of(ALIGN);
    if used > 4096 && needed > size {
        return Err(Error::TooSmall { recipe: recipe.name.clone(), partition: label.clone(), size, needed });
    }
    root.run(log, &format!("make partition {label}"), &format!("{prepare}\n{make}"))?;
    Ok(scratch.join(format!("{label}.img")))
}

fn make_data_disk(
    context: &Context,
    recipe: &Recipe,
    disk: &DataDisk,
    (out, scratch): (&Path, &Path),
    log: &Log,
) -> Result<()> {
    let (name, size) = (&disk.name, disk.size.0);
    if !size.is_multiple_of(SECTOR) {
        return Err(Error::content(
            &recipe.name,
            format!("disk {name} has {size} bytes, which is no multiple of {SECTOR}"),
            format!("make it {}", size.next_multiple_of(SECTOR)),
        ));
    }
    let uuid = stable_uuid(&[&recipe.name, name, "data disk"]);
    let make = match disk.filesystem {
        Filesystem::Xfs => format!(
            "cc -shared -fPIC -o /tmp/fixed.so /run/build/fixed.c
             LD_PRELOAD=/tmp/fixed.so mkfs.xfs -q -f -L {name} -m uuid={uuid}"
        ),
        Filesystem::Ext4 => format!(
            "mkfs.ext4 -q -F -L {name} -U {uuid} -E lazy_itable_init=0,lazy_journal_init=0,hash_seed={uuid}"
        ),
        other => {
            return Err(Error::content(
                &recipe.name,
                format!("disk {name} cannot be made as {other:?}"),
                "choose xfs or ext4",
            ));
        }
    };
    let script = format!("truncate -s {size} /run/build/out/{name}.raw; {make} /run/build/out/{name}.raw");
    let fixed = scratch.join("fixed.c");
    std::fs::write(&fixed, FIXED).at("write", &fixed)?;
    let root = context.build_root().with_writable("out", out).with("fixed.c", &fixed);
    root.run(log, &format!("make disk {name}"), &script)?;
    Ok(())
}

/// Writes an empty disk with its partition table; returns the first byte of every partition.
pub(crate) fn write_table(recipe: &Recipe, disk: &Path) -> Result<Vec<u64>> {
    let failed = |reason: String| Error::PartitionTable { path: disk.to_owned(), reason };
    let mut starts = Vec::new();
    let mut end = ALIGN;
    for partition in &recipe.partitions {
        starts.push(end);
        end += partition.size.0.next_multiple_of(ALIGN);
    }
    let total = end + ALIGN; // the second copy of the table
    let mut file =
        std::fs::File::options().read(true).write(true).create_new(true).open(disk).at("create", disk)?;
    file.set_len(total).at("resize", disk)?;
    let last_lba = u32::try_from(total / SECTOR - 1).unwrap_or(u32::MAX);
    gpt::mbr::ProtectiveMBR::with_lb_size(last_lba)
        .overwrite_lba0(&mut file)
        .map_err(|e| failed(e.to_string()))?;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(gpt::disk::LogicalBlockSize::Lb512)
        .create_from_device(file, Some(stable_uuid(&[&recipe.name, "disk"])))
        .map_err(|e| failed(e.to_string()))?;
    let mut partitions = std::collections::BTreeMap::new();
    for (index, (partition, start)) in recipe.partitions.iter().zip(&starts).enumerate() {
        let size = partition.size.0.next_multiple_of(ALIGN);
        partitions.insert(
            index as u32 + 1,
            gpt::partition::Partition {
                part_type_guid: match partition.kind {
                    PartitionType::Esp => gpt::partition_types::EFI,
                    PartitionType::Linux => gpt::partition_types::LINUX_FS,
                    PartitionType::LinuxVar => LINUX_VAR.into(),
                },
                part_guid: partition_uuid(recipe, partition),
                first_lba: start / SECTOR,
                last_lba: (start + size) / SECTOR - 1,
                flags: 0,
                name: partition.label.clone(),
            },
        );
    }
    table.update_partitions(partitions).map_err(|e| failed(e.to_string()))?;
    let mut file = table.write().map_err(|e| failed(e.to_string()))?;
    file.seek(SeekFrom::Start(0)).and_then(|_| file.flush()).at("write", disk)?;
    Ok(starts)
}

/// The GUID of a partition: the same in every build of a recipe.
pub(crate) fn partition_uuid(recipe: &Recipe, partition: &Partition) -> uuid::Uuid {
    stable_uuid(&[&recipe.name, &partition.label, "partition"])
}

/// A UUID made from names.
pub(crate) fn stable_uuid(names: &[&str]) -> uuid::Uuid {
    let hash = blake3::hash(names.join("\0").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// FAT labels are at most 11 upper-case characters.
fn fat_label(label: &str) -> String {
    label.to_uppercase().chars().take(11).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_recipes_partitions_in_order_and_aligned() {
        let text = "name = \"n\"\nrelease = \"r\"\npartitions = [
            { label = \"esp\", type = \"esp\", size = \"8MiB\" },
            { label = \"root\", size = 1500000 },
            { label = \"state\", type = \"linux-var\", size = \"2MiB\" }]";
        let recipe: Recipe = toml::from_str(text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.raw");
        let starts = write_table(&recipe, &disk).unwrap();
        assert_eq!(starts, [1 << 20, 9 << 20, 11 << 20]);
        let table = gpt::GptConfig::new().open(&disk).unwrap();
        let names: Vec<_> = table.partitions().values().map(|p| p.name.clone()).collect();
        assert_eq!(names, ["esp", "root", "state"]);
        assert_eq!(table.partitions()[&1].part_type_guid, gpt::partition_types::EFI);
        assert_eq!(table.partitions()[&2].first_lba * 512, starts[1]);
        assert_eq!(disk.metadata().unwrap().len(), 14 << 20);
    }

    #[test]
    fn uuids_are_stable_and_differ_by_name() {
        assert_eq!(stable_uuid(&["a", "b"]), stable_uuid(&["a", "b"]));
        assert_ne!(stable_uuid(&["a", "b"]), stable_uuid(&["a", "c"]));
        assert_eq!(stable_uuid(&["a"]).get_version_num(), 8);
    }
}
