//! Marks: one byte a block, eight blocks a word, set by the BPF programs, taken by the copier.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::BlockSet;

/// Words needed for the marks of `blocks` blocks.
pub fn words(blocks: u64) -> u64 {
    blocks.div_ceil(8)
}

/// Moves every mark of `live` into `job` and adds what was moved to `taken`, without allocating.
///
/// A mark is in `job` before it leaves `live`, so that it is in one of the two whatever happens to this process. A
/// block that is written again between the two steps keeps its mark in `job`, and is read only after this returns; a
/// write that is still in flight then marks again when it completes.
pub fn take(live: &[AtomicU64], job: &[AtomicU64], taken: &mut BlockSet) {
    for (number, (live, job)) in live.iter().zip(job).enumerate() {
        let mut marks = live.load(Ordering::SeqCst);
        while marks != 0 {
            job.fetch_or(marks, Ordering::SeqCst);
            match live.compare_exchange(marks, 0, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    insert(taken, number, marks);
                    break;
                }
                Err(now) => marks = now,
            }
        }
    }
}

/// Every mark in `live` or `job`, without changing either.
pub fn union(live: &[AtomicU64], job: &[AtomicU64], blocks: u64) -> BlockSet {
    // `live` first: a mark only ever moves from there to `job`.
    let mut marked = all(live, blocks);
    marked.union(&all(job, blocks));
    marked
}

/// Every mark in `marks`.
pub fn all(marks: &[AtomicU64], blocks: u64) -> BlockSet {
    let mut marked = BlockSet::none(blocks);
    for (number, marks) in marks.iter().enumerate() {
        insert(&mut marked, number, marks.load(Ordering::SeqCst));
    }
    marked
}

/// Erases all marks.
pub fn clear(marks: &[AtomicU64]) {
    marks.iter().for_each(|word| word.store(0, Ordering::SeqCst));
}

fn insert(set: &mut BlockSet, word: usize, marks: u64) {
    if marks == 0 {
        return;
    }
    for (byte, mark) in marks.to_le_bytes().into_iter().enumerate() {
        if mark != 0 {
            set.insert(word as u64 * 8 + byte as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::*;

    const BLOCKS: u64 = 100;

    fn memory() -> Vec<AtomicU64> {
        (0..words(BLOCKS)).map(|_| AtomicU64::new(0)).collect()
    }

    /// As the BPF program does it: one byte, plainly stored; here by an atomic or, for lack of a racing byte store.
    fn mark(marks: &[AtomicU64], block: u64) {
        marks[block as usize / 8].fetch_or(1 << (block % 8 * 8), Ordering::SeqCst);
    }

    fn take_all(live: &[AtomicU64], job: &[AtomicU64]) -> BlockSet {
        let mut taken = BlockSet::none(BLOCKS);
        take(live, job, &mut taken);
        taken
    }

    proptest! {
        #[test]
        fn what_is_taken_leaves_live_and_stays_in_job(
            first in prop::collection::btree_set(0..BLOCKS, 0..60),
            second in prop::collection::btree_set(0..BLOCKS, 0..60),
        ) {
            let (live, job) = (memory(), memory());
            first.iter().for_each(|block| mark(&live, *block));
            prop_assert!(take_all(&live, &job).iter().eq(first.iter().copied()));
            prop_assert!(live.iter().all(|word| word.load(Ordering::SeqCst) == 0));
            second.iter().for_each(|block| mark(&live, *block));
            prop_assert!(union(&live, &job, BLOCKS).iter().eq(first.union(&second).copied()));
            prop_assert!(take_all(&live, &job).iter().eq(second.iter().copied()));
            clear(&live);
            prop_assert!(union(&live, &job, BLOCKS).iter().eq(first.union(&second).copied()));
        }
    }

    #[test]
    fn no_mark_is_lost_while_marks_are_taken() {
        let (live, job, done) = (memory(), memory(), AtomicBool::new(false));
        // Each block is marked after its content changed; whoever takes the mark must see that content.
        let content = memory();
        let mut copied = vec![0; words(BLOCKS) as usize];
        let mut copy = |taken: &BlockSet| {
            for block in taken.iter() {
                copied[block as usize / 8] = content[block as usize / 8].load(Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..200_000_u64 {
                    let block = turn * 7 % BLOCKS;
                    content[block as usize / 8].store(turn, Ordering::SeqCst);
                    mark(&live, block);
                }
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                copy(&take_all(&live, &job));
            }
            copy(&take_all(&live, &job));
        });
        assert!(copied.iter().zip(&content).all(|(copy, now)| *copy == now.load(Ordering::SeqCst)));
    }
}
