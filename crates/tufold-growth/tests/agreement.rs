//! The predictor against the real publisher and client: a small part of the grid that `tufold grow` prints.

use tufold_delta::Ladder;
use tufold_growth::{Grid, Growth, Rates, ReplayOptions, Scenario, grow};

fn grid(scenario: &str, layouts: &str, from: u64) -> Growth {
    let scenario = Scenario::load(scenario).expect("a scenario");
    let rates = Rates::of(&scenario.name).expect("its rates");
    let work = tempfile::tempdir().expect("a folder");
    let grid = Grid {
        layouts: layouts.split(',').map(|text| text.parse().expect("a layout")).collect(),
        from,
        doublings: 0,
        replay_to: u64::MAX,
        options: ReplayOptions { ladder: Ladder::default(), seed: 1, visitors: 6 },
        work: work.path().to_owned(),
        resume: Some(work.path().join("cells.jsonl")),
    };
    let growth = grow(&scenario, &rates, &grid, &|_| ()).expect("a grid");
    // What is noted is not done again, and is the same but for the last digit of a number in JSON.
    let again = grow(&scenario, &rates, &grid, &|_| ()).expect("a grid");
    assert_eq!(again.agreement.len(), growth.agreement.len());
    let pairs = again.agreement.iter().zip(&growth.agreement);
    pairs.for_each(|(a, b)| assert!((a.measured / b.measured - 1.0).abs() < 1e-9, "{a:?} {b:?}"));
    growth
}

#[test]
fn predictions_agree_with_replays() {
    let growth = grid("pypi-today", "bins-succinct:128,bins-prefixes:256/hashes", 6_000);
    for row in &growth.agreement {
        println!(
            "{:30} {:>7} {:28} {:>12.1} {:>12.1} {:>6.2} % {:>6.2} %",
            row.layout,
            row.targets,
            row.what,
            row.measured,
            row.predicted,
            row.percent(),
            row.expected_percent()
        );
    }
    let found = growth.summary;
    assert_eq!(found.requests_that_differ, 0, "{found:?}");
    // Six visitors of small bins: what is in the bins that they drew is a few percent off the mean.
    assert!(found.median_percent < 2.5 && found.worst_percent < 6.0, "{found:?}");
}
