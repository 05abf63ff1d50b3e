//! What a finished flash did.

use std::fmt;
use std::time::Duration;

use crate::size::human;
use crate::target::Phase;

/// Figures of a flash.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// What was written to.
    pub target: String,
    /// Bytes of the target.
    pub size: u64,
    /// Bytes of data written.
    pub written: u64,
    /// Bytes made zero without being sent.
    pub zeroed: u64,
    /// Bytes read back and found right.
    pub compared: u64,
    /// Bytes behind the image that were left as they were.
    pub untouched: u64,
    /// The phases, in order.
    pub phases: Vec<PhaseReport>,
    /// Seconds of all phases.
    pub seconds: f64,
}

/// One of them.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PhaseReport {
    /// Which.
    pub phase: Phase,
    /// Bytes it handled, zeros included.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Bytes it moved to or from the medium, in megabytes (10⁶) a second.
    pub megabytes_per_second: f64,
}

impl PhaseReport {
    /// `moved` of the `bytes` crossed the wire.
    pub(crate) fn new(phase: Phase, bytes: u64, moved: u64, time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        Self { phase, bytes, seconds, megabytes_per_second: moved as f64 / 1e6 / seconds.max(1e-9) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let speed =
            |phase| self.phases.iter().find(|p| p.phase == phase).map_or(0.0, |p| p.megabytes_per_second);
        writeln!(f, "written    {:>10}  {:>7.1} MB/s", human(self.written), speed(Phase::Write))?;
        writeln!(f, "zeroed     {:>10}", human(self.zeroed))?;
        writeln!(
            f,
            "compared   {:>10}  {:>7.1} MB/s, no difference",
            human(self.compared),
            speed(Phase::Compare)
        )?;
        if self.untouched > 0 {
            writeln!(f, "untouched  {:>10}  behind the image, left as it was", human(self.untouched))?;
        }
        writeln!(f, "time       {:>8.1} s", self.seconds)
    }
}
