//! When a timetable is due: a cron expression of six fields in a time zone. No I/O, no clock.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A checked timetable.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

/// A timetable that is refused; the text says what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// Not a cron expression.
    #[error(
        "{text:?} is not a timetable ({why}): six fields are expected, second minute hour day month weekday, for example \"0 30 2 * * *\" for half past two every night"
    )]
    Malformed {
        /// The text.
        text: String,
        /// The parser's words.
        why: String,
    },
    /// Not a time zone.
    #[error("{0:?} is not a time zone: a name like UTC or Europe/Berlin is expected")]
    Zone(String),
    /// A date that never comes, like the 30th of February.
    #[error("the timetable {0:?} is never due: the date it names does not exist")]
    Never(String),
}

impl Timetable {
    /// Reads an expression and the zone it is meant in; `UTC` where the zone is empty.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, TimetableError> {
        let zone = match zone {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| TimetableError::Zone(name.to_owned()))?,
        };
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| TimetableError::Malformed {
                text: expression.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self { cron, zone })
    }

    /// The first time after `now`, in seconds since 1970-01-01 UTC.
    pub fn next(&self, now: u64) -> Result<u64, TimetableError> {
        let never = || TimetableError::Never(self.cron.as_str().to_owned());
        let now =
            i64::try_from(now).ok().and_then(|now| Timestamp::from_second(now).ok()).ok_or_else(never)?;
        let next =
            self.cron.find_next_occurrence(&now.to_zoned(self.zone.clone()), false).map_err(|_| never())?;
        u64::try_from(next.timestamp().as_second()).map_err(|_| never())
    }

    /// What to do at `now` about a due time computed earlier.
    pub fn check(&self, due: u64, now: u64) -> Result<Check, TimetableError> {
        let next = self.next(now)?;
        if due != 0 && due <= now {
            // However many times were missed while the box was off: one backup makes up for all of them.
            return Ok(Check::Due { next });
        }
        // A later stored time than the next one was computed while the clock was ahead.
        Ok(Check::NotYet { due: if due == 0 { next } else { due.min(next) } })
    }
}

/// See [`Timetable::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Start, and be due again at `next`.
    Due {
        /// Seconds since 1970-01-01 UTC.
        next: u64,
    },
    /// Wait until `due`.
    NotYet {
        /// Seconds since 1970-01-01 UTC.
        due: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_second().try_into().unwrap()
    }

    #[test]
    fn a_time_is_meant_in_its_zone_on_both_sides_of_daylight_saving() {
        let nightly = Timetable::parse("0 30 2 * * *", "Europe/Berlin").unwrap();
        assert_eq!(nightly.next(at("2026-01-10T12:00:00Z")).unwrap(), at("2026-01-11T01:30:00Z"));
        assert_eq!(nightly.next(at("2026-07-10T12:00:00Z")).unwrap(), at("2026-07-11T00:30:00Z"));
    }

    #[test]
    fn a_time_that_daylight_saving_skips_still_comes_once_that_day() {
        let nightly = Timetable::parse("0 30 2 * * *", "Europe/Berlin").unwrap();
        // On 2026-03-29 the clock goes from 02:00 CET to 03:00 CEST (01:00 UTC).
        let next = nightly.next(at("2026-03-28T12:00:00Z")).unwrap();
        assert!((at("2026-03-29T01:00:00Z")..at("2026-03-29T02:00:00Z")).contains(&next), "{next}");
        assert_eq!(nightly.next(next).unwrap(), at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn times_missed_while_the_box_was_off_are_due_once() {
        let every_minute = Timetable::parse("0 * * * * *", "UTC").unwrap();
        let (due, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-03T07:30:20Z"));
        let next = at("2026-01-03T07:31:00Z");
        assert_eq!(every_minute.check(due, now).unwrap(), Check::Due { next });
        assert_eq!(every_minute.check(next, now).unwrap(), Check::NotYet { due: next });
    }

    #[test]
    fn a_due_time_computed_while_the_clock_was_ahead_is_corrected() {
        let nightly = Timetable::parse("0 0 2 * * *", "UTC").unwrap();
        let check = nightly.check(at("2040-01-01T02:00:00Z"), at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(check, Check::NotYet { due: at("2026-01-01T02:00:00Z") });
    }

    #[test]
    fn what_is_no_timetable_is_refused_with_what_is_expected() {
        for text in ["", "nightly", "30 2 * * *", "0 99 * * * *", "0 0 2 * * * 2026"] {
            let error = Timetable::parse(text, "UTC").unwrap_err().to_string();
            assert!(error.contains("six fields"), "{text}: {error}");
        }
        assert!(matches!(Timetable::parse("0 0 2 * * *", "Mars/Olympus"), Err(TimetableError::Zone(_))));
        let never = Timetable::parse("0 0 0 30 2 *", "UTC").unwrap();
        assert!(never.next(0).is_err());
    }
}
