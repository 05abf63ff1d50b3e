//! The pool's recovery key: 128 bits as eight groups of six digits. Each group is 16 bits times eleven, so that a slip in one digit, or
//! two digits that changed places, is noticed in its group.

use crate::appliance::{Result, Secret};

/// Groups of a key.
pub const GROUPS: usize = 8;
const DIGITS: usize = 6;

/// Reads and writes keys.
pub trait KeyForm {
    /// A key of these bits.
    fn key(bits: [u8; 16]) -> Secret;

    /// The key as it is kept, however it was grouped; an error says which group is wrong.
    fn read(typed: &str) -> Result<Secret>;

    /// The groups of a key, in order.
    fn groups(key: &Secret) -> Vec<String>;
}

/// Eleven times sixteen bits a group.
#[derive(Debug)]
pub struct Elevens;

impl KeyForm for Elevens {
    fn key(bits: [u8; 16]) -> Secret {
        let groups = bits.chunks_exact(2).map(|pair| {
            let number = u32::from(pair[0]) << 8 | u32::from(pair[1]);
            format!("{:06}", number * 11)
        });
        Secret(groups.collect::<Vec<_>>().join("-"))
    }

    fn read(typed: &str) -> Result<Secret> {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_digit()) {
            return Err(format!("A recovery key has digits only, and {wrong:?} is none."));
        }
        if digits.len() != GROUPS * DIGITS {
            return Err(format!(
                "A recovery key has {} digits, and these are {}.",
                GROUPS * DIGITS,
                digits.len()
            ));
        }
        let groups: Vec<_> = (0..GROUPS).map(|at| &digits[at * DIGITS..(at + 1) * DIGITS]).collect();
        match groups.iter().position(|group| !is_group(group)) {
            Some(at) => Err(format!("Group {} is mistyped: please compare it with your note.", at + 1)),
            None => Ok(Secret(groups.join("-"))),
        }
    }

    fn groups(key: &Secret) -> Vec<String> {
        key.0.split('-').map(str::to_owned).collect()
    }
}

/// Whether a group can stand in a key.
pub fn is_group(text: &str) -> bool {
    text.len() == DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|number| number % 11 == 0 && number / 11 <= u32::from(u16::MAX))
}

/// A new key from the kernel's random numbers.
pub fn make() -> Result<Secret> {
    let mut bits = [0; 16];
    random(&mut bits)?;
    Ok(Elevens::key(bits))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        format!("the kernel gave no random numbers ({error}); restart the box and try again")
    })
}

/// Which two groups are asked for, counted from 0, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Questions(usize, usize);

impl Questions {
    /// Two at random.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 2];
        random(&mut bytes)?;
        Ok(Self::of(bytes[0].into(), bytes[1].into()))
    }

    /// Two different ones out of any two numbers.
    pub fn of(first: usize, second: usize) -> Self {
        let first = first % GROUPS;
        let second = (first + 1 + second % (GROUPS - 1)) % GROUPS;
        Self(first.min(second), first.max(second))
    }

    /// Others, for who has looked at the key once more.
    pub fn others(self) -> Self {
        Self::of(self.0 + 1, self.1 - self.0 - 1)
    }

    /// The two groups.
    pub fn groups(self) -> [usize; 2] {
        [self.0, self.1]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_reads_back_however_it_is_grouped(bits: [u8; 16]) {
            let key = Elevens::key(bits);
            prop_assert_eq!(Elevens::read(&key.0).unwrap(), key.clone());
            prop_assert_eq!(Elevens::read(&key.0.replace('-', "  ")).unwrap(), key.clone());
            prop_assert_eq!(Elevens::read(&key.0.replace('-', "")).unwrap(), key);
        }

        #[test]
        fn a_wrong_digit_is_noticed_in_its_group(bits: [u8; 16], at in 0usize..48, by in 1u8..10) {
            let mut digits: Vec<u8> = Elevens::key(bits).0.replace('-', "").into_bytes();
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            let error = Elevens::read(std::str::from_utf8(&digits).unwrap()).unwrap_err();
            prop_assert!(error.contains(&format!("Group {} ", at / 6 + 1)), "{}", error);
        }

        #[test]
        fn two_different_groups_are_asked_for(first: u8, second: u8) {
            let questions = Questions::of(first.into(), second.into());
            for questions in [questions, questions.others()] {
                let [a, b] = questions.groups();
                prop_assert!(a < b && b < GROUPS);
            }
            prop_assert_ne!(questions, questions.others());
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let said = |typed| Elevens::read(typed).unwrap_err();
        assert!(said("12345").contains("48 digits, and these are 5"));
        assert!(said("12345x").contains("'x'"));
    }
}
