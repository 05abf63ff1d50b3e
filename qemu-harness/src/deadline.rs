//! Until when something must have happened.

use std::time::{Duration, Instant};

/// A point in time by which something must have happened. Every wait of this crate takes one, so that no test hangs.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    started: Instant,
    ends: Instant,
}

impl Deadline {
    /// This long from now.
    pub fn after(limit: Duration) -> Self {
        let started = Instant::now();
        Deadline { started, ends: started + limit }
    }

    /// This many seconds from now.
    pub fn seconds(limit: u64) -> Self {
        Deadline::after(Duration::from_secs(limit))
    }

    /// What is left; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// The whole time it allowed, for messages.
    pub fn limit(&self) -> Duration {
        self.ends - self.started
    }

    /// This long from now, or this deadline where it comes first: for one try of several.
    pub fn at_most(&self, limit: Duration) -> Self {
        let one_try = Deadline::after(limit);
        Deadline { ends: one_try.ends.min(self.ends), ..one_try }
    }

    /// The instant itself.
    pub fn instant(&self) -> Instant {
        self.ends
    }
}

impl From<Duration> for Deadline {
    fn from(limit: Duration) -> Self {
        Deadline::after(limit)
    }
}
