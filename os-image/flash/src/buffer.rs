//! Memory that the kernel reads into and writes from past its page cache.

use std::ops::{Deref, DerefMut};

/// O_DIRECT wants memory on the boundary of a sector (open(2)); a page satisfies every disk.
const BOUNDARY: usize = 4096;

/// Zeroed memory on a page boundary.
pub(crate) struct Buffer {
    memory: Vec<u8>, // never grows, so it never moves
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` bytes.
    pub fn new(len: usize) -> Self {
        let memory = vec![0; len + BOUNDARY];
        let start = memory.as_ptr().align_offset(BOUNDARY);
        Self { memory, start, len }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_on_a_page() {
        let buffer = Buffer::new(8192);
        assert_eq!(buffer.as_ptr() as usize % BOUNDARY, 0);
        assert_eq!(buffer.len(), 8192);
    }
}
