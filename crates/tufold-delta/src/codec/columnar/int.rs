//! A column of integers: each as a difference to its template or as itself, with the commonest value at hand.

use super::coder::{Coder, Estimate, Odds, Training};

/// Integers stay within ±`MAX`, so that a difference of two fits an `i64`.
pub(super) const MAX: i64 = 999_999_999_999_999_999;

/// How a column's values are coded. The writer tries all four and says which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mode {
    from: From,
    repeats: Repeats,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    Template,
    Zero,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Repeats {
    Asked,
    Ignored,
}

impl Mode {
    /// One step above the template, again and again: a version.
    pub(super) const DEFAULT: Self = Self { from: From::Template, repeats: Repeats::Asked };

    const ALL: [Self; 4] = [
        Self::DEFAULT,
        Self { from: From::Template, repeats: Repeats::Ignored },
        Self { from: From::Zero, repeats: Repeats::Asked },
        Self { from: From::Zero, repeats: Repeats::Ignored },
    ];

    /// The cheapest for these pairs of template and value, behind those that are learned.
    pub(super) fn cheapest(learned: &[(i64, i64)], coded: &[(i64, i64)]) -> Self {
        let mut all = learned.iter().chain(coded);
        if learned.len() + coded.len() < 2
            || coded.is_empty()
            || all.all(|&(template, value)| value.wrapping_sub(template) == 1)
        {
            return Self::DEFAULT;
        }
        let cost = |mode: &Self| {
            let (mut column, mut trees) = (Column::new(*mode), Trees::default());
            let mut estimate = Estimate::default();
            for &(template, value) in learned {
                column.code(&mut Training, template, value, &mut trees);
            }
            for &(template, value) in coded {
                column.code(&mut estimate, template, value, &mut trees);
            }
            estimate.cost_fp
        };
        Self::ALL.into_iter().min_by_key(cost).unwrap_or(Self::DEFAULT)
    }

    /// The choice itself; the default costs least.
    pub(super) fn code(self, coder: &mut impl Coder) -> Self {
        let from_zero = coder.bit(self.from == From::Zero, 3, 1);
        let ignored = coder.bit(self.repeats == Repeats::Ignored, 3, 1);
        Self {
            from: if from_zero { From::Zero } else { From::Template },
            repeats: if ignored { Repeats::Ignored } else { Repeats::Asked },
        }
    }
}

/// The model of one column.
#[derive(Debug)]
pub(super) struct Column {
    mode: Mode,
    common: i64,
    votes: u32,
    hit: Odds,
    negative: Odds,
    magnitude: Magnitude,
}

impl Column {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            common: 1,
            votes: 0,
            hit: Odds::EVEN,
            negative: Odds::prior(3, 1),
            magnitude: Magnitude::default(),
        }
    }

    /// Codes `value` beside its template. What a reader gets from damaged bytes may lie outside ±`MAX`.
    #[inline]
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        template: i64,
        value: i64,
        trees: &mut Trees,
    ) -> i64 {
        let origin = if self.mode.from == From::Template { template } else { 0 };
        let step = value.wrapping_sub(origin);
        let step = if self.mode.repeats == Repeats::Ignored {
            self.code_step(coder, step, trees)
        } else if self.hit.code(coder, step == self.common) {
            self.votes += 1;
            self.common
        } else {
            let step = self.code_step(coder, step, trees);
            self.votes = self.votes.saturating_sub(1);
            if self.votes == 0 {
                self.common = step;
            }
            step
        };
        origin.wrapping_add(step)
    }

    fn code_step(&mut self, coder: &mut impl Coder, step: i64, trees: &mut Trees) -> i64 {
        let magnitude = self.magnitude.code(coder, step.unsigned_abs(), trees);
        if magnitude != 0 && self.negative.code(coder, step < 0) {
            0_i64.wrapping_sub_unsigned(magnitude)
        } else {
            0_i64.wrapping_add_unsigned(magnitude)
        }
    }
}

/// How many bits below the leading one are learned; the rest are taken for noise.
const LEARNED_BITS: u32 = 10;

/// How many trees of such bits may still be planted, so that a crafted delta cannot fill the memory: 32 MB for all.
#[derive(Debug)]
pub(super) struct Trees(u32);

impl Default for Trees {
    fn default() -> Self {
        Self(4_096)
    }
}

/// An unsigned number: its length in bits, then the bits below the leading one, highest first.
#[derive(Debug)]
pub(super) struct Magnitude {
    len_bits: [Odds; 128],
    below: Vec<Vec<Odds>>,
}

impl Default for Magnitude {
    fn default() -> Self {
        let mut len_bits = [Odds::EVEN; 128];
        // Lengths from 64 and from 32 bits are rare.
        len_bits[1] = Odds::prior(31, 1);
        len_bits[2] = Odds::prior(7, 1);
        Self { len_bits, below: Vec::new() }
    }
}

impl Magnitude {
    #[inline]
    fn code_len(&mut self, coder: &mut impl Coder, len: usize) -> usize {
        let node = code_down(coder, &mut self.len_bits, len as u64, 7);
        // A damaged stream can name lengths up to 127.
        (node & 127).min(64)
    }

    pub(super) fn code(&mut self, coder: &mut impl Coder, value: u64, trees: &mut Trees) -> u64 {
        let len = self.code_len(coder, (u64::BITS - value.leading_zeros()) as usize);
        if len < 2 {
            return len as u64;
        }
        if self.below.len() <= len {
            self.below.resize_with(len + 1, Vec::new);
        }
        let mut left = u32::try_from(len - 1).unwrap_or(0);
        let odds = &mut self.below[len];
        if odds.is_empty() && trees.0 > 0 {
            trees.0 -= 1;
            odds.resize(1 << left.min(LEARNED_BITS), Odds::prior(6, 6));
        }
        // A tree without odds stands for no bits.
        let learned = if odds.is_empty() { 0 } else { left.min(LEARNED_BITS) };
        left -= learned;
        let mut found = code_down(coder, odds, value >> left, learned) as u64;
        while left > 0 {
            let count = left.min(32);
            left -= count;
            found = found << count | coder.plain(value >> left & ((1 << count) - 1), count);
        }
        found
    }
}

/// Codes so many low bits of a value down a tree of odds, highest first. Returns them behind a one.
#[inline]
fn code_down(coder: &mut impl Coder, tree: &mut [Odds], value: u64, bits: u32) -> usize {
    let mut node = 1;
    let mut split = tree.get(node).copied().unwrap_or(Odds::EVEN).split();
    for left in (0..bits).rev() {
        // Both that can be next are made ready while the decision is made.
        let below = tree.get(node << 1..(node << 1) + 2);
        let [zero, one] = below.map_or([Odds::EVEN; 2], |below| [below[0], below[1]]);
        let (zero, one) = (zero.split(), one.split());
        let bit = coder.decide(value >> left & 1 == 1, split);
        if let Some(odds) = tree.get_mut(node) {
            odds.learn(bit);
        }
        split = if bit { one } else { zero };
        node = node << 1 | usize::from(bit);
    }
    node
}

/// Reads a decimal integer if it is written the one way that `write` writes it.
#[inline]
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let negative = digits.len() < text.len();
    if digits.is_empty()
        || digits.len() > 18
        || (digits[0] == b'0' && (digits.len() > 1 || negative))
    {
        return None;
    }
    let mut value = 0_i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

/// Appends a decimal integer.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, value: i64) {
    let mut left = value.unsigned_abs();
    if value >= 0 && left < 100_000_000 {
        // Up to eight digits are written as one number, the first in its lowest byte.
        let (mut digits, mut len) = (0_u64, out.len());
        loop {
            digits = digits << 8 | (u64::from(b'0') + left % 10);
            left /= 10;
            len += 1;
            if left == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits.to_le_bytes());
        out.truncate(len);
        return;
    }
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::columnar::coder::{Reader, Writer};

    fn check(pairs: &[(i64, i64)], at_most: usize) {
        for mode in Mode::ALL {
            let mut writer = Writer::new();
            let (mut column, mut trees) = (Column::new(mode), Trees::default());
            for &(template, value) in pairs {
                column.code(&mut writer, template, value, &mut trees);
            }
            let stream = writer.finish();
            let mut reader = Reader::new(&stream);
            let (mut column, mut trees) = (Column::new(mode), Trees::default());
            for &(template, value) in pairs {
                assert_eq!(column.code(&mut reader, template, 0, &mut trees), value);
            }
            if mode == Mode::cheapest(&[], pairs) {
                assert!(stream.len() <= at_most, "{} bytes", stream.len());
            }
        }
    }

    #[test]
    fn steps_of_one_cost_nothing() {
        check(&(0..10_000).map(|i| (i * 7, i * 7 + 1)).collect::<Vec<_>>(), 1);
    }

    #[test]
    fn any_value_survives() {
        let edges = [0, 1, -1, 2, -2, 255, 256, -1024, 1 << 32, MAX, -MAX];
        check(&edges.iter().flat_map(|&a| edges.map(|b| (a, b))).collect::<Vec<_>>(), 900);
    }

    #[test]
    fn numbers_survive_without_a_tree() {
        let mut writer = Writer::new();
        let (mut magnitude, mut trees) = (Magnitude::default(), Trees(3));
        let values = (0..400).map(|i| (1_u64 << (i % 64)) + i % 7).collect::<Vec<_>>();
        for &value in &values {
            magnitude.code(&mut writer, value, &mut trees);
        }
        let stream = writer.finish();
        let mut reader = Reader::new(&stream);
        let (mut magnitude, mut trees) = (Magnitude::default(), Trees(3));
        for &value in &values {
            assert_eq!(magnitude.code(&mut reader, 0, &mut trees), value);
        }
        assert_eq!(magnitude.below.iter().filter(|tree| !tree.is_empty()).count(), 3);
    }

    #[test]
    fn one_value_from_anywhere_is_learned() {
        check(&(0..1_000).map(|i| (i * i, 1_790_000_000)).collect::<Vec<_>>(), 10);
    }

    #[test]
    fn decimal_is_canonical_or_nothing() {
        for text in ["0", "7", "-7", "10", "999999999999999999", "-999999999999999999"] {
            let mut out = Vec::new();
            write(&mut out, parse(text.as_bytes()).unwrap());
            assert_eq!(out, text.as_bytes());
        }
        for text in ["", "-", "-0", "00", "01", "+1", "1.0", "1e3", "1000000000000000000", "a"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
