//! What a block is compared by.

use std::sync::LazyLock;

use crate::BLOCK;

/// BLAKE3 of a block. A whole block of zeros, of which disks are full, costs no more than a look at it.
pub fn block_hash(block: &[u8]) -> [u8; 32] {
    static ZEROS: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::hash(&[0; BLOCK as usize]).into());
    if block.len() as u64 == BLOCK && is_zeros(block) { *ZEROS } else { blake3::hash(block).into() }
}

/// Whether a block holds nothing but zeros.
pub fn is_zeros(block: &[u8]) -> bool {
    // Becomes wide instructions. A comparison with an array would become calls of the C library's, which in musl goes byte by byte.
    let (chunks, rest) = block.as_chunks::<128>();
    chunks.iter().all(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_anywhere_makes_a_block_other_than_zeros() {
        for length in [BLOCK as usize, 512, 65] {
            let mut block = vec![0; length];
            assert!(is_zeros(&block));
            for at in [0, length / 2, length - 1] {
                block[at] = 1;
                assert!(!is_zeros(&block), "byte {at} of {length}");
                assert_eq!(block_hash(&block), *blake3::hash(&block).as_bytes());
                block[at] = 0;
            }
        }
    }

    #[test]
    fn zeros_have_the_hash_they_have() {
        for length in [BLOCK as usize, BLOCK as usize - 1, 512] {
            assert_eq!(block_hash(&vec![0; length]), *blake3::hash(&vec![0; length]).as_bytes());
        }
    }
}
