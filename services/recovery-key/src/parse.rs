//! From what a person typed to a key, or to the words that say where to look again.

use std::fmt;
use std::str::FromStr;

use crate::{DIGITS, FACTOR, GROUPS, RecoveryKey};

/// Why a text is no recovery key. None of these says what was typed: it may be most of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// There is something else than digits, spaces and hyphens.
    Character {
        /// The group it stands in, counted from 1.
        group: usize,
    },
    /// There are too few or too many digits, and it cannot be told where.
    Length {
        /// Digits found.
        digits: usize,
    },
    /// A group has too few or too many digits.
    Group {
        /// The group, counted from 1.
        group: usize,
        /// Digits found in it.
        digits: usize,
    },
    /// These groups are mistyped; counted from 1.
    Mistyped(Vec<usize>),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { group } => {
                write!(f, "the recovery key has digits only, but there is another character in group {group}")
            }
            Self::Length { digits } => {
                write!(f, "a recovery key has {} digits in {GROUPS} groups, not {digits}", GROUPS * DIGITS)
            }
            Self::Group { group, digits } => {
                write!(f, "group {group} of the recovery key has {digits} digits instead of {DIGITS}")
            }
            Self::Mistyped(groups) => {
                let list: Vec<_> = groups.iter().map(ToString::to_string).collect();
                let (noun, verb) = if groups.len() == 1 { ("group", "is") } else { ("groups", "are") };
                write!(
                    f,
                    "{noun} {} of the recovery key {verb} mistyped; compare the digits there once more",
                    list.join(" and ")
                )
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// What may stand between groups: what is on the paper, what is easier to type, and what a paste brings along.
fn separates(character: char) -> bool {
    character == '-' || character.is_whitespace()
}

/// Whether a text can be a group of a key: six digits that are not mistyped.
pub fn is_group(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) && read_group(text).is_some()
}

fn read_group(digits: &str) -> Option<u16> {
    let number: u32 = digits.parse().ok()?;
    if number.is_multiple_of(FACTOR) { u16::try_from(number / FACTOR).ok() } else { None }
}

impl FromStr for RecoveryKey {
    type Err = KeyError;

    /// Takes the groups with hyphens, with spaces, or without anything between them.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let groups: Vec<&str> = text.split(separates).filter(|group| !group.is_empty()).collect();
        let mut digits = String::with_capacity(GROUPS * DIGITS);
        for (index, group) in groups.iter().enumerate() {
            for character in group.chars() {
                if !character.is_ascii_digit() {
                    let group = if groups.len() > 1 { index + 1 } else { digits.len() / DIGITS + 1 };
                    return Err(KeyError::Character { group });
                }
                digits.push(character);
            }
        }
        if let Some(index) = groups.iter().position(|group| group.len() != DIGITS)
            && groups.len() == GROUPS
        {
            return Err(KeyError::Group { group: index + 1, digits: groups[index].len() });
        }
        if digits.len() != GROUPS * DIGITS {
            return Err(KeyError::Length { digits: digits.len() });
        }
        let mut key = [0; GROUPS];
        let mut mistyped = Vec::new();
        for (index, group) in key.iter_mut().enumerate() {
            match read_group(&digits[index * DIGITS..][..DIGITS]) {
                Some(value) => *group = value,
                None => mistyped.push(index + 1),
            }
        }
        if mistyped.is_empty() { Ok(Self(key)) } else { Err(KeyError::Mistyped(mistyped)) }
    }
}
