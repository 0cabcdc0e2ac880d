//! Plans: what is cheap wins, and nothing takes time that grows with the index.

use tufold_delta::Ladder;
use tufold_growth::{Deltas, PlanOptions, Planned, Provenance, Rates, Scenario, Weights, plan};

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

/// Each doubling says what it costs whom, and deltas spare each reader most of it.
#[test]
fn doublings_are_priced_for_everyone() {
    for name in ["pypi-today", "billion"] {
        let plan = planned(name, &[]);
        assert!(!plan.schedule.is_empty(), "{name}");
        for doubling in &plan.schedule {
            let price = &doubling.price;
            let (from, to) = (doubling.from_bins as f64, doubling.to_bins as f64);
            assert_eq!(price.provenance, Provenance::Predicted);
            // Every new bin, the snapshot, the timestamp, and what delegates to the bins.
            assert_eq!(price.metadata_files, to + 3.0, "{name}");
            assert!(
                price.delta_files > from && price.delta_files < from + 60.0,
                "{name}: {price:?}"
            );
            // A byte more after 128 versions, and one more after 16,384.
            assert!((140.0..=142.0).contains(&price.bytes_per_held_bin), "{name}: {price:?}");
            let one = price.thin_bytes_for(1.0);
            let most = price.thin_bytes_for(price.held_bins);
            assert!((most - price.thin_bytes).abs() < 1e-6);
            assert!(one < price.thin_bytes && one < 500.0 + 300.0 + 0.3 * to, "{name}: {price:?}");
            assert!(10.0 * price.thin_bytes < price.gzip_bytes, "{name}: {price:?}");
            assert!(price.gzip_bytes < price.plain_bytes);
            assert!(price.mirror_bytes < 66.0 * to + 1_000.0 + 0.5 * to, "{name}: {price:?}");
            assert!(price.mirror_bytes < price.mirror_plain_bytes && price.cpu_ms > Some(0.0));
            assert!(price.metadata_bytes > price.mirror_plain_bytes - 1.0, "{name}: {price:?}");
        }
    }
}
