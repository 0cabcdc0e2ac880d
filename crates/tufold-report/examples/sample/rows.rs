//! The rows of the sample report.

use tufold_report::{
    Axis, BarSeries, Bars, Cell, Error, Heat, Lines, Mark, Optimum, Origin, Plot, Provenance,
    Report, Run, Section, Series, Unit, codecs, ladder_paths,
};

const SNAPSHOTS: &str = include_str!("../../../../benches/record/snapshots.tsv");
const LADDERS: &str = include_str!("../../../../benches/record/ladder-paths.tsv");
const DEBIAN: &str = include_str!("../../../../benches/record/debian.tsv");

/// A target in a bin, a bin in the snapshot, and the documents around them, at 1 M PyPI-shaped targets in 16,384 bins.
const TARGET_BYTES: f64 = 219.0;
const BIN_BYTES: f64 = 31.0;
const DOCUMENT_BYTES: f64 = 350.0;

/// A report with every kind of plot.
pub(crate) fn report() -> Result<Report, Error> {
    let snapshots = codecs(
        "benches/record/snapshots.tsv",
        SNAPSHOTS,
        &[
            (
                "16384 bins, versions, long history, uniform 163",
                "snapshot of versions, 1 % of bins changed",
            ),
            (
                "16384 bins, versions, long history, uniform 1638",
                "snapshot of versions, 10 % changed",
            ),
            (
                "16384 bins, versions, long history, all signed again",
                "snapshot of versions, every bin signed again",
            ),
            ("16384 bins, hashes, long history, uniform 163", "snapshot with hashes, 1 % changed"),
            (
                "16384 bins, hashes, long history, uniform 16384",
                "snapshot with hashes, every bin changed",
            ),
        ],
    )?;
    let debian = codecs(
        "benches/record/debian.tsv",
        DEBIAN,
        &[
            ("debian forky to sid, 1024 bins, bundle", "1,024 bins, one bundle"),
            ("debian forky to sid, 1024 bins, bin by bin", "1,024 bins, bin by bin"),
            ("debian forky to sid, 4096 bins, bundle", "4,096 bins, one bundle"),
            ("debian forky to sid, 4096 bins, bin by bin", "4,096 bins, bin by bin"),
        ],
    )?;
    Ok(Report {
        title: "What doubles when the index doubles".to_owned(),
        summary: vec![
            "A sample of every kind of plot. The codecs and the ladders are measured; the rest is arithmetic on sizes of \
             metadata and says so."
                .to_owned(),
        ],
        sections: vec![
            growth(),
            snapshots,
            Section { title: "A real update: Debian forky to sid".to_owned(), ..debian },
            ladder_paths("benches/record/ladder-paths.tsv", LADDERS)?,
            first_visit(),
            heat(),
            doubling(),
            break_even(),
        ],
        provenance: Provenance {
            scenario: Some("1 M PyPI-shaped targets".to_owned()),
            seed: Some(1),
            commit: None,
            machine: None,
            method: vec![
                "Sizes of deltas are those of benches/record/. A first visit is counted as 31 bytes a bin in the snapshot, 219 \
                 bytes a target in its bin and 350 bytes for each document around them."
                    .to_owned(),
            ],
            facts: vec![("Records".to_owned(), "benches/record/*.tsv".to_owned())],
        },
    })
}

/// A section whose table is that of its plot.
fn section(title: &str, finding: String, plot: Plot, note: &str) -> Section {
    let notes = vec![note.to_owned()];
    Section { title: title.to_owned(), finding, table: plot.table(), plot, notes }
}

/// Deltas of the snapshot as the bins double, 1 % of them changed.
fn growth() -> Section {
    let measured = |codec: &str, name: &str| {
        let size = |(bins, changed): (f64, u32)| {
            let case =
                format!("{bins} bins, versions, long history, uniform {changed}\t{codec}\t1\t");
            let row = SNAPSHOTS.lines().find_map(|line| line.strip_prefix(&case));
            let bytes = row.and_then(|row| row.split('\t').next()?.parse().ok());
            bytes.map(|bytes: f64| (bins, bytes))
        };
        let sizes = [(1_024.0, 10), (16_384.0, 163), (262_144.0, 2_621)];
        Series::new(name, Origin::Measured, sizes.into_iter().filter_map(size).collect())
    };
    let bins = (10..=22).map(|power: i32| f64::from(power).exp2());
    // Stirling's formula for log2 C(n, n / 100), a signature, and what the container takes.
    let entropy = 0.01f64 * 100f64.log2() + 0.99 * (100.0f64 / 99.0).log2();
    let predicted = bins.map(|bins| (bins, 64.0 + 27.0 + bins * entropy / 8.0)).collect();
    let ours = measured("columnar", "columnar delta");
    let whole = measured("full-zstd", "whole snapshot, zstd -19");
    let last = |series: &Series| series.points.last().map_or(f64::NAN, |point| point.1);
    let times = Unit::Count.short((last(&whole) / last(&ours)).round());
    let plot = Plot::Lines(Lines {
        x: Axis::doublings("bins", Unit::Count, 1_024.0, 12),
        y: Axis::log("to fetch when 1 % of the bins changed", Unit::Bytes),
        series: vec![
            whole,
            measured("zstd", "zstd -19 delta"),
            ours,
            Series::new("columnar delta", Origin::Predicted, predicted),
        ],
        marks: vec![Mark::Y {
            at: 2e6,
            label: "default limit of a snapshot in python-tuf".to_owned(),
        }],
    });
    let finding = format!(
        "At 262,144 bins, a delta of the snapshot is {times} times smaller than the snapshot"
    );
    section(
        "Growth over doublings",
        finding,
        plot,
        "Predicted: a signature, 27 bytes, and the entropy of which bins changed.",
    )
}

/// The parts of a first visit for one target.
fn first_visit() -> Section {
    let bins: Vec<f64> = (10..=16).map(|power: i32| f64::from(power).exp2()).collect();
    let part = |name: &str, size: &dyn Fn(f64) -> f64| BarSeries {
        name: name.to_owned(),
        origin: Origin::Predicted,
        values: bins.iter().map(|bins| Some(size(*bins))).collect(),
    };
    let plot = Plot::Bars(Bars {
        label: "bins".to_owned(),
        categories: bins.iter().map(|bins| Unit::Count.full(*bins)).collect(),
        value: Axis::linear("first visit for one target", Unit::Bytes),
        series: vec![
            part("snapshot", &|bins| BIN_BYTES * bins),
            part("the target's bin", &|bins| TARGET_BYTES * 1e6 / bins),
            part("other documents", &|_| 4.0 * DOCUMENT_BYTES),
        ],
        stacked: true,
        floor: None,
    });
    let finding = "From 16,384 bins on, a first visit to 1 M targets pays for the snapshot and for little else".to_owned();
    section("A first visit", finding, plot, "1 M targets; nothing compressed.")
}

fn visit(targets: f64, bins: f64) -> f64 {
    BIN_BYTES * bins + TARGET_BYTES * targets / bins + 4.0 * DOCUMENT_BYTES
}

/// The least power of two bins for a first visit, as its exponent.
fn best_power(targets: f64) -> u8 {
    let cost = |power: &u8| visit(targets, f64::from(*power).exp2());
    (4..=20).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(4)
}

fn heat() -> Section {
    let targets: Vec<f64> = (0..8).map(|n: i32| 62_500.0 * f64::from(n).exp2()).collect();
    let powers: Vec<u8> = (8..=15).collect();
    let mut cells = Vec::new();
    for (column, targets) in targets.iter().enumerate() {
        for (row, power) in powers.iter().enumerate() {
            let value = visit(*targets, f64::from(*power).exp2());
            cells.push(Cell { column, row, value, origin: Origin::Predicted });
        }
    }
    let best = |targets: &f64| powers.iter().position(|power| *power == best_power(*targets));
    let plot = Plot::Heat(Heat {
        x_label: "targets".to_owned(),
        columns: targets.iter().map(|targets| Unit::Count.short(*targets)).collect(),
        y_label: "bins".to_owned(),
        rows: powers.iter().map(|power| Unit::Count.full(f64::from(*power).exp2())).collect(),
        value: Axis::log("first visit", Unit::Bytes),
        cells,
        optimum: Some(Optimum {
            name: "fewest bytes".to_owned(),
            rows: targets.iter().map(best).collect(),
        }),
    });
    let finding = "Four times the targets want twice the bins".to_owned();
    section(
        "Bins by scale",
        finding,
        plot,
        "One target, nothing compressed, no client that comes back.",
    )
}

fn doubling() -> Section {
    let targets = (0..=72).map(|n: i32| 961.0 * (f64::from(n) / 6.0).exp2());
    let ours = targets.map(|targets| (targets, f64::from(best_power(targets)).exp2())).collect();
    let thresholds = [961.0, 3_969.0, 15_617.0, 62_977.0, 250_881.0, 1_005_569.0, 4_026_369.0];
    let gist = thresholds
        .into_iter()
        .zip(7..=13)
        .map(|(targets, power): (f64, i32)| (targets, f64::from(power).exp2()));
    let plot = Plot::Lines(Lines {
        x: Axis::log("targets", Unit::Count),
        y: Axis::doublings("bins", Unit::Count, 32.0, 9),
        series: vec![
            Series {
                run: Run::Steps,
                ..Series::new("fewest bytes of a first visit", Origin::Predicted, ours)
            },
            Series {
                run: Run::Steps,
                ..Series::new("thresholds of the optimal-bins gist", Origin::Cited, gist.collect())
            },
        ],
        marks: Vec::new(),
    });
    let finding = "Bins double each time the targets have doubled twice".to_owned();
    section(
        "When to double",
        finding,
        plot,
        "The gist (f6313234) counts other costs; the slope is the same.",
    )
}

fn break_even() -> Section {
    let (whole, bundle, apply) = (5_235_081.0, 427_837.0, 0.43);
    let bandwidths = || (0..=60).map(|n: i32| 1e6 * 10f64.powf(f64::from(n) / 20.0));
    let seconds = |bytes: f64, cpu: f64| {
        bandwidths().map(|bandwidth| (bandwidth, bytes * 8.0 / bandwidth + cpu)).collect()
    };
    let even = (whole - bundle) * 8.0 / apply;
    let plot = Plot::Lines(Lines {
        x: Axis::log("bandwidth", Unit::BitsPerSecond),
        y: Axis::log("time to be current", Unit::Seconds),
        series: vec![
            Series::new("whole bins, zstd -19", Origin::Predicted, seconds(whole, 0.0)),
            Series::new("one bundle", Origin::Predicted, seconds(bundle, apply)),
        ],
        marks: vec![Mark::X {
            at: even,
            label: format!("break-even {}", Unit::BitsPerSecond.short(even)),
        }],
    });
    let finding =
        format!("Below {}, the bundle is faster than whole bins", Unit::BitsPerSecond.short(even));
    section(
        "Break-even",
        finding,
        plot,
        "Debian forky to sid, 1,024 bins; 0.43 s to apply the bundle, nothing counted for the other.",
    )
}
