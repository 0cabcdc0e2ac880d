//! How many bins, and when to double them.

use tufold_report::{Axis, Cell, Heat, Lines, Optimum, Origin, Plot, Run, Section, Series, Unit};

use super::section;
use crate::literature::bins_gist;
use crate::survey::{BinsCost, Survey};

/// So many columns, at most.
const MAX_COLUMNS: usize = 18;

/// The sizes of the survey.
fn sizes(survey: &Survey) -> Vec<u64> {
    let mut sizes: Vec<u64> = survey.bins.iter().map(|row| row.targets).collect();
    sizes.dedup();
    sizes
}

/// The cheapest row of a size.
fn best(survey: &Survey, targets: u64, bytes: impl Fn(&BinsCost) -> f64) -> Option<&BinsCost> {
    let rows = survey.bins.iter().filter(|row| row.targets == targets && bytes(row).is_finite());
    rows.min_by(|a, b| bytes(a).total_cmp(&bytes(b)))
}

/// Bins by scale: how many times the best number's bytes each number costs.
pub(super) fn heat(survey: &Survey) -> Option<Section> {
    let all = sizes(survey);
    // Whole doublings only: every other size.
    let whole: Vec<u64> = all.into_iter().step_by(2).collect();
    let step = whole.len().div_ceil(MAX_COLUMNS).max(1);
    let sizes: Vec<u64> = whole.into_iter().step_by(step).collect();
    let gzip = |row: &BinsCost| row.gzip_bytes;
    let optima: Vec<&BinsCost> =
        sizes.iter().filter_map(|&targets| best(survey, targets, gzip)).collect();
    let (first, last) = (*optima.first()?, *optima.last()?);
    let from = first.bins.ilog2().saturating_sub(3).max(4);
    let rows: Vec<u64> = (from..=last.bins.ilog2() + 3).map(|bits| 1 << bits).collect();
    let mut cells = Vec::new();
    let mut beside: f64 = 1.0;
    for (column, best) in optima.iter().enumerate() {
        for (row, bins) in rows.iter().enumerate() {
            let same = |cost: &&BinsCost| cost.targets == best.targets && cost.bins == *bins;
            let Some(cost) = survey.bins.iter().find(same) else { continue };
            let value = cost.gzip_bytes / best.gzip_bytes;
            if !value.is_finite() {
                continue;
            }
            if *bins == 2 * best.bins || 2 * *bins == best.bins {
                beside = beside.max(value);
            }
            cells.push(Cell { column, row, value, origin: Origin::Predicted });
        }
    }
    let place = |best: &&BinsCost| rows.iter().position(|bins| *bins == best.bins);
    let finding = format!(
        "From {} to {} targets the best number of bins goes from {} to {}; half or twice as many cost up to {} times the bytes",
        Unit::Count.short(first.targets as f64),
        Unit::Count.short(last.targets as f64),
        Unit::Count.full(first.bins as f64),
        Unit::Count.full(last.bins as f64),
        Unit::Count.short(beside)
    );
    let plot = Plot::Heat(Heat {
        x_label: "targets".to_owned(),
        columns: sizes.iter().map(|&targets| brief(targets as f64)).collect(),
        y_label: "bins".to_owned(),
        rows: rows.iter().map(|&bins| Unit::Count.full(bins as f64)).collect(),
        value: Axis::log("bytes of all visits, times the best number's", Unit::Ratio),
        cells,
        optimum: Some(Optimum {
            name: "fewest bytes".to_owned(),
            rows: optima.iter().map(place).collect(),
        }),
    });
    let note = "All clients of the scenario, whole files in gzip, the snapshot included: what bins alone cost.".to_owned();
    Some(section("Bins by scale", finding, plot, vec![note]))
}

/// A size that fits under a narrow column.
fn brief(size: f64) -> String {
    let units = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    let unit = units.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1.0, ""));
    Unit::Count.short(size / unit.0) + unit.1
}

/// The best number of bins over the size, for clients that take deltas and for those that do not.
pub(super) fn when_to_double(survey: &Survey) -> Option<Section> {
    let sizes = sizes(survey);
    let path = |bytes: fn(&BinsCost) -> f64| -> Vec<(f64, f64)> {
        let rows = sizes.iter().filter_map(|&targets| best(survey, targets, bytes));
        rows.map(|row| (row.targets as f64, row.bins as f64)).collect()
    };
    let gzip = path(|row| row.gzip_bytes);
    let deltas = path(|row| row.delta_bytes);
    let (first, last) = (*gzip.first()?, *gzip.last()?);
    let (least, most) = (*deltas.first()?, *deltas.last()?);
    let per = |from: (f64, f64), to: (f64, f64)| {
        (to.0 / from.0).log2() / (to.1 / from.1).log2().max(1e-9)
    };
    let finding = match (last.1 > first.1, most.1 > least.1) {
        (true, true) => format!(
            "Without deltas the bins double once in {} doublings of the index, with deltas once in {}; at {} targets the best \
             numbers are {} and {}",
            Unit::Count.short(per(first, last)),
            Unit::Count.short(per(least, most)),
            Unit::Count.short(last.0),
            Unit::Count.full(last.1),
            Unit::Count.full(most.1)
        ),
        _ => format!(
            "Up to {} targets the best number of bins stays near {}",
            Unit::Count.short(last.0),
            Unit::Count.full(last.1)
        ),
    };
    let steps = |name: &str, points: Vec<(f64, f64)>| Series {
        run: Run::Steps,
        ..Series::new(name, Origin::Predicted, points)
    };
    let (from, to) = (first.0, last.0);
    let cited: Vec<(f64, f64)> = bins_gist::PRINTED
        .iter()
        .map(|&(targets, bins)| (targets as f64, bins as f64))
        .filter(|(targets, _)| (from..=to).contains(targets))
        .collect();
    let mut series = vec![steps("whole files in gzip", gzip), steps("with deltas", deltas)];
    if !cited.is_empty() {
        series.push(Series::new("optimal-bins gist", Origin::Cited, cited));
    }
    let plot = Plot::Lines(Lines {
        x: Axis::log("targets", Unit::Count),
        y: Axis::log("best number of bins", Unit::Count),
        series,
        marks: Vec::new(),
    });
    let note = "Each step is a size at which twice as many bins become cheaper for all clients of the scenario together. The \
                gist counts one bin and the snapshot, without compression."
        .to_owned();
    Some(section("When to double the bins", finding, plot, vec![note]))
}
