//! Sizes.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// So many KiB.
    pub const fn kib(count: u64) -> Self {
        Bytes(count << 10)
    }

    /// So many MiB.
    pub const fn mib(count: u64) -> Self {
        Bytes(count << 20)
    }

    /// So many GiB.
    pub const fn gib(count: u64) -> Self {
        Bytes(count << 30)
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift));
        match exact {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_in_its_largest_exact_unit() {
        assert_eq!(Bytes::gib(3).to_string(), "3 GiB");
        assert_eq!(Bytes::mib(1536).to_string(), "1536 MiB");
        assert_eq!(Bytes(512).to_string(), "512 bytes");
        assert_eq!(Bytes(0).to_string(), "0 bytes");
    }
}
