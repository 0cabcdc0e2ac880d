//! The bins double while the index does: each time that another number of bins costs least, the real publisher splits them, and
//! the real client goes on.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cost::{Provenance, Row};
use crate::grid::{Cells, Deviation, Event, Grid, compare, doublings};
use crate::layout::LayoutSpec;
use crate::predict::Predictor;
use crate::predict::rebin::Missed;
use crate::rates::Rates;
use crate::replay::{experiment, recount, replay_rebin};
use crate::scenario::{Client, ClientKind, Figure, Scenario};
use crate::workload::Experiment;

/// In so many publishes the index doubles; the next one gives it other bins.
const PUBLISHES: u64 = 8;

/// What a returning client is called that has missed nothing but the change.
pub const CURRENT: &str = "current";

/// A live change of the bins: what the publish costs that makes it, and the next visit of each client. Bytes of a day are those
/// of the day of the change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RebinRow {
    /// The bins before.
    pub from_bins: u64,
    /// The costs, in the layout after it. Targets are those at the change, when the index has doubled.
    #[serde(flatten)]
    pub row: Row,
}

/// The scenario with releases that double the index, and with a client that is always current.
pub(crate) fn doubling(scenario: &Scenario) -> Scenario {
    let mut doubling = scenario.clone();
    let publish = &scenario.publish;
    let (new, removed) = (publish.new_project_share.value, publish.removal_share.value);
    let files = scenario.paths.files.value.len() as f64;
    let pages = scenario.targets_of_first_release() as f64 - files;
    let each = files * (1.0 - 2.0 * removed) + pages * new;
    let publishes = PUBLISHES as f64;
    let days = scenario.replay.interval_s.value as f64 / crate::scenario::DAY_S as f64;
    let targets = scenario.index.targets.value as f64;
    doubling.publish.releases_per_day.value = targets / each / publishes / days;
    doubling.replay.publishes.value = PUBLISHES + 1;
    let returning = scenario.client.iter().position(|c| c.kind == ClientKind::Returning);
    if let Some(at) = returning {
        let gap = Figure {
            value: scenario.replay.interval_s.value,
            source: "has missed nothing but the change".to_owned(),
        };
        let current =
            Client { name: CURRENT.to_owned(), gap_s: Some(gap), ..scenario.client[at].clone() };
        doubling.client.insert(at, current);
    }
    doubling
}

/// Sizes of a grid that follow each other, the layouts that cost least there, and the scenario at the first.
pub(crate) struct Step {
    pub(crate) targets: u64,
    pub(crate) from: LayoutSpec,
    pub(crate) to: LayoutSpec,
}

impl Step {
    /// Whether both sizes are replayed.
    pub(crate) fn is_replayed(&self, grid: &Grid) -> bool {
        2 * self.targets <= grid.replay_to
    }
}

/// Prices each change, and replays those whose sizes are replayed.
pub(crate) fn rows(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    steps: &[Step],
    cells: &mut Cells<'_>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<(Vec<RebinRow>, Vec<Deviation>), Error> {
    let (mut rows, mut agreement) = (Vec::new(), Vec::new());
    for step in steps {
        let Step { targets, from, to } = *step;
        let doubling = doubling(&scenario.scaled(targets));
        let Experiment { interval_s, publishes } = experiment(&doubling);
        let before = Experiment { interval_s, publishes: publishes - 1 };
        let predictor = Predictor::new(&doubling, before, rates.clone(), grid.options.ladder)?;
        let expected = predictor.rebin(from, to, Missed::ItsGap)?;
        let row = |provenance, costs| RebinRow {
            from_bins: from.bin_count().unwrap_or(1),
            row: Row {
                scenario: scenario.name.clone(),
                doubling: doublings(scenario.index.targets.value, 2 * targets),
                layout: to.to_string(),
                bins: to.bin_count(),
                ladder: grid.options.ladder.to_string(),
                targets: 2 * targets,
                interval_s,
                publishes,
                provenance,
                costs,
            },
        };
        if step.is_replayed(grid) {
            let name = format!("{from} to {}", to.bin_count().unwrap_or(1));
            let key = cells.key(&format!("rebin to {to}"), &doubling, from)?;
            let replayed = cells.replayed(key, &mut || {
                let step = |at, of| progress(Event::Publish(name.clone(), at, of));
                replay_rebin(&doubling, (from, to), grid.options, &grid.work, &step)
            })?;
            let again = &|| recount(&doubling, (from, Some(to)), grid.options);
            let replayed = cells.counted(replayed, again)?;
            progress(Event::Cell);
            if let Some(replayed) = replayed {
                let predicted = predictor.price_rebin(to, &replayed.counted)?;
                let costs = [&replayed.costs, &predicted, &expected];
                compare(&name, 2 * targets, costs, &mut agreement);
                rows.push(row(Provenance::Measured, replayed.costs));
            }
        }
        rows.push(row(Provenance::Predicted, expected));
    }
    Ok((rows, agreement))
}
