//! Hashes of what a volume held when its job began, for an agent that has to compare. They are read from the base's snapshot, not
//! from the volume, so that what the agent writes meanwhile does not matter.

use understudy_bus::error::Result;
use understudy_direct_io::Device;
use understudy_wire::{BLOCK, Bytes, MAX_HASHES, block_hash};

use super::block_reader::{BlockReader, RUN};

/// Hashes of up to `count` blocks from `from` on, 32 bytes each; `base` absent for a volume that began empty.
pub fn hashes(base: Option<&Device>, size: Bytes, from: u64, count: u64) -> Result<Vec<u8>> {
    let end = size.blocks().min(from.saturating_add(count.min(MAX_HASHES)));
    let mut hashes = Vec::with_capacity(end.saturating_sub(from) as usize * 32);
    let Some(base) = base else {
        let zeros = [0; BLOCK as usize];
        (from..end).for_each(|index| {
            hashes.extend_from_slice(&block_hash(&zeros[..size.block_len(index) as usize]))
        });
        return Ok(hashes);
    };
    let mut reader = BlockReader::new(base, size);
    for first in (from..end).step_by(RUN as usize) {
        for block in reader.read(first, RUN.min(end - first))? {
            hashes.extend_from_slice(&block_hash(block));
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_its_hash_and_the_last_one_covers_only_what_exists() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let contents: Vec<u8> = (0..(RUN + 1) * BLOCK + 512).map(|byte| (byte % 251) as u8).collect();
        std::fs::write(file.path(), &contents).unwrap();
        file.as_file().set_len((RUN + 2) * BLOCK).unwrap();
        let device = Device::open(file.path()).unwrap();
        let size = Bytes(contents.len() as u64);
        let expected: Vec<u8> =
            contents.chunks(BLOCK as usize).flat_map(|block| *blake3::hash(block).as_bytes()).collect();
        assert_eq!(hashes(Some(&device), size, 0, 100).unwrap(), expected);
        assert_eq!(hashes(Some(&device), size, 1, 1).unwrap(), expected[32..64]);
        assert_eq!(hashes(Some(&device), size, RUN + 2, 1).unwrap(), Vec::<u8>::new());
        assert_eq!(hashes(Some(&device), size, u64::MAX, u64::MAX).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn a_volume_that_began_empty_reads_as_zeros() {
        let expected: Vec<u8> = [BLOCK as usize, 512]
            .into_iter()
            .flat_map(|length| *blake3::hash(&vec![0; length]).as_bytes())
            .collect();
        assert_eq!(hashes(None, Bytes(BLOCK + 512), 0, 10).unwrap(), expected);
    }
}
