//! The pool's recovery key as the console handles it: made here, shown, and two of its groups asked back.

use understudy_recovery_key::{GROUPS, KeyError, RecoveryKey};

use crate::appliance::{Result, Secret};

/// A new key from the kernel's random numbers.
pub fn make() -> Result<Secret> {
    RecoveryKey::generate().map(|key| Secret(key.to_string())).map_err(no_random)
}

/// The key as it is kept, however it was grouped; an error says which group is wrong.
pub fn read(typed: &str) -> Result<Secret> {
    let key: RecoveryKey = typed.parse().map_err(|error: KeyError| sentence(&error.to_string()))?;
    Ok(Secret(key.to_string()))
}

/// The groups of a key, in order.
pub fn groups(key: &Secret) -> Vec<&str> {
    key.0.split('-').collect()
}

fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), rest.as_str()))
}

fn no_random(error: getrandom::Error) -> String {
    format!("the kernel gave no random numbers ({error}); restart the box and try again")
}

/// Which two groups are asked for, counted from 0, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Questions(usize, usize);

impl Questions {
    /// Two at random.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).map_err(no_random)?;
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
    fn what_was_typed_is_read_or_refused_in_a_sentence() {
        let key = make().unwrap();
        assert_eq!(read(&key.0.replace('-', " ")).unwrap(), key);
        assert_eq!(groups(&key).len(), GROUPS);
        assert_eq!(read("12345").unwrap_err(), "A recovery key has 48 digits in 8 groups, not 5.");
    }
}
