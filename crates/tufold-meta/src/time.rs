//! Times as TUF writes them.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{DateTime, datetime};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A moment in UTC with whole seconds, written `YYYY-MM-DDTHH:MM:SSZ` (TUF 4.2.1). Years 0 to
/// 9999. (jiff's own timestamps end a day before 9999 does, and people write its last second.)
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(DateTime);

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);
const FIRST: DateTime = datetime(0, 1, 1, 0, 0, 0, 0);
const LAST: DateTime = datetime(9999, 12, 31, 23, 59, 59, 0);

/// The text is not of the form `YYYY-MM-DDTHH:MM:SSZ`, or there is no such moment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a time of the form YYYY-MM-DDTHH:MM:SSZ")]
pub struct TimeError(String);

impl Time {
    /// The first second of 1970, UTC.
    pub const EPOCH: Self = Self(EPOCH);

    /// `None` outside the years 0 to 9999. `seconds` count from 1970, UTC, without leap seconds.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let time = EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        (FIRST..=LAST).contains(&time).then_some(Self(time))
    }

    /// Seconds since 1970, UTC, without leap seconds.
    pub fn unix_seconds(self) -> i64 {
        self.0.duration_since(EPOCH).as_secs()
    }

    /// This moment and `seconds` more; the last second of year 9999 at the latest.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        let sum = self.unix_seconds().saturating_add_unsigned(seconds);
        Self::from_unix_seconds(sum).unwrap_or(Self(LAST))
    }

    /// This moment less `seconds`; the first second of year 0 at the earliest.
    #[must_use]
    pub fn minus_seconds(self, seconds: u64) -> Self {
        let difference = self.unix_seconds().saturating_sub_unsigned(seconds);
        Self::from_unix_seconds(difference).unwrap_or(Self(FIRST))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        // jiff takes fractions and other forms too; TUF has one form only.
        let civil = text.strip_suffix('Z').filter(|civil| civil.len() == 19);
        match civil.and_then(|civil| civil.parse().ok()).map(Self) {
            Some(time) if time.to_string() == text => Ok(time),
            _ => Err(TimeError(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z", self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_form_only() {
        let time: Time = "2026-11-22T13:30:00Z".parse().unwrap();
        assert_eq!(time.unix_seconds(), 1_795_354_200);
        assert_eq!(time.to_string(), "2026-11-22T13:30:00Z");
        for text in [
            "",
            "2026-11-22T13:30:00",
            "2026-11-22T13:30:00z",
            "2026-11-22 13:30:00Z",
            "2026-02-30T13:30:00Z",
            "2026-11-22T13:30:0.5Z",
            "2026-11-22T13:30:60Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn sums_stop_at_the_last_second_of_9999() {
        let time: Time = "2026-11-22T13:30:00Z".parse().unwrap();
        assert_eq!(time.plus_seconds(3600).to_string(), "2026-11-22T14:30:00Z");
        assert_eq!(time.plus_seconds(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(time.minus_seconds(3600).to_string(), "2026-11-22T12:30:00Z");
        assert_eq!(time.minus_seconds(u64::MAX).to_string(), "0000-01-01T00:00:00Z");
    }
}
