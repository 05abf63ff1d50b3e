//! The recovery key of an encrypted pool: 128 random bits that a person can write down and type in again.
//!
//! It is printed as 48 decimal digits in eight groups of six, `123453-…`. Digits only, because the keys of letters and signs
//! differ from keyboard to keyboard, and a console in front of a dead box has the wrong layout more often than not. Each group
//! is a random 16-bit number times 11, as in BitLocker's recovery password. Powers of ten leave 1 and 10 in turn when divided
//! by 11, so one wrong digit, or two neighbours exchanged, is always found, and the group that has it can be named.
//!
//! The digits with their hyphens are the passphrase that ZFS is given: whoever has the paper can open the pool on any system
//! with OpenZFS.

#![forbid(unsafe_code)]

mod parse;

use std::fmt;

pub use parse::{KeyError, is_group};

/// Groups in a key.
pub const GROUPS: usize = 8;
/// Digits in a group.
pub const DIGITS: usize = 6;
/// Each group is a multiple of this.
const FACTOR: u32 = 11;

/// A recovery key. Its text is a secret: [`fmt::Display`] writes it, [`fmt::Debug`] does not.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey([u16; GROUPS]);

impl RecoveryKey {
    /// Makes a new one from the kernel's random numbers; fails where the kernel gives none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; GROUPS * 2];
        getrandom::fill(&mut bytes)?;
        let mut groups = [0; GROUPS];
        for (group, pair) in groups.iter_mut().zip(bytes.chunks_exact(2)) {
            *group = u16::from_le_bytes([pair[0], pair[1]]);
        }
        Ok(Self(groups))
    }
}

impl fmt::Display for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            let hyphen = if index == 0 { "" } else { "-" };
            write!(f, "{hyphen}{:0width$}", u32::from(*group) * FACTOR, width = DIGITS)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(secret)")
    }
}

#[cfg(test)]
mod tests;
