//! What does it cost to ask what an index will cost: a prediction, a plan, a history, and the replay that judges them?

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tufold_delta::Ladder;
use tufold_growth::{
    Deltas, PlanOptions, Predictor, Rates, ReplayOptions, Scenario, Synthetic, Trace, Weights,
    experiment, plan, replay,
};

fn scenario(targets: u64) -> Scenario {
    Scenario::load("pypi-today").expect("a scenario").scaled(targets)
}

fn rates() -> Rates {
    Rates::of("pypi-today").expect("its rates")
}

/// Closed forms: a thousand million targets take no longer than a thousand.
fn predicting(c: &mut Criterion) {
    let mut group = c.benchmark_group("predict a layout");
    for targets in [10_000, 1_000_000_000] {
        let scenario = scenario(targets);
        // A predictor keeps what it summed, so each prediction is by a new one.
        let made = || {
            Predictor::new(&scenario, experiment(&scenario), rates(), Ladder::default())
                .expect("a predictor")
        };
        for layout in ["bins-succinct:16384", "projects-wildcard"] {
            let layout = layout.parse().expect("a layout");
            let costs = made().predict(layout).expect("costs");
            assert!(costs.publisher.delta_bytes > 0.0);
            group.bench_function(format!("{layout}, {targets} targets"), |bencher| {
                let predict = |predictor: Predictor<'_>| predictor.predict(layout).expect("costs");
                bencher.iter_batched(made, predict, BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

fn planning(c: &mut Criterion) {
    let scenario = scenario(1_000_000_000);
    let options = PlanOptions {
        ladder: Ladder::default(),
        weights: Weights::default(),
        readable_by: Vec::new(),
        deltas: Deltas::Taken,
        years: 10,
    };
    let mut group = c.benchmark_group("plan");
    group.sample_size(10);
    group.bench_function("10^9 targets, ten years", |bencher| {
        bencher.iter(|| {
            let planned = plan(&scenario, &rates(), &options).expect("a plan");
            assert!(planned.best.bins.is_some());
        });
    });
    group.finish();
}

/// The floor of a history is the list that it starts with.
fn generating(c: &mut Criterion) {
    let scenario = scenario(100_000);
    let mut group = c.benchmark_group("generate, 100,000 targets");
    group.sample_size(10);
    group.bench_function("the first list", |bencher| {
        bencher.iter(|| {
            let list = Synthetic::new(&scenario, 1).start();
            assert!(list.rows().len() > 99_000);
        });
    });
    group.bench_function("30 publishes", |bencher| {
        bencher.iter(|| {
            let mut trace = Synthetic::new(&scenario, 1);
            for _ in 0..30 {
                assert!(trace.publish().expect("changes").is_some());
            }
        });
    });
    group.finish();
}

fn replaying(c: &mut Criterion) {
    let scenario = scenario(10_000);
    let mut group = c.benchmark_group("replay, 10,000 targets, 31 publishes, 37 visits");
    group.sample_size(10);
    let options = ReplayOptions { ladder: Ladder::default(), seed: 1, visitors: 12 };
    for layout in ["bins-succinct:256", "projects-wildcard"] {
        let layout = layout.parse().expect("a layout");
        group.bench_function(format!("{layout}"), |bencher| {
            bencher.iter(|| {
                let work = tempfile::tempdir().expect("a folder");
                let replayed =
                    replay(&scenario, layout, options, work.path(), &|_, _| ()).expect("costs");
                assert_eq!(replayed.costs.clients.len(), scenario.client.len());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, predicting, planning, generating, replaying);
criterion_main!(benches);
