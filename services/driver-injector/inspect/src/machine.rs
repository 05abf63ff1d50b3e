//! From disks to a report on the machine they are.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::block::Disk;
use crate::command_line::Question;
use crate::mounting::{attach, ways};
use crate::report::{DiskReport, Report};
use crate::signature;
use crate::system::{self, System};
use crate::tree::Tree;

/// UEFI 2.10, 3.5.1.1: the loader a firmware starts from a disk it has no entry for, on x86-64.
const REMOVABLE_LOADER: &str = "EFI/BOOT/BOOTX64.EFI";

/// Looks at all disks; `disks` are in the order of the question.
pub fn inspect(question: &Question, disks: &[Disk], dev: &Path, mount_point: &Path) -> Report {
    let mut report = Report { version: 1, ..Report::default() };
    let mut boot_code = false;
    for (index, (id, disk)) in question.disks.iter().zip(disks).enumerate() {
        let number = index + 1;
        let mut entry = DiskReport { disk: id.clone(), ..DiskReport::default() };
        if let Err(error) = inspect_disk(disk, number, dev, mount_point, &mut entry, &mut report) {
            report.problems.push(format!("Disk {number} cannot be read: {error}."));
        }
        if index == 0 {
            let first = File::open(dev.join(&disk.name)).and_then(|file| signature::has_boot_code(&file));
            boot_code = first.unwrap_or(false);
        }
        report.disks.push(entry);
    }
    conclude(question.uefi, boot_code, &mut report);
    report
}

fn inspect_disk(
    disk: &Disk,
    number: usize,
    dev: &Path,
    mount_point: &Path,
    entry: &mut DiskReport,
    report: &mut Report,
) -> io::Result<()> {
    let whole = File::open(dev.join(&disk.name))?;
    entry.table = signature::table(&whole, disk.sector)?.to_owned();
    let parts = match (entry.table.as_str(), disk.partitions.as_slice()) {
        ("", []) => std::slice::from_ref(&disk.name),
        (_, partitions) => partitions,
    };
    for (index, part) in parts.iter().enumerate() {
        let place = match disk.partitions.is_empty() {
            true => format!("disk {number}"),
            false => format!("partition {} of disk {number}", index + 1),
        };
        let device = dev.join(part);
        let contents = signature::contents(&File::open(&device)?)?;
        entry.filesystems.push(contents.to_owned());
        report
            .problems
            .extend(closed(contents).map(|why| format!("What is on {place} was not looked at: {why}.")));
        for (attempt, way) in ways(contents).iter().enumerate() {
            match attach(&device, mount_point, *way) {
                Ok(mounted) => match look(&mounted.tree, report) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => {
                        report.problems.push(format!("The {contents} on {place} is damaged: {error}."))
                    }
                },
                // Only the first way must work: the others are guesses at names.
                Err(error) if attempt == 0 => {
                    report.problems.push(format!("The {contents} on {place} cannot be mounted: {error}."));
                    break;
                }
                Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Why contents of this type stay closed to us.
fn closed(contents: &str) -> Option<&'static str> {
    Some(match contents {
        "crypto_LUKS" | "BitLocker" => "it is encrypted",
        "LVM2_member" => "it belongs to LVM, which is not looked into yet",
        "linux_raid_member" => "it belongs to a software RAID, which is not looked into yet",
        _ => return None,
    })
}

/// Looks at one file system; whether an operating system stands on it.
fn look(tree: &Tree, report: &mut Report) -> io::Result<bool> {
    report.removable_loader |= tree.has_file(REMOVABLE_LOADER)?;
    if tree.has_file("Windows/System32/config/SYSTEM")? {
        add(System { name: "Microsoft Windows".to_owned(), ..System::default() }, report);
        report.problems.push("Windows needs virtio drivers put in before it boots here.".to_owned());
        return Ok(true);
    }
    let Some(system) = system::look(tree)? else { return Ok(false) };
    add(system, report);
    Ok(true)
}

fn add(system: System, report: &mut Report) {
    if !report.os.is_empty() {
        report.problems.push(format!(
            "There is a second operating system, {}; only the first was looked at.",
            system.name
        ));
        return;
    }
    report.os = system.name;
    report.host_name = system.host_name;
    report.machine_id = system.machine_id;
    report.virtio_kernels = system.kernels.virtio;
    report.other_kernels = system.kernels.other;
    report.problems.extend(system.problems);
}

/// What can only be said when all has been seen.
fn conclude(uefi: bool, boot_code: bool, report: &mut Report) {
    if report.os.is_empty() {
        report.problems.push("No operating system was found.".to_owned());
    }
    if uefi && !report.removable_loader {
        report.problems.push(format!(
            "No boot loader at {REMOVABLE_LOADER}: without the original's firmware settings UEFI does not find one."
        ));
    }
    if !uefi && !boot_code {
        report.problems.push("The first disk holds no boot code for a BIOS.".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(name: &str) -> System {
        System { name: name.to_owned(), problems: vec!["p".to_owned()], ..System::default() }
    }

    #[test]
    fn the_first_operating_system_is_the_machines() {
        let mut report = Report::default();
        add(system("first"), &mut report);
        add(system("second"), &mut report);
        assert_eq!(report.os, "first");
        assert!(report.problems[1].contains("second"), "{:?}", report.problems);
    }

    #[test]
    fn a_uefi_machine_without_loader_and_a_bios_machine_without_boot_code_do_not_boot() {
        let mut report = Report { os: "x".to_owned(), ..Report::default() };
        conclude(true, false, &mut report);
        assert!(report.problems[0].contains("BOOTX64"), "{:?}", report.problems);
        let mut report = Report { os: "x".to_owned(), ..Report::default() };
        conclude(false, false, &mut report);
        assert!(report.problems[0].contains("boot code"), "{:?}", report.problems);
        let mut report = Report { os: "x".to_owned(), removable_loader: true, ..Report::default() };
        conclude(true, false, &mut report);
        assert!(report.problems.is_empty());
    }

    #[test]
    fn disks_that_hold_nothing_we_mount_are_named_with_the_reason() {
        let dev = tempfile::tempdir().unwrap();
        let mut luks = vec![0; 1 << 20];
        luks[..6].copy_from_slice(b"LUKS\xba\xbe");
        std::fs::write(dev.path().join("vda"), luks).unwrap();
        let disk = |name: &str| Disk { name: name.to_owned(), sector: 512, partitions: vec![] };
        let question = Question { disks: vec!["a".to_owned(), "b".to_owned()], uefi: false };
        let report = inspect(&question, &[disk("vda"), disk("missing")], dev.path(), &dev.path().join("mnt"));
        assert_eq!(report.disks[0].filesystems, ["crypto_LUKS"]);
        assert_eq!(report.disks.len(), 2);
        let problems = report.problems.join("\n");
        for expected in
            ["disk 1 was not looked at: it is encrypted", "Disk 2 cannot be read", "No operating system"]
        {
            assert!(problems.contains(expected), "{expected} is missing in {problems}");
        }
    }
}
