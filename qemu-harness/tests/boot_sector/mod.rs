//! The smallest guest there is.

use std::fs;
use std::path::Path;

use qemu_harness::Disk;

/// A disk whose boot sector is this code, which the BIOS loads to 0x7c00, and this text, which begins at `text_at`
/// there and ends with a zero.
pub fn disk(folder: &Path, code: &[u8], text_at: usize, text: &[u8]) -> Disk {
    assert!(code.len() <= text_at && text_at + text.len() < 510, "it does not fit into a sector");
    let mut sector = code.to_vec();
    sector.resize(text_at, 0);
    sector.extend(text);
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(1 << 20, 0);
    let image = folder.join("boots.raw");
    fs::write(&image, sector).unwrap();
    Disk::overlay_of(image)
}
