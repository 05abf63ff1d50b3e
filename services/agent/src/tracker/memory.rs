//! A BPF array map as memory shared with the kernel.

#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A mapped BPF array whose values are 64-bit words. The BPF programs change it at any time; all access is atomic.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    words: usize,
    mapped: usize,
}

// SAFETY: the memory is shared with the kernel anyway and only reached through atomics.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// Maps a map that was created with BPF_F_MMAPABLE and holds `words` words.
    pub fn map(map: impl AsFd, words: usize) -> anyhow::Result<Self> {
        let mapped = (words * 8).next_multiple_of(4096);
        let len = NonZeroUsize::new(mapped).context("a map without words")?;
        // SAFETY: a new mapping at an address the kernel chooses; it is unmapped in `drop` only.
        let start = unsafe {
            mmap(None, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, map, 0)
        }
        .context("cannot map the tracker's marks into memory")?;
        Ok(Self { start: start.cast(), words, mapped })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `words * 8` bytes are mapped, page-aligned, and stay so while `self` lives; atomics allow others,
        // the kernel too, to change them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped; no reference outlives `self`.
        let unmapped = unsafe { munmap(self.start.cast(), self.mapped) };
        debug_assert!(unmapped.is_ok());
    }
}
