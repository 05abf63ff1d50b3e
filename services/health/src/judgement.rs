//! What follows from the state of the box.

/// What is known after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Everything that should run does.
    pub healthy: bool,
    /// This very system, told by the hash of its root, was healthy before.
    pub proven: bool,
    /// The other slot would start.
    pub other_is_good: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Mark this slot good.
    Good,
    /// Mark it good and complain: it was healthy before, so the cause lies elsewhere, and an older system would not mend it.
    GoodAndComplain,
    /// Mark this slot bad and start the other one.
    FallBack,
    /// Complain; there is nothing else to start.
    Complain,
}

/// Decides.
pub fn judge(facts: Facts) -> Verdict {
    match facts {
        Facts { healthy: true, .. } => Verdict::Good,
        Facts { proven: true, .. } => Verdict::GoodAndComplain,
        Facts { other_is_good: true, .. } => Verdict::FallBack,
        Facts { .. } => Verdict::Complain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_system_that_never_was_healthy_gives_way_and_only_to_one_that_starts() {
        let verdict = |healthy, proven, other_is_good| judge(Facts { healthy, proven, other_is_good });
        for other in [false, true] {
            assert_eq!(verdict(true, false, other), Verdict::Good);
            assert_eq!(verdict(true, true, other), Verdict::Good);
            assert_eq!(verdict(false, true, other), Verdict::GoodAndComplain);
        }
        assert_eq!(verdict(false, false, true), Verdict::FallBack);
        assert_eq!(verdict(false, false, false), Verdict::Complain);
    }
}
