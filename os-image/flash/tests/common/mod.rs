//! A small disk image, and how to tell whether something still is one.

#![allow(dead_code)] // every test uses its part

use std::fs::File;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gpt::disk::LogicalBlockSize::Lb512;
use gpt::mbr::ProtectiveMBR;
use os_flash::{Phase, Watch};

pub const MIB: u64 = 1 << 20;

/// Writes an image of `size` bytes with boot code, a GPT of two partitions, and `data`, each with a byte it is filled with; all
/// else are holes.
pub fn image(folder: &Path, size: u64, data: &[(u64, usize, u8)]) -> PathBuf {
    let path = folder.join("image.raw");
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    let mut mbr = ProtectiveMBR::with_lb_size((size / 512 - 1) as u32);
    mbr.set_bootcode([0xb0; 440]);
    mbr.overwrite_lba0(&mut file).unwrap();
    let config = gpt::GptConfig::new().writable(true).logical_block_size(Lb512);
    let mut table = config.create_from_device(file, None).unwrap();
    table.add_partition("esp", MIB, gpt::partition_types::EFI, 0, Some(2048)).unwrap();
    table.add_partition("state", MIB, gpt::partition_types::LINUX_FS, 0, Some(2048)).unwrap();
    let file = table.write().unwrap();
    for &(offset, len, byte) in data {
        file.write_all_at(&vec![byte; len], offset).unwrap();
    }
    path
}

/// What firmware and Linux go by: a protective MBR, and then either copy of a GPT with right checksums.
pub fn has_table(disk: &[u8]) -> bool {
    let mut disk = Cursor::new(disk.to_vec());
    let mbr = ProtectiveMBR::from_disk(&mut disk, Lb512);
    let protective =
        mbr.is_ok_and(|mbr| (0..4).filter_map(|at| mbr.partition(at)).any(|part| part.os_type == 0xee));
    protective && gpt::GptConfig::new().open_from_device(disk).is_ok()
}

/// Checks that `disk` is the image, all of it, with a table that reaches to the disk's end. `gap` is what may stand behind the image.
pub fn assert_is_image(disk: &[u8], image: &[u8], gap: u8) {
    let table =
        gpt::GptConfig::new().only_valid_headers(true).open_from_device(Cursor::new(disk.to_vec())).unwrap();
    let original = gpt::GptConfig::new().open_from_device(Cursor::new(image.to_vec())).unwrap();
    let (first, second) = (table.primary_header().unwrap(), table.backup_header().unwrap());
    assert_eq!(table.partitions(), original.partitions());
    assert_eq!(table.guid(), original.guid());
    assert_eq!((first.backup_lba, second.backup_lba), (disk.len() as u64 / 512 - 1, 1));
    assert_eq!(first.last_usable, disk.len() as u64 / 512 - 34);
    let entries = |lba: u64| &disk[lba as usize * 512..][..32 * 512];
    assert_eq!(entries(first.part_start), entries(second.part_start));
    assert_eq!(entries(2), &image[1024..][..32 * 512], "entries differ");
    assert_eq!(disk[..440], image[..440], "boot code differs");
    assert_eq!(
        u32::from_le_bytes(disk[458..462].try_into().unwrap()) as usize,
        disk.len() / 512 - 1,
        "protective MBR"
    );

    let (table, backup) = (34 * 512, 33 * 512);
    let end = image.len() - backup;
    assert!(disk[table..end] == image[table..end], "the image's content differs");
    if disk.len() > image.len() {
        let table = disk.len() - backup;
        let last = (disk.len() - MIB as usize).max(image.len());
        let all = |mut range: std::ops::Range<usize>, byte| range.all(|at| disk[at] == byte);
        assert!(all(end..image.len().min(table), 0), "the old second table is still there");
        assert!(all(image.len()..last, gap), "bytes behind the image changed");
        assert!(all(last..table, 0), "the last MiB is not erased");
    }
}

/// Lets a test act at the beginning of each phase, and end the flash there.
pub struct Hook<F: FnMut(Phase) -> ControlFlow<()>> {
    act: F,
    flow: ControlFlow<()>,
    /// Phases and the bytes announced for them.
    pub phases: Vec<(Phase, u64)>,
    /// Bytes done in the last of them.
    pub done: u64,
}

/// A watch that calls `act`.
pub fn hook<F: FnMut(Phase) -> ControlFlow<()>>(act: F) -> Hook<F> {
    Hook { act, flow: ControlFlow::Continue(()), phases: Vec::new(), done: 0 }
}

/// A watch that only watches.
pub fn watch() -> impl Watch {
    hook(|_| ControlFlow::Continue(()))
}

impl<F: FnMut(Phase) -> ControlFlow<()>> Watch for Hook<F> {
    fn begin(&mut self, phase: Phase, bytes: u64) {
        self.phases.push((phase, bytes));
        self.done = 0;
        self.flow = (self.act)(phase);
    }

    fn advance(&mut self, bytes: u64) -> ControlFlow<()> {
        self.done += bytes;
        self.flow
    }
}
