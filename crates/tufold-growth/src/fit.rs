//! In which time something doubles, from counts at dates.

use serde::{Deserialize, Serialize};

use crate::Error;

/// A doubling time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fit {
    /// How many counts there were.
    pub points: usize,
    /// Days in which the count doubles; negative if it halves.
    pub doubling_time_days: f64,
    /// The 95 % interval: from this
    pub from_days: f64,
    /// to this. Infinite if the counts may as well not grow.
    pub to_days: f64,
    /// How much of a deviation is still there at the next count, from -1 to 1.
    pub autocorrelation: f64,
    /// Over how many counts deviations were taken to go together.
    pub lags: usize,
    /// How many times the interval is as wide as if they did not.
    pub widening: f64,
    /// The part of the variance of the logarithms that the line explains.
    pub r_squared: f64,
    /// The last count by the line, and the count itself.
    pub last_fitted: f64,
    /// See `last_fitted`.
    pub last: f64,
}

/// Fits a line to the logarithms of counts by day, by least squares.
///
/// Counts that add up stay above or below the line for long, so their deviations are anything but independent. The error
/// of the slope is Newey and West's (Econometrica 55, 1987), with Bartlett's weights, or that of deviations of which each keeps
/// a share of the one before, whichever is larger: the first alone is too small where that share is large. Lags go as far as deviations go together, and no further than a third of the counts. The interval is Student's, with as
/// many degrees of freedom as there are counts that are worth an independent one.
///
/// # Errors
/// [`Error::Nothing`] with fewer than three counts above 0, or all on one day.
pub fn fit(points: &[(f64, f64)]) -> Result<Fit, Error> {
    let mut points: Vec<(f64, f64)> =
        points.iter().filter(|(_, count)| *count > 0.0).map(|&(day, n)| (day, n.log2())).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = points.len() as f64;
    if points.len() < 3 {
        return Err(Error::Nothing(format!("a line needs three counts above 0, not {n}")));
    }
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let sxx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let syy: f64 = points.iter().map(|p| (p.1 - y).powi(2)).sum();
    if sxx <= 0.0 {
        return Err(Error::Nothing("all counts are of one day".to_owned()));
    }
    let slope = sxy / sxx;
    let rest = (syy - slope * sxy).max(0.0);
    let independent = rest / (n - 2.0) / sxx;
    // What each count says of the slope, and how far it is from the line.
    let deviations: Vec<(f64, f64)> =
        points.iter().map(|p| (p.0 - x, p.1 - y - slope * (p.0 - x))).collect();
    let autocorrelation = correlation(&deviations, 1);
    let lags = lags(&deviations);
    let variance = newey_west(&deviations, lags) / sxx.powi(2) * n / (n - 2.0);
    // A process that keeps this share of its deviation from count to count tells as much as so many independent counts. The
    // share in a sample is too low by about (1 + 4 r) / n (Kendall 1954).
    let kept = (autocorrelation + (1.0 + 4.0 * autocorrelation) / n).clamp(0.0, 0.99);
    let variance = variance.max(independent * (1.0 + kept) / (1.0 - kept));
    let worth = (n * (1.0 - kept) / (1.0 + kept)).max(3.0);
    let error = variance.sqrt() * student(worth - 2.0);
    let usual = independent.sqrt() * student(n - 2.0);
    let days = |slope: f64| if slope == 0.0 { f64::INFINITY } else { 1.0 / slope };
    let low = slope - error;
    let last = points[points.len() - 1];
    Ok(Fit {
        points: points.len(),
        doubling_time_days: days(slope),
        from_days: days(slope + error),
        to_days: if low > 0.0 || slope < 0.0 { days(low) } else { f64::INFINITY },
        autocorrelation,
        lags,
        widening: if usual > 0.0 { error / usual } else { 1.0 },
        r_squared: if syy > 0.0 { 1.0 - rest / syy } else { 1.0 },
        last_fitted: (y + slope * (last.0 - x)).exp2(),
        last: last.1.exp2(),
    })
}

/// How deviations so many counts apart go together.
fn correlation(deviations: &[(f64, f64)], lag: usize) -> f64 {
    let all: f64 = deviations.iter().map(|(_, e)| e * e).sum();
    let pairs = deviations.iter().zip(deviations.get(lag..).unwrap_or_default());
    if all > 0.0 { pairs.map(|((_, a), (_, b))| a * b).sum::<f64>() / all } else { 0.0 }
}

/// Up to which distance deviations go together: the first at which they do not any more, but at least Newey and West's
/// 4 (n / 100)^(2/9).
fn lags(deviations: &[(f64, f64)]) -> usize {
    let n = deviations.len();
    let least = crate::math::index(crate::math::round(4.0 * (n as f64 / 100.0).powf(2.0 / 9.0)));
    let most = n / 3;
    let together = (1..=most).take_while(|&lag| correlation(deviations, lag) > 0.0).count();
    together.max(least).min(most)
}

/// The variance of the sum of (place x deviation), with Bartlett's weights for pairs that are some counts apart.
fn newey_west(deviations: &[(f64, f64)], lags: usize) -> f64 {
    let says: Vec<f64> = deviations.iter().map(|(x, e)| x * e).collect();
    let at = |lag: usize| says.iter().zip(&says[lag..]).map(|(a, b)| a * b).sum::<f64>();
    let weight = |lag: usize| 1.0 - lag as f64 / (lags as f64 + 1.0);
    at(0) + (1..=lags).map(|lag| 2.0 * weight(lag) * at(lag)).sum::<f64>()
}

/// Student's 97.5 % quantile (Abramowitz and Stegun 26.7.5, and the exact values where that is poor).
fn student(freedom: f64) -> f64 {
    match crate::math::round(freedom) {
        1 => return 12.706,
        2 => return 4.303,
        3 => return 3.182,
        _ => {}
    }
    let x: f64 = 1.959_964;
    let g1 = (x.powi(3) + x) / 4.0;
    let g2 = (5.0 * x.powi(5) + 16.0 * x.powi(3) + 3.0 * x) / 96.0;
    let g3 = (3.0 * x.powi(7) + 19.0 * x.powi(5) + 17.0 * x.powi(3) - 15.0 * x) / 384.0;
    x + g1 / freedom + g2 / freedom.powi(2) + g3 / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_doubling_has_no_error() {
        let points: Vec<_> = (0..10).map(|at| (f64::from(at) * 100.0, 2_f64.powi(at))).collect();
        let fit = fit(&points).unwrap();
        assert!((fit.doubling_time_days - 100.0).abs() < 1e-9, "{fit:?}");
        assert!((fit.to_days - fit.from_days).abs() < 1e-3 && fit.r_squared > 0.999_999, "{fit:?}");
    }

    #[test]
    fn noise_widens_the_interval() {
        let noise = [1.1, 0.9, 1.05, 0.95, 1.2, 0.8, 1.0, 1.1];
        let points: Vec<_> = noise
            .iter()
            .zip(0..)
            .map(|(noise, at)| {
                (f64::from(at) * 50.0, 1000.0 * 2_f64.powf(f64::from(at) / 4.0) * noise)
            })
            .collect();
        let fit = fit(&points).unwrap();
        assert!(fit.from_days < 200.0 && fit.to_days > 200.0, "{fit:?}");
        assert!(fit.to_days - fit.from_days > 20.0, "{fit:?}");
    }

    /// Deviations that keep nine tenths from count to count, as cumulative counts do: of a hundred such histories, the
    /// interval for independent deviations holds the truth in far fewer than 95.
    #[test]
    fn intervals_hold_the_truth_for_deviations_that_go_together() {
        let (mut held, mut held_by_the_usual) = (0, 0);
        for seed in 0..100 {
            let mut random = tufold_repo::targets::Random::of(&[seed]);
            let mut deviation = 0.0;
            let points: Vec<_> = (0..120)
                .map(|month| {
                    let draw = random.below(1 << 20) as f64 / f64::from(1 << 20) - 0.5;
                    deviation = 0.9 * deviation + 0.02 * draw;
                    let day = 30.0 * f64::from(month);
                    (day, (day / 1_000.0 + deviation).exp2() * 1e5)
                })
                .collect();
            let fit = fit(&points).unwrap();
            assert!(fit.autocorrelation > 0.5 && fit.widening > 1.0, "{fit:?}");
            held += u32::from(fit.from_days < 1_000.0 && fit.to_days > 1_000.0);
            let (low, high) = (1.0 / fit.to_days, 1.0 / fit.from_days);
            let half = (high - low) / 2.0 / fit.widening;
            let middle = 1.0 / fit.doubling_time_days;
            held_by_the_usual += u32::from((middle - half..middle + half).contains(&0.001));
        }
        assert!(held >= 86 && held_by_the_usual < 60, "{held}, {held_by_the_usual}");
    }

    #[test]
    fn quantiles_are_students() {
        for (freedom, expected) in [(1.0, 12.706), (5.0, 2.571), (10.0, 2.228), (100.0, 1.984)] {
            assert!((student(freedom) - expected).abs() < 0.005, "{freedom}");
        }
    }

    #[test]
    fn too_little_is_an_error() {
        assert!(fit(&[(0.0, 1.0), (1.0, 2.0)]).is_err());
        assert!(fit(&[(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)]).is_err());
    }
}
