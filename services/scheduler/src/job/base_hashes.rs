//! Hashes of what a volume held when its job began, for an agent that has to compare. They are read from the base's snapshot, not
//! from the volume, so that what the agent writes meanwhile does not matter.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use understudy_wire::{BLOCK, Bytes, MAX_HASHES};

/// Hashes of up to `count` blocks from `from` on, 32 bytes each; `base` absent for a volume that began empty.
pub fn hashes(base: Option<&File>, size: Bytes, from: u64, count: u64) -> io::Result<Vec<u8>> {
    let end = size.blocks().min(from.saturating_add(count.min(MAX_HASHES)));
    let mut hashes = Vec::with_capacity(end.saturating_sub(from) as usize * 32);
    let mut block = vec![0; BLOCK as usize];
    let empty = blake3::hash(&block);
    for index in from..end {
        let block = &mut block[..size.block_len(index) as usize];
        let hash = match base {
            Some(base) => {
                base.read_exact_at(block, index * BLOCK)?;
                blake3::hash(block)
            }
            None if block.len() as u64 == BLOCK => empty,
            None => blake3::hash(block),
        };
        hashes.extend_from_slice(hash.as_bytes());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_its_hash_and_the_last_one_covers_only_what_exists() {
        let file = tempfile::tempfile().unwrap();
        let contents: Vec<u8> = (0..2 * BLOCK + 512).map(|byte| (byte % 251) as u8).collect();
        file.write_all_at(&contents, 0).unwrap();
        file.set_len(3 * BLOCK).unwrap();
        let size = Bytes(contents.len() as u64);
        let expected: Vec<u8> =
            contents.chunks(BLOCK as usize).flat_map(|block| *blake3::hash(block).as_bytes()).collect();
        assert_eq!(hashes(Some(&file), size, 0, 100).unwrap(), expected);
        assert_eq!(hashes(Some(&file), size, 1, 1).unwrap(), expected[32..64]);
        assert_eq!(hashes(Some(&file), size, 3, 1).unwrap(), Vec::<u8>::new());
        assert_eq!(hashes(Some(&file), size, u64::MAX, u64::MAX).unwrap(), Vec::<u8>::new());
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
