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
    /// The part of the variance of the logarithms that the line explains.
    pub r_squared: f64,
    /// The last count by the line, and the count itself.
    pub last_fitted: f64,
    /// See `last_fitted`.
    pub last: f64,
}

/// Fits a line to the logarithms of counts by day, by least squares; the error is Student's, of independent deviations.
///
/// # Errors
/// [`Error::Nothing`] with fewer than three counts above 0, or all on one day.
pub fn fit(points: &[(f64, f64)]) -> Result<Fit, Error> {
    let points: Vec<(f64, f64)> =
        points.iter().filter(|(_, count)| *count > 0.0).map(|&(day, n)| (day, n.log2())).collect();
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
    let error = (rest / (n - 2.0) / sxx).sqrt() * student(n - 2.0);
    let days = |slope: f64| if slope == 0.0 { f64::INFINITY } else { 1.0 / slope };
    let low = slope - error;
    let last = points[points.len() - 1];
    Ok(Fit {
        points: points.len(),
        doubling_time_days: days(slope),
        from_days: days(slope + error),
        to_days: if low > 0.0 || slope < 0.0 { days(low) } else { f64::INFINITY },
        r_squared: if syy > 0.0 { 1.0 - rest / syy } else { 1.0 },
        last_fitted: (y + slope * (last.0 - x)).exp2(),
        last: last.1.exp2(),
    })
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
