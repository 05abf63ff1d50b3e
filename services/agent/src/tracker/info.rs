//! The record beside the marks, in kernel memory: whose marks these are, and the tracker's counters. The layout is that
//! of `struct info` in `bpf/tracker.bpf.c`.

use std::sync::atomic::Ordering;

use understudy_wire::{Bytes, TrackerId};

use super::hardware::Hardware;
use super::memory::SharedWords;

/// Changes whenever the programs or the layout change meaning: marks of other programs are not trusted.
const VERSION: u32 = 1;

/// Words of the record.
pub const WORDS: usize = 16;

// Word numbers.
const VERSION_MAJOR: usize = 0;
const MINOR_SECTOR: usize = 1;
const SIZE: usize = 2;
const BASE: usize = 3;
const HAS_BASE: usize = 4;
const TRACKER: usize = 5;
const BOOT: usize = 7;
const PASSTHROUGH: usize = 9;
const UNKNOWN: usize = 10;
const REQUESTS: usize = 11;
const SEQUENCE: usize = 12;

/// The record, mapped.
#[derive(Debug)]
pub struct Info(pub SharedWords);

impl Info {
    /// Writes who and what; before the programs are attached.
    pub fn write(&self, tracker: TrackerId, boot: u128, hardware: &Hardware) {
        self.put(VERSION_MAJOR, u64::from(VERSION) | u64::from(hardware.major) << 32);
        self.put(MINOR_SECTOR, u64::from(hardware.minor) | u64::from(hardware.sector_size) << 32);
        self.put(SIZE, hardware.size.0);
        self.put(SEQUENCE, hardware.sequence);
        self.put128(TRACKER, id_bits(tracker));
        self.put128(BOOT, boot);
        self.set_base(None);
    }

    /// Whether this is the record of exactly this arming.
    pub fn is_of(&self, tracker: TrackerId, boot: u128, hardware: &Hardware) -> bool {
        let low = |word: u64| word as u32;
        let high = |word: u64| (word >> 32) as u32;
        let (first, second) = (self.get(VERSION_MAJOR), self.get(MINOR_SECTOR));
        let recorded = Hardware {
            major: high(first),
            minor: low(second),
            sector_size: high(second),
            size: Bytes(self.get(SIZE)),
            sequence: self.get(SEQUENCE),
        };
        low(first) == VERSION
            && recorded == *hardware
            && self.get128(TRACKER) == id_bits(tracker)
            && self.get128(BOOT) == boot
    }

    /// The GUID of the snapshot the marks are relative to.
    pub fn base(&self) -> Option<u64> {
        (self.get(HAS_BASE) == 1).then(|| self.get(BASE))
    }

    /// Changes it. A process that ends between two of these stores leaves no base, which costs a comparison.
    pub fn set_base(&self, base: Option<u64>) {
        self.put(HAS_BASE, 0);
        self.put(BASE, base.unwrap_or(0));
        self.put(HAS_BASE, u64::from(base.is_some()));
    }

    /// Writing commands that name no sectors.
    pub fn passthrough(&self) -> u64 {
        self.get(PASSTHROUGH)
    }

    /// What the programs could not turn into marks.
    pub fn unknown(&self) -> u64 {
        self.get(UNKNOWN)
    }

    /// Requests marked so far.
    pub fn requests(&self) -> u64 {
        self.get(REQUESTS)
    }

    fn get(&self, word: usize) -> u64 {
        self.0.words()[word].load(Ordering::SeqCst)
    }

    fn put(&self, word: usize, value: u64) {
        self.0.words()[word].store(value, Ordering::SeqCst);
    }

    fn get128(&self, word: usize) -> u128 {
        u128::from(self.get(word)) | u128::from(self.get(word + 1)) << 64
    }

    fn put128(&self, word: usize, value: u128) {
        self.put(word, value as u64);
        self.put(word + 1, (value >> 64) as u64);
    }
}

fn id_bits(tracker: TrackerId) -> u128 {
    u128::from_str_radix(&tracker.to_string(), 16).expect("an id is 32 hexadecimal digits")
}
