//! Numbers that are not exact: rounding, logarithms, distributions.

/// The nearest whole number, from 0 to 2^63.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
pub(crate) fn round(value: f64) -> u64 {
    value.round().clamp(0.0, 9.0e18) as u64
}

/// The whole number below.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
pub(crate) fn floor(value: f64) -> u64 {
    value.floor().clamp(0.0, 9.0e18) as u64
}

/// As an index or a length.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// How many of `cells` equally likely ones `balls` hit: cells (1 - (1 - 1/cells)^balls).
pub(crate) fn occupied(cells: f64, balls: f64) -> f64 {
    if cells <= 1.0 {
        return cells.min(balls);
    }
    cells * -(balls * (-1.0 / cells).ln_1p()).exp_m1()
}

/// The digits of a whole number.
pub(crate) fn digits(value: u64) -> u64 {
    u64::from(value.checked_ilog10().unwrap_or(0)) + 1
}

/// The logarithm of n!, by Stirling's series; n need not be whole.
fn ln_factorial(n: f64) -> f64 {
    if n < 16.0 {
        return ln_factorial(n + 16.0) - (1..=16).map(|i| (n + f64::from(i)).ln()).sum::<f64>();
    }
    let x = n + 1.0;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * x)
        - 1.0 / (360.0 * x.powi(3))
}

/// The bytes that tell which `chosen` of some entries.
pub(crate) fn choice_bytes(entries: f64, chosen: f64) -> f64 {
    let entries = entries.max(chosen);
    let ways = ln_factorial(entries) - ln_factorial(chosen) - ln_factorial(entries - chosen);
    ways.max(0.0) / std::f64::consts::LN_2 / 8.0
}

/// The bytes of the entropy of values at their own frequencies, for all of them together.
pub(crate) fn entropy_bytes(times: impl Iterator<Item = u64> + Clone) -> f64 {
    let all = times.clone().sum::<u64>() as f64;
    times.map(|times| times as f64 * (all / times as f64).log2()).sum::<f64>() / 8.0
}

/// The chance that a normal variable is at or above `x`.
fn normal_tail(x: f64) -> f64 {
    // Abramowitz and Stegun 26.2.17; the error is below 7.5e-8.
    const B: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let series = B.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let above = density * series;
    if x >= 0.0 { above } else { 1.0 - above }
}

/// A binomial count plus a constant: how often a role was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    /// What is certain.
    pub(crate) fixed: f64,
    /// How often it may happen.
    pub(crate) trials: f64,
    /// With which chance.
    pub(crate) chance: f64,
}

impl Count {
    fn mean(self) -> f64 {
        self.trials * self.chance
    }

    /// The chances of 0, 1, 2 …, as long as the count is small; else nothing.
    pub(crate) fn small(self) -> Option<Vec<f64>> {
        if self.mean() > 200.0 {
            return None;
        }
        let (n, p) = (self.trials, self.chance.clamp(0.0, 1.0));
        if p >= 1.0 {
            let n = index(round(n));
            return Some((0..=n).map(|k| f64::from(u8::from(k == n))).collect());
        }
        let none = (n * (-p).ln_1p()).exp();
        if none < f64::MIN_POSITIVE {
            // So nearly certain each time that only the misses can be counted from nothing up.
            let n = round(n);
            let misses = Self { fixed: 0.0, trials: n as f64, chance: 1.0 - p }.small()?;
            let missed = |hits: u64| misses.get(index(n - hits)).copied().unwrap_or(0.0);
            return Some((0..=n).map(missed).collect());
        }
        let mut chances = vec![none];
        let most = index(round((self.mean() + 12.0 * self.mean().sqrt() + 20.0).min(n)));
        for k in 0..most {
            let last = chances[k];
            chances.push(last * (n - k as f64) / (k as f64 + 1.0) * p / (1.0 - p));
        }
        Some(chances)
    }

    /// The mean number of digits of 1 + the count.
    pub(crate) fn mean_digits_of_version(self) -> f64 {
        let version = 1.0 + self.fixed;
        if let Some(chances) = self.small() {
            let all: f64 = chances.iter().sum();
            let digits = |k: usize| digits(round(version + k as f64)) as f64;
            return chances.iter().enumerate().map(|(k, chance)| chance * digits(k)).sum::<f64>()
                / all;
        }
        // More than one digit as often as the version reaches the next power of ten.
        let deviation = (self.mean() * (1.0 - self.chance)).sqrt().max(1e-9);
        let mean = version + self.mean();
        let reaches = |power: i32| normal_tail((10_f64.powi(power) - 0.5 - mean) / deviation);
        1.0 + (1..19).map(reaches).sum::<f64>()
    }

    /// The entropy of the count in bits.
    pub(crate) fn entropy_bits(self) -> f64 {
        match self.small() {
            Some(chances) => {
                chances.iter().filter(|&&p| p > 0.0).map(|p| -p * p.log2()).sum::<f64>().max(0.0)
            }
            None => {
                let variance = self.mean() * (1.0 - self.chance);
                (2.0 * std::f64::consts::PI * std::f64::consts::E * variance).log2().max(0.0) / 2.0
            }
        }
    }
}

/// The chance that fewer than `limit` come where `mean` come on average, each for itself.
pub(crate) fn poisson_below(mean: f64, limit: u64) -> f64 {
    let mut chance = (-mean).exp();
    (1..=limit).fold(0.0, |sum, next| {
        let with = sum + chance;
        chance *= mean / next as f64;
        with
    })
}

/// The mean digits of a length that is normal about `mean`.
pub(crate) fn mean_digits(mean: f64, deviation: f64) -> f64 {
    let reaches = |power: i32| normal_tail((10_f64.powi(power) - 0.5 - mean) / deviation.max(1e-9));
    1.0 + (1..19).map(reaches).sum::<f64>()
}

/// A table of measured points, with straight lines between them and beyond the last.
pub(crate) fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    match points {
        [] => 0.0,
        [(_, y)] => *y,
        _ => {
            let at = points[1..points.len() - 1].partition_point(|point| point.0 <= x);
            let ((x0, y0), (x1, y1)) = (points[at], points[at + 1]);
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        }
    }
}

/// The coefficients for which `rows` of (features, value) fit best by least squares, where the error of a value is as its
/// square root: so the sum of what is fitted is the sum of the values.
pub(crate) fn least_squares(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let mut weights: Vec<f64> = rows.iter().map(|(_, value)| 1.0 / value.max(1.0)).collect();
    let mut fitted = weighted_least_squares(rows, &weights);
    for _ in 0..3 {
        for (weight, (features, value)) in weights.iter_mut().zip(rows) {
            let sum: f64 = fitted.iter().zip(features).map(|(rate, feature)| rate * feature).sum();
            *weight = 1.0 / sum.max(value / 4.0).max(1.0);
        }
        fitted = weighted_least_squares(rows, &weights);
    }
    fitted
}

fn weighted_least_squares(rows: &[(Vec<f64>, f64)], weights: &[f64]) -> Vec<f64> {
    let width = rows.first().map_or(0, |(features, _)| features.len());
    let mut system = vec![vec![0.0; width + 1]; width];
    for ((features, value), weight) in rows.iter().zip(weights) {
        for i in 0..width {
            for j in 0..width {
                system[i][j] += weight * features[i] * features[j];
            }
            system[i][width] += weight * features[i] * value;
        }
    }
    // A feature that never occurs, or always as another one does, gets 0.
    for (i, row) in system.iter_mut().enumerate() {
        row[i] += row[i] * 1e-9 + 1e-12;
    }
    for i in 0..width {
        let pivot = (i..width).max_by(|&a, &b| system[a][i].abs().total_cmp(&system[b][i].abs()));
        system.swap(i, pivot.unwrap_or(i));
        for row in i + 1..width {
            let factor = system[row][i] / system[i][i];
            let pivot = system[i].clone();
            system[row].iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solution = vec![0.0; width];
    for i in (0..width).rev() {
        let known: f64 = (i + 1..width).map(|j| system[i][j] * solution[j]).sum();
        solution[i] = (system[i][width] - known) / system[i][i];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }

    #[test]
    fn what_is_all_but_certain_is_counted_by_its_misses() {
        let count = Count { fixed: 0.0, trials: 100.0, chance: 1.0 - 1e-9 };
        let chances = count.small().unwrap();
        assert_eq!(chances.len(), 101);
        check(chances[100], 1.0);
        check(count.mean_digits_of_version(), 3.0);
        check(count.entropy_bits(), 0.0);
    }

    #[test]
    fn occupancy_is_that_of_balls_in_cells() {
        check(occupied(16_384.0, 1.0), 1.0);
        check(occupied(2.0, 2.0), 1.5);
        check(occupied(1.0, 5.0), 1.0);
        // The scale-out draft: 60 of 16,384 bins a minute are 0.37 %.
        check(occupied(16_384.0, 60.0) / 16_384.0, 0.00366);
    }

    #[test]
    fn digits_of_versions_are_means() {
        let count = |fixed, trials, chance| Count { fixed, trials, chance };
        check(count(0.0, 30.0, 0.0).mean_digits_of_version(), 1.0);
        check(count(8.0, 1.0, 0.5).mean_digits_of_version(), 1.5);
        check(count(0.0, 1e6, 0.002).mean_digits_of_version(), 4.0);
        check(count(0.0, 1000.0, 1.0).mean_digits_of_version(), 4.0);
    }

    #[test]
    fn chances_of_few_are_poissons() {
        check(poisson_below(0.0, 17), 1.0);
        check(poisson_below(2.0, 1), (-2.0_f64).exp());
        check(poisson_below(3.0, 3), 8.5 * (-3.0_f64).exp());
        check(poisson_below(1e6, 17), 0.0);
    }

    #[test]
    fn entropies_are_in_bits() {
        let entropy = |trials, chance| Count { fixed: 3.0, trials, chance }.entropy_bits();
        check(entropy(1.0, 0.5), 1.0);
        check(entropy(7.0, 1.0), 0.0);
        // Poisson(300): DESIGN's 12.6 kB of 16,384 versions.
        check(entropy(3e9, 1e-7) * 16_384.0 / 8.0 / 1000.0, 12.618);
    }

    #[test]
    fn choices_are_counted_in_bytes() {
        for (entries, chosen) in [(16_384, 164), (100, 1), (100, 99), (9, 4), (5_000_000, 3)] {
            let exact = tufold_delta::choice_bits(entries, chosen) / 8.0;
            check(choice_bytes(entries as f64, chosen as f64) - exact, 0.0);
        }
        check(choice_bytes(0.0, 0.0), 0.0);
        check(entropy_bytes([4, 4].into_iter()), 1.0);
    }

    #[test]
    fn lines_go_through_their_points() {
        let points = [(0.0, 1.0), (10.0, 3.0), (20.0, 9.0)];
        check(interpolate(&points, 5.0), 2.0);
        check(interpolate(&points, 30.0), 15.0);
        let rows: Vec<_> =
            (1..9).map(|x| (vec![1.0, f64::from(x)], 5.0 + 2.0 * f64::from(x))).collect();
        let fit = least_squares(&rows);
        check(fit[0], 5.0);
        check(fit[1], 2.0);
    }
}
