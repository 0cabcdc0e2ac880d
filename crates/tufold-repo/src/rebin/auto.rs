//! When bins double: the bounds, and which of them a repository is past.

use std::fmt;

use serde::Serialize;
use tufold_meta::BitLength;
use tufold_meta::names::{METADATA_FOLDER, meta_name, parse_versioned_file_name};

use super::Rebinner;
use crate::error::Error;
use crate::layout::{BINS, Delegation};
use crate::publish::Publisher;

/// Past any of these bounds the bins double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The mean length of a bin.
    pub mean_bin_bytes: u64,
    /// The longest targets role that clients accept. The largest bin stays below four fifths of it, and bins do not double if
    /// the role that delegates to them would pass it.
    pub client_limit_bytes: u64,
    /// What a returning client fetches to look one target up, in percent of an average download.
    pub overhead_percent: f64,
    /// That download.
    pub average_download_bytes: u64,
}

impl Default for Bounds {
    /// 64 KiB a bin, some 300 targets; the limit of python-tuf, go-tuf, rust-tuf and sigstore-tuf; and PEP 458's measure: bins
    /// grow when a returning user pays over half of an average download, 2,184,393 bytes.
    fn default() -> Self {
        Self {
            mean_bin_bytes: 64 << 10,
            client_limit_bytes: 5_000_000,
            overhead_percent: 50.0,
            average_download_bytes: 2_184_393,
        }
    }
}

/// A bound that is passed, with what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "bound")]
pub enum Passed {
    /// A bin is long on average.
    MeanBin {
        /// What it has.
        bytes: u64,
        /// What it may have.
        most_bytes: u64,
    },
    /// A bin comes near to what clients accept.
    LargestBin {
        /// What it has.
        bytes: u64,
        /// What it may have.
        most_bytes: u64,
    },
    /// A returning client pays much, and more than with twice the bins.
    Overhead {
        /// What it fetches.
        bytes: u64,
        /// What it may fetch.
        most_bytes: u64,
    },
}

/// Whether the bins of a repository should double.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// How many bins there are.
    pub bins: u64,
    /// How many there should be; the same if no bound is passed.
    pub to: u64,
    /// The bounds that are passed.
    pub passed: Vec<Passed>,
    /// Why there are not more bins, though a bound is passed.
    pub held_back: Option<String>,
    /// The mean length of a bin.
    pub mean_bin_bytes: u64,
    /// The largest bin.
    pub largest_bin_bytes: u64,
    /// What a returning client without deltas fetches to look one target up.
    pub returning_bytes: u64,
}

/// The lengths of what clients fetch.
#[derive(Clone, Copy)]
struct Lengths {
    bins: u64,
    mean_bin: u64,
    largest_bin: u64,
    snapshot: u64,
    /// The role that delegates to prefix bins.
    delegating: u64,
    timestamp: u64,
}

/// In one go bins become at most so many times as many: more of them have no deltas.
const MOST_DOUBLINGS: u32 = 6;

impl Rebinner {
    /// Looks at the files that are published. An error if there are no bins.
    pub fn advice(&self, bounds: &Bounds) -> Result<Advice, Error> {
        let Publisher { repository, .. } = &self.publisher;
        let Some(bits) = self.delegation().bit_length() else {
            let problem =
                format!("says {}: what has no bins cannot double them", self.delegation());
            return Err(repository.private.bad_settings(problem));
        };
        Ok(advise(self.lengths(bits)?, bounds))
    }

    fn lengths(&self, bits: BitLength) -> Result<Lengths, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let (mut sum, mut largest_bin, mut delegating) = (0, 0, 0);
        for entry in repository.public.list(METADATA_FOLDER)? {
            let name = entry.name.strip_prefix(METADATA_FOLDER).unwrap_or(&entry.name);
            let Some((version, role)) = parse_versioned_file_name(name) else { continue };
            let listed = state.snapshot.meta.get(&meta_name(&role)).map(|file| file.version);
            if listed != Some(version) {
                continue;
            }
            if bits.parse_role_name(BINS, &role).is_some() {
                sum += entry.len_bytes;
                largest_bin = entry.len_bytes.max(largest_bin);
            } else if role == BINS && matches!(self.delegation(), Delegation::BinsPrefixes(_)) {
                delegating = entry.len_bytes;
            }
        }
        Ok(Lengths {
            bins: bits.bin_count(),
            mean_bin: sum.div_ceil(bits.bin_count()),
            largest_bin,
            snapshot: state.snapshot.bytes().len() as u64,
            delegating,
            timestamp: state.timestamp.bytes().len() as u64,
        })
    }
}

/// What a bin takes that lists no target: a signature, an expiry, names of fields.
const EMPTY_BIN_BYTES: u64 = 350;

/// The length of one half of a bin.
fn halved(len_bytes: u64) -> u64 {
    (len_bytes + EMPTY_BIN_BYTES) / 2
}

impl Lengths {
    /// What they would be with twice the bins.
    fn doubled(self) -> Self {
        Self {
            bins: 2 * self.bins,
            mean_bin: halved(self.mean_bin),
            largest_bin: halved(self.largest_bin),
            snapshot: 2 * self.snapshot,
            delegating: 2 * self.delegating,
            timestamp: self.timestamp,
        }
    }

    /// What a client fetches whose snapshot and one bin are old.
    fn returning(self) -> u64 {
        self.timestamp + self.snapshot + self.mean_bin
    }

    fn passed(self, bounds: &Bounds) -> Vec<Passed> {
        let mut passed = Vec::new();
        let most_bytes = bounds.mean_bin_bytes;
        if self.mean_bin > most_bytes {
            passed.push(Passed::MeanBin { bytes: self.mean_bin, most_bytes });
        }
        let most_bytes = bounds.client_limit_bytes / 5 * 4;
        if self.largest_bin > most_bytes {
            passed.push(Passed::LargestBin { bytes: self.largest_bin, most_bytes });
        }
        let most_bytes = percent_of(bounds.overhead_percent, bounds.average_download_bytes);
        let (bytes, doubled) = (self.returning(), self.doubled().returning());
        if bytes > most_bytes && doubled < bytes {
            passed.push(Passed::Overhead { bytes, most_bytes });
        }
        passed
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a bound that somebody chose in whole percents, more or less"
)]
fn percent_of(percent: f64, bytes: u64) -> u64 {
    (percent / 100.0 * bytes as f64).max(0.0) as u64
}

fn advise(now: Lengths, bounds: &Bounds) -> Advice {
    let passed = now.passed(bounds);
    let (mut then, mut held_back) = (now, None);
    for doubling in 0..=MOST_DOUBLINGS {
        let next = then.doubled();
        if then.passed(bounds).is_empty() {
            break;
        }
        if next.delegating > bounds.client_limit_bytes {
            held_back = Some(format!(
                "the role that delegates to {} prefix bins would take about {} bytes, more than the {} that clients accept",
                next.bins, next.delegating, bounds.client_limit_bytes
            ));
            break;
        }
        if next.bins > Delegation::MAX_BINS || doubling == MOST_DOUBLINGS {
            held_back = Some(format!("so many bins are not made in one go: {}", next.bins));
            break;
        }
        then = next;
    }
    Advice {
        bins: now.bins,
        to: then.bins,
        passed,
        held_back,
        mean_bin_bytes: now.mean_bin,
        largest_bin_bytes: now.largest_bin,
        returning_bytes: now.returning(),
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, bytes, most_bytes) = match self {
            Self::MeanBin { bytes, most_bytes } => ("a bin takes", bytes, most_bytes),
            Self::LargestBin { bytes, most_bytes } => ("the largest bin takes", bytes, most_bytes),
            Self::Overhead { bytes, most_bytes } => ("a returning client pays", bytes, most_bytes),
        };
        write!(f, "{what} {bytes} bytes, more than {most_bytes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(bins: u64, mean_bin: u64, delegating: u64) -> Lengths {
        Lengths {
            bins,
            mean_bin,
            largest_bin: mean_bin * 2,
            snapshot: 32 * bins,
            delegating,
            timestamp: 500,
        }
    }

    fn check(now: Lengths, to: u64, passed: &[&str], held_back: bool) {
        let advice = advise(now, &Bounds::default());
        let texts: Vec<_> = advice.passed.iter().map(ToString::to_string).collect();
        assert_eq!((advice.to, advice.held_back.is_some()), (to, held_back), "{texts:?}");
        assert_eq!(texts, passed);
    }

    #[test]
    fn bins_double_past_a_bound_until_no_bound_is_passed() {
        check(lengths(1_024, 60_000, 0), 1_024, &[], false);
        check(
            lengths(1_024, 70_000, 0),
            2_048,
            &["a bin takes 70000 bytes, more than 65536"],
            false,
        );
        check(
            lengths(1_024, 270_000, 0),
            8_192,
            &["a bin takes 270000 bytes, more than 65536"],
            false,
        );
        let all = [
            "a bin takes 2500000 bytes, more than 65536",
            "the largest bin takes 5000000 bytes, more than 4000000",
            "a returning client pays 2508692 bytes, more than 1092196",
        ];
        check(lengths(256, 2_500_000, 0), 16_384, &all, false);
        check(
            lengths(256, 25_000_000, 0).doubled(),
            512 << 6,
            &[
                "a bin takes 12500175 bytes, more than 65536",
                "the largest bin takes 25000175 bytes, more than 4000000",
                "a returning client pays 12517059 bytes, more than 1092196",
            ],
            true,
        );
        // More bins would not help a client that pays for the snapshot.
        check(lengths(65_536, 60_000, 0), 65_536, &[], false);
        // Prefix bins are listed one by one.
        check(
            lengths(16_384, 70_000, 2_900_000),
            16_384,
            &["a bin takes 70000 bytes, more than 65536"],
            true,
        );
        check(
            lengths(8_192, 70_000, 1_450_000),
            16_384,
            &["a bin takes 70000 bytes, more than 65536"],
            false,
        );
    }
}
