//! Which deltas a publisher keeps and which a reader fetches: arithmetic on version numbers, no index.
//!
//! ```
//! use tufold_delta::{Edge, Ladder};
//!
//! let ladder: Ladder = "pow2:1024".parse().unwrap();
//! let names: Vec<String> = ladder.writes(12).iter().map(Edge::name).collect();
//! assert_eq!(names, ["11-12", "10-12", "8-12"]);
//! let names: Vec<String> = ladder.path(7, 12).unwrap().iter().map(Edge::name).collect();
//! assert_eq!(names, ["7-8", "8-12"]);
//! ```

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A delta from one version of a document to a later one. From version 0 stands for from nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Edge {
    /// The version that the reader holds.
    pub from: u64,
    /// The version that it gets.
    pub to: u64,
}

impl Edge {
    /// The last part of the delta's path.
    pub fn name(&self) -> String {
        format!("{}-{}", self.from, self.to)
    }

    /// The edge with this name; only the one way to write it counts.
    pub fn from_name(name: &str) -> Option<Self> {
        let (from, to) = name.split_once('-')?;
        let edge = Self { from: from.parse().ok()?, to: to.parse().ok()? };
        (edge.name() == name && edge.from < edge.to).then_some(edge)
    }
}

/// Which edges there are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ladder {
    /// `pow2:H`: p -> p + 2^j wherever 2^j divides p, up to H versions back. Two writes a publish on average, for ever valid.
    Pow2 {
        /// A reader further back fetches the full file.
        horizon: u64,
    },
    /// `climb:H`: `pow2`, and to the newest version from each version that a reader may have climbed to.
    /// About seven writes a publish; most are replaced by the next one.
    Climb {
        /// As for `pow2`.
        horizon: u64,
    },
    /// `chain:H`: from each version to the next.
    Chain {
        /// As for `pow2`.
        horizon: u64,
    },
    /// `direct:N`: to the newest from each of the N versions before it.
    Direct {
        /// How many; also the horizon.
        last: u64,
    },
    /// `tiered:H`: p -> p + T wherever T divides p, for T of 1, 60 and 1,440: an hour and a day at a publish a minute.
    Tiered {
        /// As for `pow2`.
        horizon: u64,
    },
}

/// Versions in a tier of `tiered`.
const TIERS: [u64; 3] = [1, 60, 1_440];

/// Horizon where none is named.
const HORIZON: u64 = 1_024;

impl Default for Ladder {
    /// `pow2:1024`.
    fn default() -> Self {
        Self::Pow2 { horizon: HORIZON }
    }
}

impl Ladder {
    /// How many versions back a reader may be.
    pub fn horizon(self) -> u64 {
        match self {
            Self::Pow2 { horizon }
            | Self::Climb { horizon }
            | Self::Chain { horizon }
            | Self::Direct { last: horizon }
            | Self::Tiered { horizon } => horizon,
        }
    }

    /// The edges that a publish of version `to` writes, shortest first.
    pub fn writes(self, to: u64) -> Vec<Edge> {
        let mut edges: Vec<Edge> = (self.steps().filter(|step| to.is_multiple_of(*step)))
            .filter_map(|step| to.checked_sub(step))
            .chain(self.jumps(to))
            .filter(|&from| from > 0 && to - from <= self.horizon())
            .map(|from| Edge { from, to })
            .collect();
        edges.sort_unstable_by(|a, b| b.cmp(a));
        edges.dedup();
        edges
    }

    /// Whether a reader of `newest`, or of the version just before it that a cache may still show, can use `edge`.
    pub fn keeps(self, edge: Edge, newest: u64) -> bool {
        let Edge { from, to } = edge;
        if from == 0 || from >= to || to > newest || to - from > self.horizon() {
            return false;
        }
        let is_step = self.steps().any(|step| to - from == step && to.is_multiple_of(step));
        let in_reach = from >= newest.saturating_sub(self.horizon());
        let is_jump = to + 1 >= newest && self.jumps(to).any(|jump| jump == from);
        is_step && in_reach || is_jump
    }

    /// Whether a publish after `newest` writes an edge that starts at `version`.
    pub fn wants(self, version: u64, newest: u64) -> bool {
        let by_step = |step: u64| {
            version.is_multiple_of(step) && version + step > newest && step <= self.horizon()
        };
        let by_jump = match self {
            // A reader can climb to a multiple of a power of two that the newest has not passed.
            Self::Climb { horizon } => (0..=horizon.ilog2()).any(|power| by_step(1 << power)),
            Self::Direct { last } => version + last > newest,
            _ => false,
        };
        version > 0 && version <= newest && (self.steps().any(by_step) || by_jump)
    }

    /// The edges that a publish of version `to` makes useless, if all publishes before it were taken care of.
    pub fn retires(self, to: u64) -> Vec<Edge> {
        let left_behind = to.saturating_sub(self.horizon() + 1);
        let steps = self.steps().map(|step| Edge { from: left_behind, to: left_behind + step });
        let old_newest = to.saturating_sub(2);
        let jumps = self.jumps(old_newest).map(|from| Edge { from, to: old_newest });
        let before = to.saturating_sub(1);
        let mut edges: Vec<Edge> = steps
            .chain(jumps)
            .filter(|&edge| self.keeps(edge, before) && !self.keeps(edge, to))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// The fewest edges from a version that a reader holds to the newest. `None` if it should fetch the full file:
    /// it is too far back, or has nothing, or already holds `to` or a later one.
    pub fn path(self, from: u64, to: u64) -> Option<Vec<Edge>> {
        if from == 0 || from >= to || to - from > self.horizon() {
            return None;
        }
        let mut path = Vec::new();
        let mut at = from;
        while at < to {
            let next = if self.jumps(to).any(|jump| jump == at) {
                to
            } else {
                // The longest step that does not pass the goal, nor a place to jump from.
                let goal = self.jumps(to).filter(|&jump| jump > at).min().unwrap_or(to);
                let fits = |step: &u64| at.is_multiple_of(*step) && at + step <= goal;
                at + self.steps().filter(fits).max()?
            };
            path.push(Edge { from: at, to: next });
            at = next;
        }
        Some(path)
    }

    /// The lengths of the edges that stay: one of length s ends wherever s divides.
    fn steps(self) -> impl Iterator<Item = u64> {
        let powers = match self {
            Self::Pow2 { horizon } | Self::Climb { horizon } => {
                horizon.checked_ilog2().map_or(0, |log| log + 1)
            }
            Self::Chain { .. } => 1,
            Self::Direct { .. } | Self::Tiered { .. } => 0,
        };
        let tiers = if let Self::Tiered { .. } = self { &TIERS[..] } else { &[] };
        (0..powers).map(|power| 1 << power).chain(tiers.iter().copied())
    }

    /// Where the edges to the newest version start.
    fn jumps(self, newest: u64) -> impl Iterator<Item = u64> {
        let climbs = if let Self::Climb { horizon } = self {
            horizon.checked_ilog2().map_or(0, |log| log + 1)
        } else {
            0
        };
        let last = if let Self::Direct { last } = self { last } else { 0 };
        let before = newest.saturating_sub(1);
        let climbed = (0..climbs).map(move |power| before >> power << power);
        let direct = (1..=last).map_while(move |back| newest.checked_sub(back));
        climbed.chain(direct).filter(move |&from| from > 0 && newest - from <= self.horizon())
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Pow2 { .. } => "pow2",
            Self::Climb { .. } => "climb",
            Self::Chain { .. } => "chain",
            Self::Direct { .. } => "direct",
            Self::Tiered { .. } => "tiered",
        };
        write!(f, "{name}:{}", self.horizon())
    }
}

impl FromStr for Ladder {
    type Err = Error;

    /// `pow2:1024`, `climb`, `chain`, `direct:30` or `tiered`; without a number it is 1,024.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, number) = text.split_once(':').unwrap_or((text, "1024"));
        let horizon = number.parse().ok().filter(|&n| n > 0).ok_or(Error::UnknownLadder)?;
        match name {
            "pow2" => Ok(Self::Pow2 { horizon }),
            "climb" => Ok(Self::Climb { horizon }),
            "chain" => Ok(Self::Chain { horizon }),
            "direct" => Ok(Self::Direct { last: horizon }),
            "tiered" => Ok(Self::Tiered { horizon }),
            _ => Err(Error::UnknownLadder),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LADDERS: [Ladder; 8] = [
        Ladder::Pow2 { horizon: 1_024 },
        Ladder::Pow2 { horizon: 100 },
        Ladder::Climb { horizon: 1_024 },
        Ladder::Climb { horizon: 70 },
        Ladder::Chain { horizon: 50 },
        Ladder::Direct { last: 30 },
        Ladder::Tiered { horizon: 200 },
        Ladder::Pow2 { horizon: 1 },
    ];

    #[test]
    fn what_is_written_and_not_retired_is_what_is_kept() {
        for ladder in LADDERS {
            let mut kept = BTreeSet::new();
            for newest in 1..2_500 {
                for edge in ladder.writes(newest) {
                    assert!(kept.insert(edge), "{ladder}: {edge:?} twice");
                }
                for edge in ladder.retires(newest) {
                    assert!(kept.remove(&edge), "{ladder}: {edge:?} was not there");
                }
                if newest % 97 == 0 {
                    assert!(
                        kept.iter().all(|&edge| ladder.keeps(edge, newest)),
                        "{ladder} at {newest}"
                    );
                }
            }
        }
    }

    #[test]
    fn wanted_bases_are_those_that_later_edges_start_from() {
        for ladder in LADDERS {
            for newest in [1_u64, 2, 63, 64, 100, 1_000] {
                let later: BTreeSet<u64> = (newest + 1..=newest + 2_100)
                    .flat_map(|to| ladder.writes(to))
                    .map(|edge| edge.from)
                    .filter(|&from| from <= newest)
                    .collect();
                let wanted = (1..=newest).filter(|&from| ladder.wants(from, newest)).collect();
                assert_eq!(later, wanted, "{ladder} at {newest}");
            }
        }
    }

    #[test]
    fn each_path_is_kept_and_short() {
        for ladder in LADDERS {
            let most = match ladder {
                Ladder::Pow2 { horizon } => 2 * horizon.ilog2() as usize + 2,
                Ladder::Climb { horizon } => horizon.ilog2() as usize + 2,
                Ladder::Direct { .. } => 1,
                _ => usize::MAX,
            };
            for newest in [2, 3, 64, 1_000, 1_024, 1_025, 2_499] {
                for gap in 1..ladder.horizon().min(newest) + 2 {
                    let path = newest.checked_sub(gap).and_then(|from| ladder.path(from, newest));
                    if gap > ladder.horizon() || gap >= newest {
                        assert_eq!(path, None);
                        continue;
                    }
                    let path = path.unwrap();
                    assert!(
                        path.len() <= most,
                        "{ladder}: {gap} back from {newest} takes {path:?}"
                    );
                    assert_eq!((path[0].from, path[path.len() - 1].to), (newest - gap, newest));
                    assert!(path.windows(2).all(|pair| pair[0].to == pair[1].from));
                    assert!(
                        path.iter().all(|&edge| ladder.keeps(edge, newest)),
                        "{ladder}: {path:?}"
                    );
                    assert!(path.iter().all(|edge| ladder.writes(edge.to).contains(edge)));
                }
            }
        }
    }

    fn check_writes(ladder: Ladder, mean: std::ops::Range<usize>) {
        let total: usize = (10_000..12_048).map(|to| ladder.writes(to).len()).sum();
        assert!(mean.contains(&(total * 10 / 2_048)), "{ladder}: {total}");
    }

    #[test]
    fn writes_a_publish_in_tenths() {
        check_writes(Ladder::default(), 19..21);
        check_writes(Ladder::Climb { horizon: 1_024 }, 60..76);
        check_writes(Ladder::Chain { horizon: 1_024 }, 10..11);
        check_writes(Ladder::Direct { last: 30 }, 300..301);
    }

    #[test]
    fn names_have_one_form() {
        for text in ["pow2:1024", "climb:7", "chain:1024", "direct:30", "tiered:1024"] {
            assert_eq!(text.parse::<Ladder>().unwrap().to_string(), text);
        }
        assert_eq!("pow2".parse(), Ok(Ladder::default()));
        for text in ["", "pow3", "pow2:", "pow2:0", "direct:-1", "off"] {
            assert_eq!(text.parse::<Ladder>(), Err(Error::UnknownLadder), "{text}");
        }
        assert_eq!(Edge::from_name("0-7"), Some(Edge { from: 0, to: 7 }));
        for name in ["", "7", "7-", "07-8", "8-7", "7-7", "7-8-9", "+7-8"] {
            assert_eq!(Edge::from_name(name), None, "{name}");
        }
    }
}
