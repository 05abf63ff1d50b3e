//! Wall-clock time, for people; intervals are measured with [`std::time::Instant`].

/// Seconds since 1970-01-01 UTC.
pub fn utc() -> u64 {
    jiff::Timestamp::now().as_second().try_into().unwrap_or(0)
}
