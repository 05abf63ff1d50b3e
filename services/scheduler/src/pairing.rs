//! One-time pairing codes. They live in memory only: the box needs them in clear (SPAKE2), so they are never written down, and
//! their age is measured with the monotonic clock, which no one can set back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use understudy_bus::error::{Error, Result};
use understudy_wire::MachineId;
use understudy_wire::pairing::Code;

/// How long a code can be used.
pub const LIFE: Duration = Duration::from_secs(15 * 60);
/// How often an agent may try a code.
pub const TRIES: u32 = 5;

struct Entry {
    code: Code,
    made: Instant,
    tries: u32,
    /// The machine that its user is to be; a new one if none.
    machine: Option<MachineId>,
}

/// All codes that can be used.
#[derive(Default)]
pub struct Codes(Mutex<HashMap<String, Entry>>);

impl Codes {
    /// A new code, for a new machine or for one there is already.
    pub fn make(&self, now: Instant, machine: Option<MachineId>) -> Code {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, entry| now.duration_since(entry.made) < LIFE);
        loop {
            let code = Code::new();
            // The selector is short; one in use must keep meaning its own code.
            if !codes.contains_key(code.selector()) {
                let entry = Entry { code: code.clone(), made: now, tries: 0, machine };
                codes.insert(code.selector().to_owned(), entry);
                return code;
            }
        }
    }

    /// Counts a try and gives the code; the try after the last removes it.
    pub fn attempt(&self, selector: &str, now: Instant) -> Result<Code> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, entry| now.duration_since(entry.made) < LIFE);
        let entry = codes.get_mut(selector).ok_or_else(|| unknown(selector))?;
        if entry.tries == TRIES {
            codes.remove(selector);
            tracing::warn!("pairing code {selector}-… was tried {TRIES} times without success and is void");
            return Err(unknown(selector));
        }
        entry.tries += 1;
        Ok(entry.code.clone())
    }

    /// Uses a code up and says which machine it was made for.
    pub fn use_up(&self, selector: &str, now: Instant) -> Result<Option<MachineId>> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, entry| now.duration_since(entry.made) < LIFE);
        codes.remove(selector).map(|entry| entry.machine).ok_or_else(|| unknown(selector))
    }
}

/// One text for every cause: which one it was is nobody's business who guesses.
fn unknown(selector: &str) -> Error {
    Error::NotFound(format!(
        "pairing code {selector}-… is unknown: it is mistyped, used up, expired, or was tried too often; make a new one with `understudy pair` on the box"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_used_up_by_one_machine() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.make(now, None);
        assert_eq!(codes.attempt(code.selector(), now).unwrap(), code);
        codes.use_up(code.selector(), now).unwrap();
        assert!(matches!(codes.use_up(code.selector(), now), Err(Error::NotFound(_))));
        assert!(matches!(codes.attempt(code.selector(), now), Err(Error::NotFound(_))));
    }

    #[test]
    fn a_code_says_whose_it_is_and_says_so_once() {
        let (codes, now, machine) = (Codes::default(), Instant::now(), MachineId::new());
        let (one, other) = (codes.make(now, Some(machine)), codes.make(now, None));
        assert_eq!(codes.use_up(one.selector(), now).unwrap(), Some(machine));
        assert_eq!(codes.use_up(other.selector(), now).unwrap(), None);
        assert!(codes.use_up(one.selector(), now).is_err());
    }

    #[test]
    fn a_code_expires_after_a_quarter_of_an_hour() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.make(now, None);
        codes.attempt(code.selector(), now + LIFE - Duration::from_secs(1)).unwrap();
        assert!(codes.attempt(code.selector(), now + LIFE).is_err());
        assert!(codes.use_up(code.selector(), now + LIFE).is_err());
    }

    #[test]
    fn a_code_can_be_tried_five_times_and_is_void_after_the_sixth() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.make(now, None);
        for _ in 0..TRIES {
            codes.attempt(code.selector(), now).unwrap();
        }
        assert!(codes.attempt(code.selector(), now).is_err());
        assert!(codes.use_up(code.selector(), now).is_err());
    }
}
