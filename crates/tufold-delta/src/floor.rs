//! The bytes that no encoding of a change can avoid, in three forms. A size table names the one that it uses.
//!
//! ```
//! use tufold_delta::Floor;
//!
//! // One signature; 164 of 16,384 bins one version up, each with a new digest.
//! let floor = Floor::uniform(Floor::strict(64, 164), 16_384, 164, &[1; 164]);
//! assert_eq!(floor.bytes.round(), 5_477.0);
//! ```

/// Which of the three bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FloorKind {
    /// Signatures and new digests; everything else counts as known.
    Strict,
    /// Also which entries changed, each as likely as any other, and by how much their integers did.
    Uniform,
    /// Also everything else, at the chances by which the generator drew it.
    Oracle,
}

/// A lower bound in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Which bound it is.
    pub kind: FloorKind,
    /// Its length, whole or not.
    pub bytes: f64,
}

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: f64 = 32.0;

impl Floor {
    /// The only true bound: signatures and new SHA-256 digests are noise to everyone but their makers.
    pub fn strict(signatures_len_bytes: u64, new_digests: u64) -> Self {
        let bytes = count(signatures_len_bytes) + DIGEST_BYTES * count(new_digests);
        Self { kind: FloorKind::Strict, bytes }
    }

    /// `strict`, and which `changed` of `entries` it was, and the empirical entropy of their integers' differences.
    /// Where change is not uniform, a good model goes below it.
    pub fn uniform(strict: Self, entries: u64, changed: u64, differences: &[i64]) -> Self {
        let bits = choice_bits(entries, changed) + empirical_bits(differences);
        Self { kind: FloorKind::Uniform, bytes: strict.bytes + bits / 8.0 }
    }

    /// `strict`, and minus the log2 of what the generator's own chances give to the change.
    pub fn oracle(strict: Self, generator_bits: f64) -> Self {
        Self { kind: FloorKind::Oracle, bytes: strict.bytes + generator_bits / 8.0 }
    }

    /// How many times the bound `len_bytes` is.
    pub fn ratio(self, len_bytes: u64) -> f64 {
        count(len_bytes) / self.bytes
    }

    /// How far above the bound `len_bytes` is.
    pub fn excess_bytes(self, len_bytes: u64) -> f64 {
        count(len_bytes) - self.bytes
    }
}

/// log2 of the number of ways to choose `chosen` of `entries`.
pub fn choice_bits(entries: u64, chosen: u64) -> f64 {
    let chosen = chosen.min(entries.saturating_sub(chosen));
    (0..chosen).map(|i| (count(entries - i) / count(chosen - i)).log2()).sum()
}

/// The entropy of values at their own frequencies, for all of them together.
pub fn empirical_bits(values: &[i64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let total = count(values.len() as u64);
    let groups = sorted.chunk_by(|a, b| a == b).map(|group| count(group.len() as u64));
    groups.map(|times| times * (total / times).log2()).sum()
}

/// What it takes to say which entries changed if each changed by its own chance.
pub fn chances_bits(entries: impl IntoIterator<Item = (f64, bool)>) -> f64 {
    entries
        .into_iter()
        .map(|(chance, changed)| -(if changed { chance } else { 1.0 - chance }).log2())
        .sum()
}

/// Minus the log2 of the chance of `value` under a Poisson distribution.
pub fn poisson_bits(mean: f64, value: u64) -> f64 {
    let ln_factorial: f64 = (2..=value).map(|i| count(i).ln()).sum();
    (mean - count(value) * mean.ln() + ln_factorial) / std::f64::consts::LN_2
}

#[expect(clippy::cast_precision_loss, reason = "lengths and counts are far below 2^53")]
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signature and expiry, as the known figures have it.
    const SIGNED: u64 = 64 + 4;

    fn check(strict: Floor, changed: u64, more_bits: f64, bytes: f64) {
        let uniform =
            Floor::uniform(strict, 16_384, changed, &vec![1; usize::try_from(changed).unwrap()]);
        let found = Floor::oracle(uniform, more_bits).bytes;
        assert_eq!(found.round(), bytes, "{changed}");
    }

    #[test]
    fn versions_of_16_384_bins() {
        check(Floor::strict(SIGNED, 0), 164, 0.0, 233.0);
        check(Floor::strict(SIGNED, 0), 1_638, 0.0, 1_028.0);
        check(Floor::strict(SIGNED, 0), 16_384, 0.0, 68.0);
    }

    #[test]
    fn hashes_of_16_384_bins() {
        // A length that grew by one target: 5.4 bits.
        for (changed, bytes) in [(164_u32, 5_592.0), (1_638, 54_550.0), (16_384, 535_421.0)] {
            let lengths = f64::from(changed) * 5.4;
            let found = |slack: f64| {
                let strict = Floor::strict(SIGNED, changed.into());
                let uniform = Floor::uniform(strict, 16_384, changed.into(), &[]);
                Floor::oracle(uniform, lengths).bytes - bytes < slack
            };
            assert!(found(70.0) && !found(-70.0), "{changed}");
        }
    }

    #[test]
    fn a_target_more_in_a_bin() {
        // 30 random bytes of a path and about six of name and length.
        let one = Floor::oracle(Floor::strict(SIGNED, 1), 8.0 * 36.0);
        assert_eq!(one.bytes, 136.0);
        assert_eq!(one.kind, FloorKind::Oracle);
        assert_eq!(one.ratio(170), 1.25);
        assert_eq!(one.excess_bytes(170), 34.0);
    }

    #[test]
    fn entropies() {
        assert_eq!(choice_bits(4, 2).round(), 3.0);
        assert_eq!(choice_bits(16_384, 16_384), 0.0);
        assert_eq!(empirical_bits(&[1, 1, 2, 2]), 4.0);
        assert_eq!(empirical_bits(&[7; 1_000]), 0.0);
        assert_eq!(chances_bits([(0.5, true), (0.25, true), (0.5, false)]), 4.0);
        let entropy: f64 =
            (100..700).map(|v| poisson_bits(300.0, v)).map(|bits| bits * (-bits).exp2()).sum();
        // A cold snapshot of 16,384 bins at Poisson(300) versions.
        assert_eq!((entropy * 16_384.0 / 8.0).round(), 12_618.0);
    }
}
