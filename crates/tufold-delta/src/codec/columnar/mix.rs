//! Mixing of predictions in the logistic domain, in integers.

use wide::{bytemuck, i16x8, i32x4};

/// Positions in the logistic domain are ln(p / (1 - p)) x 256, between these.
const END: i32 = 2_047;

/// Probabilities have 16 bits; nothing is surer than this.
const SUREST: u32 = 12;

/// The probability, of 65,536, at a position.
pub(super) fn squash(position: i32) -> u32 {
    SQUASH[(position.clamp(-END, END) + END).cast_unsigned() as usize]
}

/// The position of a probability of 65,536.
const fn stretch(probability: u32) -> i16 {
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

    /// The position of the probability.
    #[inline]
    pub(super) fn input(self) -> Input {
        Input::new(STRETCH[(self.ones >> 10) as usize & 4_095])
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

/// A position to be weighed, twice in 32 bits: vectors multiply pairs of 16 bits, and an error has 17.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input(i32);

impl Input {
    /// Speaks for neither side.
    pub(super) const NONE: Self = Self::new(0);
    const BIAS: Self = Self::new(256);

    const fn new(position: i16) -> Self {
        Self((position.cast_unsigned() as u32 * 0x1_0001).cast_signed())
    }
}

/// What two four-bit counts (of zeros, of ones) mean, as a position: each side starts with 0.3.
#[inline]
pub(super) fn meaning(counts: u8) -> Input {
    MEANING[usize::from(counts)]
}

#[expect(clippy::cast_possible_truncation, reason = "an index has eight bits")]
const MEANING: [Input; 256] = {
    let mut table = [Input::NONE; 256];
    let mut counts = 0;
    while counts < 256 {
        let (zeros, ones) = (counts as u32 >> 4, counts as u32 & 15);
        table[counts] = Input::new(stretch(65_536 * (10 * ones + 3) / (10 * (zeros + ones) + 6)));
        counts += 1;
    }
    table
};

/// Positions to be weighed, and one that never changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs([i16x8; 3]);

impl Inputs {
    #[inline]
    pub(super) fn new(inputs: [Input; 9]) -> Self {
        let [a, b, c, d, e, f, g, h, i] = inputs.map(|input| input.0);
        Self(bytemuck::cast([
            i32x4::new([a, b, c, d]),
            i32x4::new([e, f, g, h]),
            i32x4::new([i, Input::BIAS.0, 0, 0]),
        ]))
    }
}

/// Weighs positions; one set of weights for each of 512 contexts.
#[derive(Debug)]
pub(super) struct Mixer(Box<[Weights; 512]>);

impl Mixer {
    pub(super) fn new() -> Self {
        Self(Box::new([FIRST; 512]))
    }

    #[inline]
    pub(super) fn set(&mut self, context: usize) -> &mut Weights {
        &mut self.0[context & 511]
    }
}

/// How much each input counts, and how fast that is learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// Of 16,384; every other number is 0.
    of_inputs: [i16x8; 3],
    rate: i32,
}

impl Weights {
    #[inline]
    pub(super) fn position(&self, inputs: &Inputs) -> i32 {
        let [a, b, c] = inputs.0;
        let [x, y, z] = self.of_inputs;
        let sums = a.dot(x) + b.dot(y) + c.dot(z);
        (sums.reduce_add() >> 14).clamp(-END, END)
    }

    /// Moves the weights by how wrong `probability` (of one, in 65,536) was: each by input * error / 2^13, rounded.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "half an error stays below 24,001")]
    pub(super) fn learn(&mut self, inputs: &Inputs, probability: u32, bit: bool) {
        let error = ((if bit { 65_535 } else { 0 } - probability.cast_signed()) * self.rate) >> 11;
        self.rate = (self.rate - (self.rate >> 7)).max(LAST_RATE);
        let (less, more) = ((error >> 1) as i16, ((error + 1) >> 1) as i16);
        let halves = i16x8::new([less, more, less, more, less, more, less, more]);
        for (input, weights) in inputs.0.into_iter().zip(&mut self.of_inputs) {
            // No step has more than 15 bits.
            let step = (input.dot(halves) + i32x4::splat(1 << 12)) >> 13;
            let step: i16x8 = bytemuck::cast(step & i32x4::splat(0xffff));
            *weights = weights.saturating_add(step);
        }
    }
}

/// Learning falls from the first rate to the last while a set of weights is used.
const FIRST_RATE: i32 = 1_500;
const LAST_RATE: i32 = 200;
const FIRST: Weights = Weights {
    of_inputs: [i16x8::new([4_096, 0, 4_096, 0, 4_096, 0, 4_096, 0]); 3],
    rate: FIRST_RATE,
};

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
