//! Deterministic random numbers. Not for keys.

/// What a generator is for; two streams of one seed have nothing in common.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Order = 1,
    Files,
    Package,
    Page,
    Releases,
}

/// SplitMix64 (Steele, Lea and Flood, 2014): eight lines that will never change, where a crate's
/// next release might. It jumps to any stream at once, which lets every project have its own.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The generator of `index` in `stream`.
    pub(super) const fn new(seed: u64, stream: Stream, index: usize) -> Self {
        let stream = mix(seed ^ mix(stream as u64));
        Self(mix(stream.wrapping_add(index as u64)))
    }

    /// The generator of one thing that numbers name: of a seed, an index, and so on.
    pub fn of(names: &[u64]) -> Self {
        Self(names.iter().fold(0, |state, &name| mix(state.wrapping_add(STEP) ^ mix(name))))
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `end`, or 0 if `end` is. The bias is `end` / 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index into something of length `len`.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True in `percent` of a hundred draws.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// The next 256 bits.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }

    /// A draw from about a normal distribution around 0: the sum of four uniform draws.
    pub(super) fn normal(&mut self, deviation: i64) -> i64 {
        // The standard deviation of the sum of four draws from 0..65536.
        const OF_SUM: i64 = 37_837;
        let draws = self.next().to_le_bytes();
        let draws = draws.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        deviation * (draws.map(i64::from).sum::<i64>() - 2 * 65_535) / OF_SUM
    }
}

/// 2 to the power of `log2` / 65536, at most 2^40. Between two powers of two it is a straight line,
/// at most 6 % off: no libm, whose last digits differ from machine to machine.
pub(super) fn exp2(log2: i64) -> u64 {
    let log2 = log2.clamp(0, 40 << 16).unsigned_abs();
    (((1 << 16) | (log2 & 0xffff)) << (log2 >> 16)) >> 16
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_split_mix_64() {
        // The vector that its authors' C program prints for the seed 1234567.
        let mut random = Random(1_234_567);
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
    }

    #[test]
    fn draws_have_their_median_and_quartiles() {
        let mut random = Random::new(1, Stream::Order, 0);
        let mut draws: Vec<u64> =
            (0..10_000).map(|_| exp2((20 << 16) + random.normal(2 << 16))).collect();
        draws.sort_unstable();
        // 2^20, and 0.6745 deviations of two doublings to either side: a factor of 2.55.
        let rows = [(5000, 1_048_576.0), (2500, 411_600.0), (7500, 2_671_000.0)];
        for (at, expected) in rows {
            let ratio = draws[at] as f64 / expected;
            assert!((0.9..1.1).contains(&ratio), "draw {at} is {}", draws[at]);
        }
    }
}
