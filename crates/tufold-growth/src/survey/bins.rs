//! Every number of bins at every size.

use rayon::prelude::*;
use tufold_delta::Ladder;

use super::{BinsCost, SUCCINCT};
use crate::Error;
use crate::plan::today;
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::scenario::Scenario;

/// From how many bins to how many, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 4..=24;

/// At each size and each half of a doubling between, at the scenario's own cadence.
pub(super) fn costs(
    scenario: &Scenario,
    rates: &Rates,
    sizes: &[u64],
    ladder: Ladder,
) -> Result<Vec<BinsCost>, Error> {
    let (Some(&first), Some(&last)) = (sizes.first(), sizes.last()) else { return Ok(Vec::new()) };
    let halves = sizes.iter().map(|&size| size.max(first) as f64);
    let halves = halves.flat_map(|size| [size, size * std::f64::consts::SQRT_2]);
    let targets: Vec<u64> =
        halves.map(crate::math::round).filter(|&targets| targets <= last).collect();
    let rows: Result<Vec<Vec<BinsCost>>, Error> =
        targets.into_par_iter().map(|targets| at_size(scenario, rates, targets, ladder)).collect();
    Ok(rows?.into_iter().flatten().collect())
}

fn at_size(
    scenario: &Scenario,
    rates: &Rates,
    targets: u64,
    ladder: Ladder,
) -> Result<Vec<BinsCost>, Error> {
    let (begin, experiment) = today(&scenario.scaled(targets));
    let predictor = Predictor::new(&begin, experiment, rates.clone(), ladder)?;
    let visits: f64 = begin.client.iter().map(|client| client.visits_per_day.value).sum();
    let cost = |bits: u32| {
        let egress = predictor.predict(SUCCINCT.with_bits(bits))?.egress;
        Ok(BinsCost {
            targets,
            bins: 1 << bits,
            gzip_bytes: egress.gzip_bytes_per_day / visits.max(1e-9),
            delta_bytes: egress.delta_bytes_per_day / visits.max(1e-9),
        })
    };
    BITS.map(cost).collect()
}
