//! What deltas a visit used, which it could not use, and why.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::fetch::FetchError;
use crate::meter::add;

/// What deltas did in a visit. No delta is needed: for each that could not be used the visit took the
/// whole file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct DeltaUse {
    /// Documents that were rebuilt, verified and taken.
    pub documents: u64,
    /// Requests for deltas, which [`Cost::requests`](crate::Cost::requests) counts too.
    pub requests: u64,
    /// Bytes of deltas, which [`Cost::bytes`](crate::Cost::bytes) counts too.
    pub bytes: u64,
    /// Those of them that led to nothing.
    pub wasted_bytes: u64,
    /// How many bytes longer the rebuilt documents are than the deltas that they were rebuilt from.
    pub saved_bytes: u64,
    /// Why documents, or all of a mirror's at once, could not be rebuilt.
    pub fallbacks: Fallbacks,
}

/// How many times a delta could not be used, by the first reason of each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Fallbacks {
    /// It was not there. The visit asked for no more, but where it was a bundle: then for those of single documents.
    pub missing: u64,
    /// It came too late or too slowly. The visit asked for no more.
    pub late: u64,
    /// The network or the server failed. The visit asked for no more.
    pub unreachable: u64,
    /// It ended before its own end.
    pub truncated: u64,
    /// It is no delta, contradicts itself, or rebuilt other bytes than it promised.
    pub damaged: u64,
    /// It starts from another document than the one that the client holds.
    pub other_base: u64,
    /// It, or what it would rebuild, is longer than what can be of use.
    pub too_long: u64,
    /// What it rebuilt breaks a rule of TUF, which the whole file then may or may not do.
    pub refused: u64,
    /// It was not asked for any more, after others.
    pub not_asked: u64,
}

impl Fallbacks {
    /// Each reason, in words, with its number.
    pub fn by_reason(&self) -> [(&'static str, u64); 9] {
        [
            ("missing", self.missing),
            ("late", self.late),
            ("unreachable", self.unreachable),
            ("truncated", self.truncated),
            ("damaged", self.damaged),
            ("of another base", self.other_base),
            ("too long", self.too_long),
            ("refused", self.refused),
            ("not asked for", self.not_asked),
        ]
    }
}

/// Why a delta could not be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    Missing,
    Late,
    Unreachable,
    Truncated,
    Damaged,
    OtherBase,
    TooLong,
    Refused,
    NotAsked,
}

impl Reason {
    const COUNT: usize = Self::NotAsked as usize + 1;

    /// Whether the next delta can be expected to fail likewise, and to cost time.
    fn ends_asking(self) -> bool {
        matches!(self, Self::Missing | Self::Late | Self::Unreachable)
    }
}

impl From<&FetchError> for Reason {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::Missing => Self::Missing,
            FetchError::TooLong { .. } => Self::TooLong,
            FetchError::Slow { .. } | FetchError::Visit(_) => Self::Late,
            FetchError::Encoding { .. } => Self::Damaged,
            FetchError::Status(_)
            | FetchError::Redirects { .. }
            | FetchError::Redirect { .. }
            | FetchError::Network(_)
            | FetchError::Io(_) => Self::Unreachable,
        }
    }
}

impl From<tufold_delta::Error> for Reason {
    fn from(error: tufold_delta::Error) -> Self {
        match error {
            tufold_delta::Error::Truncated { .. } => Self::Truncated,
            tufold_delta::Error::WrongBase { .. } => Self::OtherBase,
            tufold_delta::Error::TooLarge { .. } => Self::TooLong,
            _ => Self::Damaged,
        }
    }
}

/// So many deltas may turn out useless before a visit asks for no more: a server whose deltas are
/// bad costs a few of them, and one bad file costs nothing else.
const MAX_USELESS: u64 = 3;

/// Counts while a visit goes on.
#[derive(Debug, Default)]
pub(crate) struct DeltaMeter {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes: AtomicU64,
    documents: AtomicU64,
    used_bytes: AtomicU64,
    rebuilt_bytes: AtomicU64,
    fallbacks: [AtomicU64; Reason::COUNT],
    useless: AtomicU64,
    ended: AtomicBool,
}

impl DeltaMeter {
    /// Whether to ask for one more.
    pub(crate) fn asks(&self) -> bool {
        !self.ended.load(Relaxed)
    }

    /// A request failed: no other need be made for some reasons.
    pub(crate) fn note(&self, reason: Reason) {
        if reason.ends_asking() {
            self.ended.store(true, Relaxed);
        }
    }

    /// A document was rebuilt from so many bytes and taken.
    pub(crate) fn count_used(&self, delta_len_bytes: u64, document_len_bytes: u64) {
        add(&self.documents, 1);
        add(&self.used_bytes, delta_len_bytes);
        add(&self.rebuilt_bytes, document_len_bytes);
    }

    /// A bundle is not there. A publisher leaves out one that would take too much memory, and has the deltas of documents all the
    /// same.
    pub(crate) fn count_missing_bundle(&self) {
        add(&self.fallbacks[Reason::Missing as usize], 1);
    }

    /// A document, or a bundle, could not be used.
    pub(crate) fn count_fallback(&self, reason: Reason) {
        add(&self.fallbacks[reason as usize], 1);
        self.note(reason);
        let counts = !reason.ends_asking() && reason != Reason::NotAsked;
        if counts && self.useless.fetch_add(1, Relaxed) + 1 >= MAX_USELESS {
            self.ended.store(true, Relaxed);
        }
    }

    pub(crate) fn used(&self) -> DeltaUse {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        let by = |reason: Reason| of(&self.fallbacks[reason as usize]);
        let (bytes, used_bytes) = (of(&self.bytes), of(&self.used_bytes));
        DeltaUse {
            documents: of(&self.documents),
            requests: of(&self.requests),
            bytes,
            wasted_bytes: bytes.saturating_sub(used_bytes),
            saved_bytes: of(&self.rebuilt_bytes).saturating_sub(used_bytes),
            fallbacks: Fallbacks {
                missing: by(Reason::Missing),
                late: by(Reason::Late),
                unreachable: by(Reason::Unreachable),
                truncated: by(Reason::Truncated),
                damaged: by(Reason::Damaged),
                other_base: by(Reason::OtherBase),
                too_long: by(Reason::TooLong),
                refused: by(Reason::Refused),
                not_asked: by(Reason::NotAsked),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reasons: &[Reason], asks: bool) {
        let meter = DeltaMeter::default();
        reasons.iter().for_each(|reason| meter.count_fallback(*reason));
        assert_eq!(meter.asks(), asks, "{reasons:?}");
        let counted: u64 = meter.used().fallbacks.by_reason().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, reasons.len() as u64);
    }

    #[test]
    fn asks_on_where_a_bundle_is_missing() {
        let meter = DeltaMeter::default();
        (0..5).for_each(|_| meter.count_missing_bundle());
        assert!(meter.asks());
        assert_eq!(meter.used().fallbacks.missing, 5);
    }

    #[test]
    fn asks_until_one_is_missing_or_late_or_three_are_useless() {
        check(&[], true);
        check(&[Reason::Missing], false);
        check(&[Reason::Late], false);
        check(&[Reason::Unreachable], false);
        check(&[Reason::Damaged, Reason::OtherBase], true);
        check(&[Reason::Damaged, Reason::OtherBase, Reason::Refused], false);
        check(&[Reason::NotAsked; 5], true);
    }
}
