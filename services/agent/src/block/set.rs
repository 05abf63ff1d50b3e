//! A set of blocks of one disk.

use understudy_wire::{BLOCK, Bytes};

/// Blocks that lie together: `first` and the `count - 1` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRange {
    /// The first block.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// Which blocks of a disk: one bit each.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockSet {
    words: Vec<u64>,
    blocks: u64,
}

impl std::fmt::Debug for BlockSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} blocks", self.count(), self.blocks)
    }
}

impl BlockSet {
    /// No block of a disk that has `blocks`.
    pub fn none(blocks: u64) -> Self {
        Self { words: vec![0; blocks.div_ceil(64) as usize], blocks }
    }

    /// Every block.
    pub fn all(blocks: u64) -> Self {
        let mut set = Self::none(blocks);
        set.insert_range(BlockRange { first: 0, count: blocks });
        set
    }

    /// How many blocks the disk has.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many blocks are in the set.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether no block is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether `block` is in the set; a block beyond the disk never is.
    pub fn contains(&self, block: u64) -> bool {
        block < self.blocks && self.words[(block / 64) as usize] >> (block % 64) & 1 == 1
    }

    /// Adds a block; one beyond the disk is ignored.
    pub fn insert(&mut self, block: u64) {
        if block < self.blocks {
            self.words[(block / 64) as usize] |= 1 << (block % 64);
        }
    }

    /// Removes a block.
    pub fn remove(&mut self, block: u64) {
        if block < self.blocks {
            self.words[(block / 64) as usize] &= !(1 << (block % 64));
        }
    }

    /// Adds a range, as far as the disk goes.
    pub fn insert_range(&mut self, range: BlockRange) {
        self.each_word(range, |word, mask| *word |= mask);
    }

    /// Removes a range.
    pub fn remove_range(&mut self, range: BlockRange) {
        self.each_word(range, |word, mask| *word &= !mask);
    }

    /// Adds every block that the bytes `start..end` touch.
    pub fn insert_bytes(&mut self, start: u64, end: u64) {
        if start < end {
            let first = start / BLOCK;
            self.insert_range(BlockRange { first, count: end.div_ceil(BLOCK) - first });
        }
    }

    /// Removes every block that lies wholly in the bytes `start..end` of a disk of this size: a block with a single
    /// byte outside stays. The short last block of a disk lies wholly inside when `end` is the end of the disk.
    pub fn remove_bytes_inside(&mut self, start: u64, end: u64, size: Bytes) {
        let first = start.div_ceil(BLOCK);
        let beyond = if end >= size.0 { size.blocks() } else { end / BLOCK };
        if first < beyond {
            self.remove_range(BlockRange { first, count: beyond - first });
        }
    }

    /// Adds all blocks of `other`, a set over the same disk.
    pub fn union(&mut self, other: &Self) {
        debug_assert_eq!(self.blocks, other.blocks);
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// Keeps only the blocks that are in `other`, too.
    pub fn intersect(&mut self, other: &Self) {
        debug_assert_eq!(self.blocks, other.blocks);
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= theirs);
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges(u64::MAX).flat_map(|range| range.first..range.first + range.count)
    }

    /// The set as ranges in order, adjacent blocks merged, none longer than `longest` blocks.
    pub fn ranges(&self, longest: u64) -> impl Iterator<Item = BlockRange> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = self.find(next, true)?;
            let end = self.find(first, false).unwrap_or(self.blocks);
            let count = (end - first).min(longest);
            next = first + count;
            Some(BlockRange { first, count })
        })
    }

    /// The set as a bitmap: bit `n % 8` (lowest first) of byte `n / 8` is block `n`.
    pub fn to_bitmap(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.blocks.div_ceil(8) as usize);
        bytes
    }

    /// The first block at or after `from` that is (`inside`) or is not in the set.
    fn find(&self, from: u64, inside: bool) -> Option<u64> {
        let mut at = from;
        while at < self.blocks {
            let word = self.words[(at / 64) as usize];
            let word = (if inside { word } else { !word }) >> (at % 64);
            if word != 0 {
                let found = at + u64::from(word.trailing_zeros());
                return (found < self.blocks).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    fn each_word(&mut self, range: BlockRange, change: impl Fn(&mut u64, u64)) {
        let end = range.first.saturating_add(range.count).min(self.blocks);
        let mut at = range.first;
        while at < end {
            let bits = (64 - at % 64).min(end - at);
            let mask = (u64::MAX >> (64 - bits)) << (at % 64);
            change(&mut self.words[(at / 64) as usize], mask);
            at += bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const BLOCKS: u64 = 300;

    fn any_ranges() -> impl Strategy<Value = Vec<(bool, u64, u64)>> {
        prop::collection::vec((any::<bool>(), 0..BLOCKS + 20, 0..150u64), 0..20)
    }

    fn build(ranges: &[(bool, u64, u64)]) -> (BlockSet, BTreeSet<u64>) {
        let (mut set, mut model) = (BlockSet::none(BLOCKS), BTreeSet::new());
        for &(add, first, count) in ranges {
            let range = BlockRange { first, count };
            if add {
                set.insert_range(range);
                model.extend((first..first + count).filter(|block| *block < BLOCKS));
            } else {
                set.remove_range(range);
                model.retain(|block| !(first..first + count).contains(block));
            }
        }
        (set, model)
    }

    proptest! {
        #[test]
        fn a_set_holds_exactly_the_blocks_put_in(ranges in any_ranges()) {
            let (set, model) = build(&ranges);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.count(), model.len() as u64);
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert!((0..BLOCKS + 70).all(|block| set.contains(block) == model.contains(&block)));
            let bitmap = set.to_bitmap();
            prop_assert_eq!(bitmap.len() as u64, BLOCKS.div_ceil(8));
            prop_assert!((0..BLOCKS).all(|block| (bitmap[block as usize / 8] >> (block % 8) & 1 == 1) == model.contains(&block)));
        }

        #[test]
        fn ranges_are_maximal_up_to_the_limit_and_cover_the_set(ranges in any_ranges(), longest in 1..40u64) {
            let (set, model) = build(&ranges);
            let found: Vec<_> = set.ranges(longest).collect();
            let mut covered = BTreeSet::new();
            for (turn, range) in found.iter().enumerate() {
                prop_assert!(0 < range.count && range.count <= longest);
                covered.extend(range.first..range.first + range.count);
                if let Some(next) = found.get(turn + 1) {
                    let end = range.first + range.count;
                    prop_assert!(end < next.first || (end == next.first && range.count == longest));
                }
            }
            prop_assert_eq!(covered, model);
        }

        #[test]
        fn union_and_intersection_are_those_of_sets(a in any_ranges(), b in any_ranges()) {
            let ((mut union, a), (b_set, b)) = (build(&a), build(&b));
            let mut both = union.clone();
            union.union(&b_set);
            both.intersect(&b_set);
            prop_assert!(union.iter().eq(a.union(&b).copied()));
            prop_assert!(both.iter().eq(a.intersection(&b).copied()));
        }

        #[test]
        fn bytes_in_use_always_keep_their_block(size in 1..20 * BLOCK, cuts in prop::collection::vec((any::<bool>(), 0..20 * BLOCK, 0..5 * BLOCK), 0..12)) {
            let size = Bytes(size);
            // Free extents, then used ones: no byte that is used or never reported free may lose its block.
            let mut set = BlockSet::all(size.blocks());
            let mut free = vec![false; size.0 as usize / 512 + 1];
            for &(_, start, len) in cuts.iter().filter(|cut| !cut.0) {
                let (start, end) = (start.min(size.0) / 512 * 512, (start + len).min(size.0) / 512 * 512);
                set.remove_bytes_inside(start, end, size);
                (start / 512..end / 512).for_each(|sector| free[sector as usize] = true);
            }
            for &(_, start, len) in cuts.iter().filter(|cut| cut.0) {
                let (start, end) = (start.min(size.0) / 512 * 512, (start + len).min(size.0) / 512 * 512);
                set.insert_bytes(start, end);
                (start / 512..end / 512).for_each(|sector| free[sector as usize] = false);
            }
            for sector in 0..size.0 / 512 {
                prop_assert!(free[sector as usize] || set.contains(sector * 512 / BLOCK), "sector {sector}");
            }
        }
    }

    #[test]
    fn the_short_last_block_is_removed_only_with_the_end_of_the_disk() {
        let size = Bytes(2 * BLOCK + 512);
        let mut set = BlockSet::all(size.blocks());
        set.remove_bytes_inside(BLOCK, 2 * BLOCK + 511, size);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 2]);
        set.remove_bytes_inside(2 * BLOCK, size.0, size);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0]);
    }
}
