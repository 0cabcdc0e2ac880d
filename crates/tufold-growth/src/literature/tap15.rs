//! TAP 15, section "Rationale": what a succinct description of PEP 458's bins saves.

use super::pep458::{Constants, Real};
use super::{Line, Lines};
use crate::{Error, sizes};

const RATIONALE: &str = "TAP 15, Rationale";

/// Bytes of a MiB, which the TAP writes as MB.
const MIB: f64 = 1_048_576.0;

/// By how much PEP 458's bins make the delegating metadata grow: V10.
pub fn prefixes_growth(c: &Constants) -> f64 {
    c.v10()
}

/// The same with one succinct entry, as the TAP counts: not at all.
pub fn succinct_growth() -> f64 {
    0.0
}

/// What a new user pays in percent of a download if the bins are described succinctly: V16 without V10.
pub fn succinct_overhead(c: &Constants) -> f64 {
    ((c.v16() - prefixes_growth(c) + succinct_growth()) / c.c9 * 100.0).round()
}

pub(super) fn lines() -> Result<Lines, Error> {
    let c = Constants::PEP_458;
    let real = Real::of(c)?;
    let succinct = sizes::succinct_targets(14)? as f64;
    let lines = vec![
        Line::new("delegation by prefixes", "MiB", RATIONALE)
            .exact(1.25, 2, prefixes_growth(&c) / MIB)
            .real(real.bins / MIB),
        Line::new("growth with succinct bins", "bytes", RATIONALE)
            .exact(0.0, 0, succinct_growth())
            .real(succinct - sizes::empty_targets(1, None)? as f64),
        Line::new("new user, prefixes", "%", RATIONALE)
            .exact(69.0, 0, c.v17())
            .real(real.percent(real.new_user())),
        Line::new("new user, succinct", "%", RATIONALE)
            .exact(9.0, 0, succinct_overhead(&c))
            .real(real.percent(real.other_snapshot() + succinct)),
    ];
    let notes = vec![format!(
        "real: the whole targets role with one succinct entry takes {succinct:.0} bytes for any number of bins, against \
         {:.0} by prefixes",
        real.bins
    )];
    Ok((lines, notes))
}
