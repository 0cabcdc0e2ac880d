//! Plans: what is cheap wins, and nothing takes time that grows with the index.

use tufold_delta::Ladder;
use tufold_growth::{Deltas, PlanOptions, Planned, Rates, Scenario, Weights, plan};

fn planned(scenario: &str, readable_by: &[&str]) -> Planned {
    plan_of(&Scenario::load(scenario).expect("a scenario"), readable_by)
}

fn plan_of(scenario: &Scenario, readable_by: &[&str]) -> Planned {
    let rates = Rates::of(&scenario.name).expect("its rates");
    let options = PlanOptions {
        ladder: Ladder::default(),
        weights: Weights::default(),
        readable_by: readable_by.iter().map(|name| (*name).to_owned()).collect(),
        deltas: Deltas::Taken,
        years: 6,
    };
    plan(scenario, &rates, &options).expect("a plan")
}

#[test]
fn the_winner_is_the_cheapest_on_the_front() {
    for scenario in ["pypi-today", "billion"] {
        let plan = planned(scenario, &["python-tuf"]);
        let allowed = plan.candidates.iter().filter(|priced| priced.shuts_out.is_empty());
        assert!(allowed.clone().all(|priced| priced.price >= plan.best.price), "{scenario}");
        assert!(plan.best.on_front && plan.best.bins.is_some(), "{scenario}: {}", plan.best.layout);
        assert!(plan.why.len() > 3 && plan.sensitivity.len() == 12, "{scenario}");
        assert!(plan.sensitivity.iter().all(|row| row.regret_percent >= 0.0), "{scenario}");
        assert!(plan.schedule.windows(2).all(|pair| pair[0].to_bins == pair[1].from_bins));
    }
}

#[test]
fn nothing_is_free_however_large_the_index() {
    for name in tufold_growth::scenario_names() {
        let scenario = Scenario::load(name).expect("a scenario");
        for targets in [10_000, 10_000_000_000] {
            for priced in plan_of(&scenario.scaled(targets), &[]).candidates {
                for client in &priced.costs.clients {
                    let delta = client.delta.map_or(f64::INFINITY, |delta| delta.bytes);
                    let least = client.gzip.bytes.min(client.zstd.bytes).min(delta);
                    assert!(least > 300.0, "{name}, {targets}, {}: {client:?}", priced.layout);
                }
            }
        }
    }
}

#[test]
fn a_reader_that_must_not_be_shut_out_is_not() {
    let plan = planned("drupal", &["tough"]);
    assert!(plan.best.layout.starts_with("bins-prefixes"), "{}", plan.best.layout);
    assert!(plan.best.costs.refused.iter().all(|refusal| refusal.client != "tough"));
}
