//! Trying again: how long to wait between tries, and for how long in all.

use std::time::{Duration, Instant};

/// Waits that double from `first` up to `longest`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Starts with a wait of `first`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, next: first, longest }
    }

    /// How long to wait before the next try.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Tries until success, an error for which `again` is false, or the end of `patience`; the last error is the result.
pub fn patiently<T, E>(
    patience: Duration,
    again: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let begin = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
    loop {
        match attempt() {
            Err(error) if again(&error) && begin.elapsed() < patience => {
                let left = patience.saturating_sub(begin.elapsed());
                std::thread::sleep(backoff.wait().min(left));
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..5).map(|_| backoff.wait().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.wait().as_secs(), 1);
    }

    #[test]
    fn what_will_not_change_is_tried_once() {
        let mut tries = 0;
        let result: Result<(), &str> = patiently(
            Duration::from_secs(60),
            |_| false,
            || {
                tries += 1;
                Err("no")
            },
        );
        assert_eq!((result, tries), (Err("no"), 1));
    }

    #[test]
    fn patience_ends() {
        let mut tries = 0;
        let result: Result<(), &str> = patiently(
            Duration::from_millis(1),
            |_| true,
            || {
                tries += 1;
                Err("later")
            },
        );
        assert_eq!(result, Err("later"));
        assert!(tries >= 2);
    }
}
