//! The gist "TUF hash bin delegation (optimal bin numbers)": from how many targets on which number of bins is best.
//!
//! It minimises the snapshot plus one bin. Only the ratio of its two sizes matters for the answer, and the thresholds
//! that it prints leave little room for it; see [`implied_ratio`].

use super::{Line, Lines, documents};
use crate::{Error, Scenario};

const RESULT: &str = "gist f6313234, Result";

/// The thresholds as printed: targets, and the number of bins that is best from there on.
pub const PRINTED: [(u64, u64); 12] = [
    (3, 4),
    (5, 8),
    (9, 16),
    (49, 32),
    (225, 64),
    (961, 128),
    (3_969, 256),
    (15_617, 512),
    (62_977, 1_024),
    (250_881, 2_048),
    (1_005_569, 4_096),
    (4_026_369, 8_192),
];

/// What a bin adds to the snapshot and a target to a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// `bin_meta_size`.
    pub bin_meta_size: f64,
    /// `target_meta_size`.
    pub target_meta_size: f64,
}

impl Sizes {
    /// Any two sizes with a ratio that the thresholds imply.
    pub const IMPLIED: Self = Self { bin_meta_size: 6.0, target_meta_size: 50.0 };

    /// `snapshot_size`: `bin_count * bin_meta_size`.
    pub fn snapshot_size(&self, bin_count: u64) -> f64 {
        bin_count as f64 * self.bin_meta_size
    }

    /// `bin_size`: `ceil(targets_count / bin_count) * target_meta_size`.
    pub fn bin_size(&self, targets_count: u64, bin_count: u64) -> f64 {
        targets_count.div_ceil(bin_count) as f64 * self.target_meta_size
    }

    /// The power of two from 2 on for which the two together are smallest; among equals the fewest bins.
    pub fn best_bin_count(&self, targets_count: u64) -> u64 {
        let cost = |bins| self.snapshot_size(bins) + self.bin_size(targets_count, bins);
        let counts = (1..=32).map(|bits| 1_u64 << bits);
        counts.fold(2, |best, bins| if cost(bins) < cost(best) { bins } else { best })
    }

    /// The fewest targets for which twice `bin_count` bins are better than `bin_count`.
    ///
    /// The best count steps only where a bin gets one target more: at `bin_count * k + 1` targets. There the doubled bins
    /// save `ceil(k / 2)` targets, which must outweigh `bin_count` entries of the snapshot.
    pub fn doubling_threshold(&self, bin_count: u64) -> u64 {
        let saved = bin_count as f64 * self.bin_meta_size / self.target_meta_size;
        let k = 2 * (crate::math::floor(saved) + 1) - 1;
        bin_count * k + 1
    }
}

/// Between which ratios of a target's size to a bin's all printed thresholds come out: above the first, up to the second.
pub fn implied_ratio() -> (f64, f64) {
    PRINTED.iter().fold((0.0, f64::INFINITY), |(above, up_to), &(targets, bins)| {
        let half = bins / 2;
        // From `half * (2 m - 1) + 1` targets: m - 1 <= half / ratio < m.
        let m = ((targets - 1) / half).div_ceil(2);
        let (half, m) = (half as f64, m as f64);
        (f64::max(above, half / m), f64::min(up_to, half / (m - 1.0)))
    })
}

pub(super) fn lines() -> Result<Lines, Error> {
    let scenario = Scenario::load("pypi-today")?;
    let entries = documents::Entries::of(&scenario)?;
    let mut lines = Vec::new();
    for (targets, bins) in PRINTED {
        let real = Sizes {
            bin_meta_size: documents::snapshot_entry(bins),
            target_meta_size: entries.target,
        };
        lines.push(
            Line::new(format!("{bins} bins are best from"), "targets", RESULT)
                .exact(targets as f64, 0, Sizes::IMPLIED.doubling_threshold(bins / 2) as f64)
                .real(real.doubling_threshold(bins / 2) as f64),
        );
    }
    let (above, up_to) = implied_ratio();
    let notes = vec![
        format!(
            "the gist's two sizes count by their ratio only; its thresholds hold for a target of {above:.3} to \
             {up_to:.3} bins, here 50 to 6 bytes"
        ),
        format!(
            "real: {:.0} bytes a target (scenario pypi-today) and {:.0} a bin of 16,384: a ratio of {:.1}",
            entries.target,
            documents::snapshot_entry(16_384),
            entries.target / documents::snapshot_entry(16_384),
        ),
    ];
    Ok((lines, notes))
}
