//! Which bins there were before, as the role that delegates to the bins tells its readers.

use std::fmt;
use std::str::FromStr;

use crate::cjson::Object;
use crate::{BitLength, Version};

/// The field of the role that delegates to the bins.
const FIELD: &str = "x-tufold-bins";

/// The bins of today and those before them, oldest first: `10@1 11@9` says that 1,024 bins became 2,048, all of which
/// started at version 9.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BinHistory(Vec<BinsSince>);

/// A number of bins, and the version that they started at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BinsSince {
    /// How many there are.
    pub bits: BitLength,
    /// Their first version; all that delegated roles had before is lower.
    pub first: Version,
}

/// The text is no history.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` does not say which bins there were")]
pub struct BinHistoryError(String);

impl BinHistory {
    /// More entries than that are not written: who was away for longer fetches whole bins.
    pub const MAX_LEN: usize = 4;

    /// What the unknown fields of a role say. Anything that is no history is none.
    pub fn read(extra: &Object) -> Self {
        extra.get_str(FIELD).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Sets the field among the unknown fields of a role, or removes it if there is no history.
    pub fn set(&self, extra: &mut Object) {
        if self.0.is_empty() {
            extra.remove(FIELD);
        } else {
            extra.insert(FIELD, &self.to_string());
        }
    }

    /// This history and other bins, of which the oldest are left out where there are too many. Versions have to rise.
    #[must_use]
    pub fn then(mut self, bins: BinsSince) -> Self {
        self.0.retain(|before| before.first < bins.first);
        self.0.push(bins);
        let surplus = self.0.len().saturating_sub(Self::MAX_LEN);
        self.0.drain(..surplus);
        self
    }

    /// The bins, oldest first.
    pub fn all(&self) -> &[BinsSince] {
        &self.0
    }

    /// Those that there are now.
    pub fn last(&self) -> Option<BinsSince> {
        self.0.last().copied()
    }
}

impl fmt::Display for BinHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, bins) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{}@{}", bins.bits, bins.first)?;
        }
        Ok(())
    }
}

impl FromStr for BinHistory {
    type Err = BinHistoryError;

    fn from_str(text: &str) -> Result<Self, BinHistoryError> {
        let entry = |entry: &str| {
            let (bits, first) = entry.split_once('@')?;
            let bits = BitLength::new(bits.parse().ok()?)?;
            Some(BinsSince { bits, first: Version::new(first.parse().ok()?)? })
        };
        // Whatever is written, so many are read.
        let entries: Option<Vec<_>> = text.split(' ').take(2 * Self::MAX_LEN).map(entry).collect();
        let history = entries.map(Self).filter(|history| {
            let rises = history.0.is_sorted_by(|before, after| before.first < after.first);
            rises && history.to_string() == text
        });
        history.ok_or_else(|| BinHistoryError(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(bits: u32, first: u64) -> BinsSince {
        BinsSince { bits: BitLength::new(bits).unwrap(), first: Version::new(first).unwrap() }
    }

    #[test]
    fn the_field_reads_back_and_forgets_the_oldest() {
        let mut extra = Object::default();
        let mut history = BinHistory::default();
        history.set(&mut extra);
        assert!(extra.is_empty());
        for (text, round) in ["1@1", "1@1 2@2", "1@1 2@2 3@3", "1@1 2@2 3@3 4@4", "2@2 3@3 4@4 5@5"]
            .into_iter()
            .zip(1_u32..)
        {
            history = history.then(since(round, round.into()));
            assert_eq!(history.to_string(), text);
            history.set(&mut extra);
            assert_eq!(BinHistory::read(&extra), history);
        }
        assert_eq!(history.last(), Some(since(5, 5)));
        // What was never published is left out.
        assert_eq!(history.then(since(9, 4)).to_string(), "2@2 3@3 9@4");
    }

    #[test]
    fn anything_else_is_no_history() {
        let long = (1..=9).map(|n| format!("4@{n}")).collect::<Vec<_>>().join(" ");
        for text in [
            "", " ", "4", "4@", "@1", "0@1", "33@1", "4@0", "4@1  5@2", "4@1 5@1", "04@1", "4@+1",
            &long,
        ] {
            assert!(text.parse::<BinHistory>().is_err(), "{text}");
        }
        assert_eq!("14@1 13@7 14@20".parse::<BinHistory>().unwrap().all().len(), 3);
    }
}
