//! A range coder over 64 bits, and the trait that lets one model serve the writer, the reader and the estimator.
//!
//! The last bytes of a stream are cut where zeros would do: the reader goes on with zeros for ever.

use super::tally::Column;
use crate::log2::log2_fp;

/// Codes decisions of given odds. A writer is told each decision and returns it; a reader ignores what it is told.
pub(super) trait Coder {
    /// One decision with odds `zeros : ones`; both positive, their sum below 2^31.
    #[inline]
    fn bit(&mut self, bit: bool, zeros: u32, ones: u32) -> bool {
        self.decide(bit, Split::new(zeros, ones))
    }

    /// One decision with odds that were made ready.
    fn decide(&mut self, bit: bool, split: Split) -> bool;

    /// The `count` (at most 32) low bits of `value`, all as likely.
    fn plain(&mut self, value: u64, count: u32) -> u64;

    /// The next value of this column begins, and so many raw bytes are left. Only a tally listens.
    #[inline]
    fn enter(&mut self, _: Column<'_>, _raw_left: usize) {}
}

/// Odds, and what it takes to split a range by them. A division takes long, and this one need not wait for the range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    zeros: u32,
    ones: u32,
    /// (2^64 - 1) / (zeros + ones).
    inverse: u64,
}

impl Split {
    #[inline]
    pub(super) fn new(zeros: u32, ones: u32) -> Self {
        Self { zeros, ones, inverse: u64::MAX / u64::from(zeros + ones) }
    }

    /// Zeros, and ones.
    pub(super) fn odds(self) -> [u32; 2] {
        [self.zeros, self.ones]
    }

    /// The part of the range that says 0: `range / (zeros + ones) * zeros`.
    #[inline]
    fn of(self, range: u64) -> u64 {
        let (zeros, total) = (u64::from(self.zeros), u64::from(self.zeros + self.ones));
        // The quotient, or one less.
        let quotient = ((u128::from(range) * u128::from(self.inverse)) >> 64) as u64;
        let is_less = range - quotient * total >= total;
        quotient * zeros + if is_less { zeros } else { 0 }
    }
}

/// Writes the stream.
pub(super) struct Writer {
    low: u64,
    range: u64,
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { low: 0, range: u64::MAX, out: Vec::new() }
    }

    fn advance(&mut self, start: u64) {
        let (low, carry) = self.low.overflowing_add(start);
        self.low = low;
        if carry {
            // A carry runs through all the 0xff bytes before it; the stream as a whole stays below 1.
            for byte in self.out.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    fn normalise(&mut self) {
        while self.range < 1 << 32 {
            let [a, b, c, d, ..] = self.low.to_be_bytes();
            self.out.extend_from_slice(&[a, b, c, d]);
            self.low <<= 32;
            self.range <<= 32;
        }
    }

    /// The stream, with as few bytes as still name the last interval.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for kept_bits in (0..=64_u32).step_by(8) {
            let mask = u64::MAX.checked_shr(kept_bits).unwrap_or(0);
            let step = self.low.wrapping_neg() & mask;
            if step < self.range {
                self.advance(step);
                self.out.extend_from_slice(&self.low.to_be_bytes());
                break;
            }
        }
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

impl Coder for Writer {
    #[inline]
    fn decide(&mut self, bit: bool, split: Split) -> bool {
        let split = split.of(self.range);
        if bit {
            self.advance(split);
            self.range -= split;
        } else {
            self.range = split;
        }
        self.normalise();
        bit
    }

    fn plain(&mut self, value: u64, count: u32) -> u64 {
        self.range >>= count;
        self.advance(value * self.range);
        self.normalise();
        value
    }
}

/// Reads the stream. On damaged bytes it returns some decisions; it never fails.
pub(super) struct Reader<'a> {
    code: u64,
    range: u64,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        let mut reader = Self { code: 0, range: u64::MAX, rest: stream };
        reader.code = u64::from(reader.word()) << 32;
        reader.code |= u64::from(reader.word());
        reader
    }

    #[inline]
    fn word(&mut self) -> u32 {
        if let Some((word, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            return u32::from_be_bytes(*word);
        }
        let mut word = [0; 4];
        word[..self.rest.len()].copy_from_slice(self.rest);
        self.rest = &[];
        u32::from_be_bytes(word)
    }

    #[inline]
    fn normalise(&mut self) {
        while self.range < 1 << 32 {
            self.code = self.code << 32 | u64::from(self.word());
            self.range <<= 32;
        }
    }
}

impl Coder for Reader<'_> {
    #[inline]
    fn decide(&mut self, _: bool, split: Split) -> bool {
        let split = split.of(self.range);
        // Without a branch: what the stream decides is what a processor cannot foresee.
        let bit = self.code >= split;
        let mask = u64::from(bit).wrapping_neg();
        self.code -= split & mask;
        self.range = (self.range - split) & mask | split & !mask;
        self.normalise();
        bit
    }

    fn plain(&mut self, _: u64, count: u32) -> u64 {
        self.range >>= count;
        let value = (self.code / self.range).min((1 << count) - 1);
        self.code -= value * self.range;
        self.normalise();
        value
    }
}

/// Adds up what a stream would cost, in bits with 16 fractional bits, to choose between models.
#[derive(Default)]
pub(super) struct Estimate {
    pub(super) cost_fp: u64,
}

impl Coder for Estimate {
    #[inline]
    fn decide(&mut self, bit: bool, Split { zeros, ones, .. }: Split) -> bool {
        let chosen = if bit { ones } else { zeros };
        self.cost_fp += log2_fp(u64::from(zeros + ones)) - log2_fp(u64::from(chosen));
        bit
    }

    fn plain(&mut self, value: u64, count: u32) -> u64 {
        self.cost_fp += u64::from(count) << 16;
        value
    }
}

/// Codes into nowhere: how a model is trained on what both sides hold already.
pub(super) struct Training;

impl Coder for Training {
    #[inline]
    fn decide(&mut self, bit: bool, _: Split) -> bool {
        bit
    }

    fn plain(&mut self, value: u64, _: u32) -> u64 {
        value
    }
}

/// A decision whose odds are the counts seen so far, each plus one half (Krichevsky and Trofimov), held as 2n + 1: of zeros in the lower half, of ones in
/// the upper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds(u64);

impl Odds {
    /// Nothing seen.
    pub(super) const EVEN: Self = Self::prior(1, 1);

    /// A head start, in half counts.
    pub(super) const fn prior(zeros: u32, ones: u32) -> Self {
        Self((ones as u64) << 32 | zeros as u64)
    }

    #[inline]
    pub(super) fn code(&mut self, coder: &mut impl Coder, bit: bool) -> bool {
        let bit = coder.decide(bit, self.split());
        self.learn(bit);
        bit
    }

    /// The odds made ready.
    #[inline]
    pub(super) fn split(self) -> Split {
        let [zeros, ones] = self.counts();
        Split::new(zeros, ones)
    }

    /// One more of this side.
    #[inline]
    pub(super) fn learn(&mut self, bit: bool) {
        let [zeros, ones] = self.counts();
        self.0 += 2 << (u32::from(bit) * 32);
        if zeros + ones >= (1 << 30) - 2 {
            let [zeros, ones] = self.counts();
            *self = Self::prior(zeros / 2 + 1, ones / 2 + 1);
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "two halves")]
    fn counts(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic noise (splitmix64).
    fn noise(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |i: u64| {
            let mut x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ x >> 31
        })
    }

    fn check(decisions: usize, ones_in_1000: u64, seed: u64) -> usize {
        let bits: Vec<_> =
            noise(seed).take(decisions).map(|x| (x % 1000 < ones_in_1000, x)).collect();
        let mut writer = Writer::new();
        let mut odds = Odds::EVEN;
        for &(bit, noise) in &bits {
            odds.code(&mut writer, bit);
            if noise >> 32 & 63 == 0 {
                writer.plain(noise >> 40 & 0xfff, 12);
            }
        }
        let stream = writer.finish();
        let mut reader = Reader::new(&stream);
        let mut odds = Odds::EVEN;
        for &(bit, noise) in &bits {
            assert_eq!(odds.code(&mut reader, false), bit);
            if noise >> 32 & 63 == 0 {
                assert_eq!(reader.plain(0, 12), noise >> 40 & 0xfff);
            }
        }
        stream.len()
    }

    #[test]
    fn reads_what_it_writes() {
        for seed in 0..200 {
            check(usize::try_from(seed).unwrap() * 7, seed * 5, seed);
        }
    }

    #[test]
    fn sure_decisions_are_almost_free() {
        assert_eq!(check(0, 0, 1), 0);
        let mut writer = Writer::new();
        let mut odds = Odds::EVEN;
        for _ in 0..16_384 {
            odds.code(&mut writer, true);
        }
        assert_eq!(writer.finish().len(), 1);
    }

    #[test]
    fn carries_reach_the_bytes_already_written() {
        for seed in 0..300 {
            check(2_000, 999, seed);
            check(2_000, 500, seed);
        }
    }

    #[test]
    fn a_range_is_split_as_by_division() {
        let mut seeds = noise(5);
        let mut next = || seeds.next().unwrap();
        for _ in 0..200_000 {
            let bits = next() % 30 + 1;
            let [zeros, ones] =
                [next(), next()].map(|n| u32::try_from(n % (1 << bits) + 1).unwrap());
            let total = u64::from(zeros + ones);
            let shift = next() % 33;
            let any = (next() | 1 << 63) >> shift;
            for range in [any, any - any % total, any - any % total + total - 1, u64::MAX, 1 << 32]
            {
                let expected = range / total * u64::from(zeros);
                assert_eq!(Split::new(zeros, ones).of(range), expected, "{range} {zeros}:{ones}");
            }
        }
        for total in [2_u32, 4, 1 << 30] {
            let split = Split::new(total / 2, total / 2);
            assert_eq!(split.of(u64::MAX), u64::MAX / u64::from(total) * u64::from(total / 2));
        }
    }

    #[test]
    fn any_bytes_can_be_read() {
        for seed in 0..50 {
            let bytes: Vec<u8> = noise(seed).take(64).map(|x| (x & 0xff) as u8).collect();
            let mut reader = Reader::new(&bytes);
            let mut odds = Odds::EVEN;
            for _ in 0..5_000 {
                odds.code(&mut reader, false);
                reader.plain(0, 32);
            }
        }
        let mut reader = Reader::new(&[0xff; 32]);
        for _ in 0..1_000 {
            reader.bit(false, 1, 1 << 30);
            reader.plain(0, 31);
        }
    }
}
