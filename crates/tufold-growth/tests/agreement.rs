//! The predictor against the real publisher and client: the bounds that `tufold grow` shows, over a part of its grid.

use tufold_delta::Ladder;
use tufold_growth::{
    CURRENT, Grid, Growth, Provenance, Rates, ReplayOptions, Scenario, grow, grow_lists,
};
use tufold_repo::targets::{Source, TargetList, read_targets};

fn grid_of(layouts: &str, from: u64, doublings: u32, work: &std::path::Path) -> Grid {
    Grid {
        layouts: layouts.split(',').map(|text| text.parse().expect("a layout")).collect(),
        from,
        doublings,
        replay_to: u64::MAX,
        options: ReplayOptions { ladder: Ladder::default(), seed: 1, visitors: 6 },
        work: work.to_owned(),
        resume: Some(work.join("cells.jsonl")),
        noted_only: false,
    }
}

/// Bytes within 2 % in the median and 5 % at worst, requests exact, those for deltas too.
fn check(growth: &Growth) {
    for row in &growth.agreement {
        let (measured, predicted) = (row.measured, row.predicted);
        let name = format!("{}, {} targets, {}", row.layout, row.targets, row.what);
        let off = if row.is_bytes() { row.percent() } else { 1e3 * (predicted - measured).abs() };
        assert!(off < 5.0, "{name}: measured {measured}, predicted {predicted}");
    }
    let found = growth.summary;
    assert_eq!(found.requests_that_differ, 0, "{found:?}");
    assert!(found.median_percent < 2.0 && found.worst_percent < 5.0, "{found:?}");
    let numbers = growth.agreement.iter().filter(|row| row.is_bytes());
    assert_eq!(found.bytes, numbers.count());
}

fn check_grid(name: &str, layouts: &str, from: u64, doublings: u32) -> Growth {
    let scenario = Scenario::load(name).expect("a scenario");
    let rates = Rates::of(&scenario.name).expect("its rates");
    let work = tempfile::tempdir().expect("a folder");
    let grid = grid_of(layouts, from, doublings, work.path());
    let growth = grow(&scenario, &rates, &grid, &|_| ()).expect("a grid");
    check(&growth);
    let cells = layouts.split(',').count() * (doublings as usize + 1);
    assert_eq!(growth.rows.len(), 2 * cells);
    // What is noted is not done again, and is the same but for the last digit of a number in JSON.
    let again = grow(&scenario, &rates, &grid, &|_| ()).expect("a grid");
    assert_eq!(again.agreement.len(), growth.agreement.len());
    let pairs = again.agreement.iter().zip(&growth.agreement);
    pairs.for_each(|(a, b)| assert!((a.measured / b.measured - 1.0).abs() < 1e-9, "{a:?} {b:?}"));
    growth
}

#[test]
fn predictions_agree_with_replays_of_bins() {
    let layouts =
        "bins-succinct:4096,bins-succinct:16,bins-prefixes:1024,bins-succinct:1024/hashes";
    check_grid("pypi-today", layouts, 8_000, 1);
}

/// A live doubling, while the index doubles: the same bounds. Whoever has missed nothing else pays 140 bytes a held bin, and a
/// mirror 66 bytes a new bin and 400, as long as the names of the bins keep their digits.
#[test]
fn predictions_agree_with_replayed_doublings_of_bins() {
    for (name, layout, from) in [("pypi-today", "bins-succinct:auto", 16_000)] {
        let growth = check_grid(name, layout, from, 1);
        let measured: Vec<_> = (growth.rebins.iter())
            .filter(|rebin| rebin.row.provenance == Provenance::Measured)
            .collect();
        assert!(!measured.is_empty(), "{name}, {layout}");
        assert_eq!(2 * measured.len(), growth.rebins.len());
        for rebin in measured {
            let costs = &rebin.row.costs;
            let (bins, current) = (rebin.row.bins.expect("bins"), costs.client(CURRENT));
            let delta = current.and_then(|client| client.delta).expect("deltas");
            // A root that is not there, timestamp, snapshot and delegator; the rest are objects.
            let objects = delta.requests - 4.0;
            let most = 140.0 * objects + 700.0 + 0.25 * bins as f64;
            assert!(objects > 1.0 && delta.bytes < most, "{name}, {layout}: {delta:?}");
            let renamed = (bins / 2).ilog2().div_ceil(4) != bins.ilog2().div_ceil(4);
            let mirror = costs.client("mirror").and_then(|client| client.delta);
            let most = 66.0 * bins as f64 + 400.0 + 600.0;
            if let Some(mirror) = mirror.filter(|_| !renamed && layout.contains("succinct")) {
                assert!(mirror.bytes < most, "{name}: {mirror:?} of {bins} bins");
            }
        }
    }
}

#[test]
fn predictions_agree_with_replays_of_projects_and_flat_lists() {
    check_grid("pypi-today", "projects-wildcard,flat", 8_000, 1);
    check_grid("pypi-today", "projects-listed", 16_000, 0);
}

#[test]
fn predictions_agree_with_replays_of_other_indexes() {
    check_grid("crates-io", "bins-succinct:256", 8_000, 0);
    check_grid("drupal", "bins-prefixes:128", 8_000, 0);
}

fn list(file: &str) -> TargetList {
    let path = format!("{}/../../datasets/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = Source::open(path.as_ref()).expect("a data set");
    read_targets(source, &|_| ()).expect("a list")
}

#[test]
fn predictions_agree_with_the_replay_of_real_lists() {
    let lists = ["debian-forky-amd64.tsv.zst", "debian-sid-amd64.tsv.zst"].map(list);
    let scenario = Scenario::load("debian-sid").expect("a scenario");
    let rates = Rates::of(&scenario.name).expect("its rates");
    let work = tempfile::tempdir().expect("a folder");
    let grid = grid_of("bins-succinct:1024", 0, 0, work.path());
    let growth = grow_lists(&scenario, &rates, &grid, &lists, &|_| ()).expect("a history");
    assert_eq!(growth.rows[0].targets, 70_735);
    // Its paths are not the scenario's, on which the rates were measured: lengths and requests are exact all the same.
    for row in &growth.agreement {
        let exact = row.what.ends_with("plain bytes")
            || row.what.ends_with("requests")
            || row.what.ends_with("metadata bytes")
            || row.what.ends_with("stored bytes");
        let bound = if exact { 0.1 } else { 20.0 };
        assert!(row.percent() < bound, "{row:?}");
    }
    let one = &lists[..1];
    assert!(grow_lists(&scenario, &rates, &grid, one, &|_| ()).is_err());
}
