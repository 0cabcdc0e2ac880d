//! Who gets how much: shares that fall with the rank as a power of it (Zipf's law).

use crate::math;

/// Shares of `len` ranks: rank^-e, for an exponent e in quarters, so that square roots suffice and every machine has
/// the same bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    len: u64,
    quarters: u32,
    /// The sum of all weights.
    whole: f64,
}

/// Up to here the sums go rank by rank.
const EXACT: u64 = 500;

impl Tail {
    pub(crate) fn new(len: u64, exponent: f64) -> Self {
        let quarters = u32::try_from(math::round(exponent * 4.0)).unwrap_or(0);
        let mut tail = Self { len, quarters, whole: 0.0 };
        tail.whole = tail.sum(|weight| weight);
        tail
    }

    /// The weight of a rank, from 1.
    fn weight(self, rank: f64) -> f64 {
        let root = rank.sqrt().sqrt();
        1.0 / (0..self.quarters).fold(1.0, |power, _| power * root)
    }

    /// Gives each rank, or so many in the middle of which this one is: one by one at first, then by stretches of ranks that are
    /// 2 % apart.
    fn each_rank(self, mut give: impl FnMut(f64, f64)) {
        (1..=self.len.min(EXACT)).for_each(|rank| give(1.0, rank as f64));
        let (mut from, end) = (EXACT as f64 + 0.5, self.len as f64 + 0.5);
        while from < end {
            let to = (from * 1.02).min(end);
            give(to - from, (from * to).sqrt());
            from = to;
        }
    }

    /// The same with the weights of the ranks.
    fn each_weight(self, mut give: impl FnMut(f64, f64)) {
        self.each_rank(|ranks, rank| give(ranks, self.weight(rank)));
    }

    /// The sum of `value` of each rank's weight.
    fn sum(self, value: impl Fn(f64) -> f64) -> f64 {
        let mut sum = 0.0;
        self.each_weight(|ranks, weight| sum += ranks * value(weight));
        sum
    }

    /// Gives each rank's share of the whole, or that of so many ranks that are about the same: for what takes long to compute
    /// of a share, in wider steps than [`Tail::sum`].
    pub(crate) fn each_share(self, mut give: impl FnMut(f64, f64)) {
        const EXACT: u64 = 64;
        (1..=self.len.min(EXACT)).for_each(|rank| give(1.0, self.share(rank)));
        let (mut from, end) = (EXACT as f64 + 0.5, self.len as f64 + 0.5);
        while from < end {
            let to = (from * 1.05).min(end);
            give(to - from, self.weight((from * to).sqrt()) / self.whole);
            from = to;
        }
    }

    /// The sum of `value` of each rank's share of the whole.
    pub(crate) fn sum_of_shares(self, value: impl Fn(f64) -> f64) -> f64 {
        self.sum(|weight| value(weight / self.whole))
    }

    /// How many different ranks so many draws meet: the sum of 1 - (1 - share)^draws.
    pub(crate) fn distinct(self, draws: f64) -> f64 {
        self.sum_of_shares(|share| -(draws * (-share).ln_1p()).exp_m1())
    }

    /// After how many draws `count` different ranks are met.
    pub(crate) fn draws_for(self, count: f64) -> f64 {
        // What is met grows ever slower, so Newton's steps from too few draws stay below what is looked for.
        let mut draws = count;
        for _ in 0..64 {
            let (mut met, mut slope) = (0.0, 0.0);
            self.each_weight(|ranks, weight| {
                let rate = -(-weight / self.whole).ln_1p();
                let missed = (-draws * rate).exp();
                met += ranks * (1.0 - missed);
                slope += ranks * rate * missed;
            });
            let step = (count - met) / slope.max(f64::MIN_POSITIVE);
            if step <= 1e-9 * draws || draws > count * 1e9 {
                break;
            }
            draws += step;
        }
        draws
    }

    /// The mean of `value(share there)` over the ranks that so many draws by these shares meet, where `other` has the same
    /// ranks and other shares.
    pub(crate) fn mean_over_draws(
        self,
        tries: f64,
        other: Self,
        value: impl Fn(f64) -> f64,
    ) -> f64 {
        let (whole, there) = (self.whole, other.whole);
        // The weight of a rank there follows from the rank, and that from the weight here only if it falls; so ranks are
        // gone through anew.
        let is_in = |rank: f64| {
            let share = self.weight(rank) / whole;
            -(tries * (-share).ln_1p()).exp_m1()
        };
        let mut sums = (0.0, 0.0);
        self.each_rank(|count, rank| {
            let chance = count * is_in(rank);
            sums.0 += chance;
            sums.1 += chance * value(other.weight(rank) / there);
        });
        sums.1 / sums.0.max(f64::MIN_POSITIVE)
    }

    /// Gives the chance that so many draws by these shares meet a rank, times how many ranks it stands for, and its share by
    /// `other`; in wider steps than [`Tail::mean_over_draws`].
    pub(crate) fn each_drawn(self, tries: f64, other: Self, mut give: impl FnMut(f64, f64)) {
        const EXACT: u64 = 64;
        let mut one = |ranks: f64, rank: f64| {
            let share = self.weight(rank) / self.whole;
            let chance = -(tries * (-share).ln_1p()).exp_m1();
            give(ranks * chance, other.weight(rank) / other.whole);
        };
        (1..=self.len.min(EXACT)).for_each(|rank| one(1.0, rank as f64));
        let (mut from, end) = (EXACT as f64 + 0.5, self.len as f64 + 0.5);
        while from < end {
            let to = (from * 1.1).min(end);
            one(to - from, (from * to).sqrt());
            from = to;
        }
    }

    /// The share of a rank, from 1.
    pub(crate) fn share(self, rank: u64) -> f64 {
        self.weight(rank as f64) / self.whole
    }

    /// A rank, from 0, drawn by the shares as if ranks were a line.
    pub(crate) fn draw_about(self, random: &mut tufold_repo::targets::Random) -> u64 {
        let unit = ((random.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let exponent = 1.0 - f64::from(self.quarters) / 4.0;
        let (from, to) = (0.5_f64, self.len as f64 + 0.5);
        let rank = if exponent.abs() < 1e-9 {
            from * (to / from).powf(unit)
        } else {
            let (low, high) = (from.powf(exponent), to.powf(exponent));
            (low + unit * (high - low)).powf(1.0 / exponent)
        };
        math::round(rank - 0.5).clamp(1, self.len) - 1
    }

    /// The running sums of the weights, for draws.
    pub(crate) fn table(self) -> Table {
        let ends = (1..=self.len).scan(0.0, |sum, rank| {
            *sum += self.weight(rank as f64);
            Some(*sum)
        });
        Table { ends: ends.collect() }
    }
}

/// Running sums, in which a draw finds its rank.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    ends: Vec<f64>,
}

impl Table {
    /// The share of the ranks before `rank`, from 0 to 1.
    pub(crate) fn before(&self, rank: usize) -> f64 {
        let whole = self.ends.last().copied().unwrap_or(1.0);
        if rank == 0 { 0.0 } else { self.ends[rank - 1] / whole }
    }

    /// The rank, from 0, on which a draw falls.
    pub(crate) fn draw(&self, random: &mut tufold_repo::targets::Random) -> u64 {
        let unit = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let point = unit * self.ends.last().copied().unwrap_or(0.0);
        self.ends.partition_point(|&end| end <= point).min(self.ends.len().saturating_sub(1)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_ranks_sum_to_what_ranks_do() {
        for exponent in [0.0, 0.5, 0.75, 1.0, 2.0] {
            let tail = Tail::new(300_000, exponent);
            let exact: f64 = tail.table().ends.last().copied().unwrap();
            let sum = tail.sum(|weight| weight);
            assert!((sum / exact - 1.0).abs() < 1e-4, "{exponent}: {sum} is not {exact}");
        }
    }

    #[test]
    fn as_many_draws_are_found_as_meet_so_many_ranks() {
        for (exponent, count) in [(0.5, 40.0), (0.75, 4_000.0), (1.0, 1_000.0), (2.0, 90.0)] {
            let tail = Tail::new(100_000, exponent);
            let met = tail.distinct(tail.draws_for(count));
            assert!((met / count - 1.0).abs() < 1e-6, "{exponent}: {met} is not {count}");
        }
    }

    #[test]
    fn draws_meet_as_many_ranks_as_expected() {
        let tail = Tail::new(5_000, 0.75);
        let (table, mut random) = (tail.table(), tufold_repo::targets::Random::of(&[1]));
        let met: std::collections::HashSet<u64> =
            (0..4_000).map(|_| table.draw(&mut random)).collect();
        let expected = tail.distinct(4_000.0);
        assert!((met.len() as f64 / expected - 1.0).abs() < 0.03, "{} {expected}", met.len());
    }
}
