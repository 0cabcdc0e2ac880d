//! Ladder policies over gaps: replayed at the smallest size and at a larger one, predicted there for longer gaps.

use tufold_delta::Ladder;

use super::{LadderCost, SUCCINCT};
use crate::Error;
use crate::cost::{Costs, Provenance};
use crate::grid::{Cells, Event, Grid};
use crate::layout::LayoutSpec;
use crate::plan::cheapest_bits;
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::replay::{ReplayOptions, replay};
use crate::scenario::{Client, ClientKind, Figure, Scenario};
use crate::workload::Experiment;

/// Each policy once.
pub(super) const POLICIES: [&str; 5] =
    ["pow2:1024", "climb:1024", "chain:1024", "direct:30", "tiered:1024"];

/// A publish an hour.
const INTERVAL_S: u64 = 3_600;

/// Publishes of a replay; gaps are powers of two up to as many.
const PUBLISHES: u64 = 33;

/// How far predictions go.
const LONGEST_GAP: u64 = 2_048;

/// At sizes that are replayed; at the grid's smallest if there is none.
pub(super) fn costs(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    replayed: &[u64],
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Vec<LadderCost>, Error> {
    let (mut rows, mut cells) = (Vec::new(), Cells::of(grid)?);
    let sizes = if replayed.is_empty() { &[grid.from] } else { replayed };
    for &targets in sizes {
        at_size(&scenario.scaled(targets), rates, grid, &mut cells, &mut rows, progress)?;
    }
    Ok(rows)
}

fn at_size(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    cells: &mut Cells<'_>,
    rows: &mut Vec<LadderCost>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    let mut hourly = with_gaps(scenario, 32);
    let experiment = Experiment { interval_s: INTERVAL_S, publishes: PUBLISHES };
    let predictor = Predictor::new(&hourly, experiment, rates.clone(), grid.options.ladder)?;
    let layout = SUCCINCT.with_bits(cheapest_bits(&predictor, SUCCINCT)?);
    hourly.replay.interval_s.value = INTERVAL_S;
    hourly.replay.publishes.value = PUBLISHES;
    let long_gaps = with_gaps(scenario, LONGEST_GAP);
    let season = Experiment { interval_s: INTERVAL_S, publishes: LONGEST_GAP + 1 };
    let targets = scenario.index.targets.value;
    for policy in POLICIES {
        let ladder: Ladder = policy.parse().map_err(|_| Error::Nothing(policy.to_owned()))?;
        if targets <= grid.replay_to {
            let options = ReplayOptions { ladder, ..grid.options };
            let name = format!("ladder {policy}, {targets} targets");
            let step = |at, of| progress(Event::Publish(name.clone(), at, of));
            let key = cells.key(&format!("ladder {policy}"), &hourly, layout)?;
            let replayed =
                cells.replayed(key, &mut || replay(&hourly, layout, options, &grid.work, &step))?;
            progress(Event::Cell);
            if let Some(noted) = replayed {
                let costs = &noted.replayed.costs;
                add(rows, ladder, layout, targets, Provenance::Measured, costs);
            }
        }
        let predictor = Predictor::new(&long_gaps, season, rates.clone(), ladder)?;
        let costs = predictor.predict(layout)?;
        add(rows, ladder, layout, targets, Provenance::Predicted, &costs);
    }
    Ok(())
}

/// The scenario's first returning client once for each gap, and nobody else.
fn with_gaps(scenario: &Scenario, longest: u64) -> Scenario {
    let returning = scenario.client.iter().find(|client| client.kind == ClientKind::Returning);
    let gaps = (0..=longest.ilog2()).map(|power| 1_u64 << power);
    let client = |gap: u64| {
        returning.map(|client| Client {
            name: gap.to_string(),
            gap_s: Some(Figure {
                value: gap * INTERVAL_S,
                source: "a power of two publishes".to_owned(),
            }),
            ..client.clone()
        })
    };
    Scenario { client: gaps.filter_map(client).collect(), ..scenario.clone() }
}

fn add(
    rows: &mut Vec<LadderCost>,
    ladder: Ladder,
    layout: LayoutSpec,
    targets: u64,
    provenance: Provenance,
    costs: &Costs,
) {
    for client in &costs.clients {
        let Some((delta, gap)) = client.delta.zip(client.client.parse().ok()) else { continue };
        rows.push(LadderCost {
            ladder: ladder.to_string(),
            layout: layout.to_string(),
            targets,
            gap,
            provenance,
            bytes: delta.bytes,
            requests: delta.requests,
            gzip_bytes: client.gzip.bytes,
            written_bytes: costs.publisher.delta_bytes,
            written_files: costs.publisher.delta_files,
        });
    }
}
