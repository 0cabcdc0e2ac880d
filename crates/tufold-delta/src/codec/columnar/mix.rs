//! Mixing of predictions in the logistic domain, in integers.

use wide::{i16x8, i32x8};

/// Positions in the logistic domain are ln(p / (1 - p)) x 256, between these.
const END: i32 = 2_047;

/// Probabilities have 16 bits; nothing is surer than this.
const SUREST: u32 = 12;

/// The probability, of 65,536, at a position.
pub(super) fn squash(position: i32) -> u32 {
    SQUASH[(position.clamp(-END, END) + END).cast_unsigned() as usize]
}

/// The position of a probability of 65,536.
pub(super) const fn stretch(probability: u32) -> i16 {
    let index = (probability >> 4) as usize;
    STRETCH[if index < 4_096 { index } else { 4_095 }]
}

#[expect(clippy::cast_possible_truncation, reason = "all values are below 65,536")]
const SQUASH: [u32; 4_095] = {
    // e^(-1/256) with 62 fractional bits.
    const STEP: u128 = 4_593_706_758_521_714_574;
    let mut table = [0; 4_095];
    let mut power: u128 = 1 << 62;
    let mut i = 0;
    while i <= 2_047 {
        // 1 / (1 + e^-x), and 1 minus it on the other side.
        let up = ((1_u128 << 62) * 65_536 / ((1 << 62) + power)) as u32;
        let up = if up > 65_536 - SUREST { 65_536 - SUREST } else { up };
        table[2_047 + i] = up;
        table[2_047 - i] = 65_536 - up;
        power = (power * STEP) >> 62;
        i += 1;
    }
    table
};

#[expect(clippy::cast_possible_truncation, reason = "indices and positions have 12 bits")]
const STRETCH: [i16; 4_096] = {
    let mut table = [0; 4_096];
    let mut position = 0;
    let mut i = 0;
    while i < 4_096 {
        let middle = i as u32 * 16 + 8;
        while position < 4_094 && SQUASH[position] < middle {
            position += 1;
        }
        table[i] = position as i16 - 2_047;
        i += 1;
    }
    table
};

/// A probability that moves by 1 / (n + 1.5) of its error at the n-th time, and never by less than 1 / `SLOWEST`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// Of 2^22.
    ones: u32,
    seen: u32,
}

const SLOWEST: usize = 256;

impl Chance {
    /// `ones` of 65,536, as if seen `seen` times.
    pub(super) const fn new(ones: u32, seen: u32) -> Self {
        Self { ones: ones << 6, seen }
    }

    #[inline]
    pub(super) fn probability(self) -> u32 {
        self.ones >> 6
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a share of a 22-bit error has 22 bits")]
    pub(super) fn learn(&mut self, bit: bool) {
        let share = i64::from(SHARES[self.seen as usize & (SLOWEST - 1)]);
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let step = ((target - i64::from(self.ones)) * share) >> 16;
        self.ones = self.ones.wrapping_add_signed(step as i32);
        self.seen += u32::from(self.seen < SLOWEST as u32 - 1);
    }
}

/// 65,536 / (n + 1.5).
#[expect(clippy::cast_possible_truncation, reason = "an index has eight bits")]
const SHARES: [u32; SLOWEST] = {
    let mut table = [0; SLOWEST];
    let mut n = 0;
    while n < SLOWEST {
        table[n] = 131_072 / (2 * n as u32 + 3);
        n += 1;
    }
    table
};

/// What two four-bit counts (of zeros, of ones) mean, as a position: each side starts with 0.3.
#[expect(clippy::cast_possible_truncation, reason = "an index has eight bits")]
pub(super) const MEANING: [i16; 256] = {
    let mut table = [0; 256];
    let mut counts = 0;
    while counts < 256 {
        let (zeros, ones) = (counts as u32 >> 4, counts as u32 & 15);
        table[counts] = stretch(65_536 * (10 * ones + 3) / (10 * (zeros + ones) + 6));
        counts += 1;
    }
    table
};

/// Positions to be weighed, the rest being zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inputs([i16x8; 2]);

impl Inputs {
    #[inline]
    pub(super) fn new(positions: [i16; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = positions;
        Self([i16x8::new([a, b, c, d, e, f, g, h]), i16x8::new(rest)])
    }
}

/// Weighs positions; one set of weights for each context.
#[derive(Debug)]
pub(super) struct Mixer {
    /// Of 16,384.
    weights: Vec<[i16x8; 2]>,
    rates: Vec<i32>,
}

impl Mixer {
    pub(super) fn new(contexts: usize) -> Self {
        let first = [i16x8::splat(FIRST_WEIGHT); 2];
        Self { weights: vec![first; contexts], rates: vec![FIRST_RATE; contexts] }
    }

    #[inline]
    pub(super) fn position(&self, context: usize, inputs: &Inputs) -> i32 {
        let [left, right] = self.weights[context];
        let sums = inputs.0[0].dot(left) + inputs.0[1].dot(right);
        (sums.reduce_add() >> 14).clamp(-END, END)
    }

    /// Moves the weights by how wrong `probability` (of one, in 65,536) was: each by input * error / 2^13, rounded.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "half an error stays below 24,001")]
    pub(super) fn learn(&mut self, context: usize, inputs: &Inputs, probability: u32, bit: bool) {
        let rate = &mut self.rates[context];
        let error = ((if bit { 65_535 } else { 0 } - probability.cast_signed()) * *rate) >> 11;
        *rate = (*rate - (*rate >> 7)).max(LAST_RATE);
        // An error has 17 bits, and vectors multiply 16: so by its halves.
        let [less, more] = [error >> 1, (error + 1) >> 1].map(|half| i16x8::splat(half as i16));
        for (x, w) in inputs.0.into_iter().zip(&mut self.weights[context]) {
            let product = x.widening_mul(less) + x.widening_mul(more);
            let step = (product + i32x8::splat(1 << 12)) >> 13;
            *w = w.saturating_add(i16x8::from_i32x8_saturate(step));
        }
    }
}

/// Learning falls from the first rate to the last while a set of weights is used.
const FIRST_RATE: i32 = 1_500;
const LAST_RATE: i32 = 200;
const FIRST_WEIGHT: i16 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squash_is_the_logistic_function() {
        for x in -2_047..=2_047 {
            let real = 65_536.0 / (1.0 + (-f64::from(x) / 256.0).exp());
            assert!((f64::from(squash(x)) - real).abs() < 13.0, "{x}");
        }
    }

    #[test]
    fn stretch_undoes_squash() {
        for p in (64..65_472).step_by(16) {
            let back = i64::from(squash(stretch(p).into()));
            assert!((back - i64::from(p)).abs() < 80, "{p} {back}");
        }
    }

    #[test]
    fn a_chance_goes_where_it_is_led() {
        let mut chance = Chance::new(32_768, 0);
        for i in 0..3_000 {
            chance.learn(i % 4 == 0);
        }
        assert!((15_000..18_000).contains(&chance.probability()), "{}", chance.probability());
        for _ in 0..100_000 {
            chance.learn(true);
        }
        assert!(chance.probability() > 65_200 && chance.probability() < 65_536);
    }
}
