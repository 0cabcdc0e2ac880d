//! What a month costs a returning user under each design, from today's index on; and what deltas save after any gap.
//!
//! Everything here is at the scenario's own cadence, with a year of history. Whether all roles were signed again since the
//! last visit depends on when it was: a cost is the mean over the whole time from one such signing to the next.

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;

use super::{GapCost, MonthCost, SUCCINCT};
use crate::Error;
use crate::cost::{Costs, Provenance, Transfer};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::literature::mercury;
use crate::plan::today;
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::scenario::{Client, ClientKind, DAY_S, Figure, Scenario};
use crate::workload::{Activity, Experiment};

/// Seconds of a month of thirty days, as Mercury's.
const MONTH_S: u64 = 30 * DAY_S;

/// Bins are tried from this power of two to that.
const BITS: std::ops::RangeInclusive<u32> = 8..=24;

/// Bins behind proofs.
const PROOFS: LayoutSpec = LayoutSpec { snapshot: Snapshots::Merkle, ..SUCCINCT };

/// How often the index is doubled.
const DOUBLINGS: u32 = 6;

/// Bins of PEP 458, as a power of two.
const PEP_458_BITS: u32 = 14;

/// Longer than any history here.
const NEVER_S: u64 = 1 << 40;

/// What a patch of Mercury's costs for each project that changed: 23 kB after a month for 3,612 of them.
const MERCURY_BYTES_PER_PROJECT: f64 = 23_000.0 / mercury::PROJECTS_CHANGED as f64;

/// How metadata reach a user.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// PEP 458 as it is written: 16,384 bins by prefixes, all signed again daily, whole files as they are.
    Pep458,
    /// Bins of the best number by TAP 15, whole files in gzip.
    BinsAlone,
    /// The same bins with a proof for each role instead of a snapshot (TAP 16).
    Proofs,
    /// Proofs for as many bins as are tried at all, with hardly a target in each. Every publish changes every proof.
    ManyProofs,
    /// One signed list of projects and versions, sent as JSON patches in bzip2. It lists no target.
    Mercury,
    /// Bins of the best number, with deltas.
    Deltas,
}

/// Who visits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum User {
    /// Once a month, for one package: what PEP 458 and Mercury count.
    OnePackage,
    /// The scenario's first returning client, as often as its gap says.
    Project,
}

impl Design {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pep458,
        Self::BinsAlone,
        Self::Proofs,
        Self::ManyProofs,
        Self::Mercury,
        Self::Deltas,
    ];

    /// What legends call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pep458 => "PEP 458, whole files",
            Self::BinsAlone => "best bins, gzip",
            Self::Proofs => "TAP 16's proofs, same bins",
            Self::ManyProofs => "TAP 16, 16.8 million bins",
            Self::Mercury => "Mercury's list",
            Self::Deltas => "tufold: best bins, deltas",
        }
    }

    /// What tables call it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Pep458 => "pep-458",
            Self::BinsAlone => "bins-alone",
            Self::Proofs => "proofs",
            Self::ManyProofs => "many-proofs",
            Self::Mercury => "mercury",
            Self::Deltas => "deltas",
        }
    }

    fn layout(self) -> Option<LayoutSpec> {
        match self {
            Self::Pep458 => {
                let layout = LayoutSpec { form: Form::BinsPrefixes, ..SUCCINCT };
                Some(layout.with_bits(PEP_458_BITS))
            }
            Self::BinsAlone | Self::Deltas => Some(SUCCINCT),
            Self::Proofs => Some(PROOFS),
            Self::ManyProofs => Some(PROOFS.with_bits(*BITS.end())),
            Self::Mercury => None,
        }
    }

    /// The transfer that a client of the design does.
    fn transfer(self, costs: &Costs, at: usize) -> Transfer {
        let Some(client) = costs.clients.get(at) else { return Transfer::default() };
        match self {
            Self::Pep458 => client.plain,
            Self::BinsAlone | Self::Proofs | Self::ManyProofs | Self::Mercury => client.gzip,
            Self::Deltas => client.delta.unwrap_or(client.gzip),
        }
    }
}

impl User {
    /// What tables call it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::OnePackage => "one-package",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnePackage => "one package a month",
            Self::Project => "a project's packages",
        })
    }
}

/// A month of both users under each design, from once to 64 times the index.
pub(super) fn costs(
    scenario: &Scenario,
    rates: &Rates,
    ladder: Ladder,
) -> Result<Vec<MonthCost>, Error> {
    let sizes = (0..=DOUBLINGS).map(|doubling| 1_u64 << doubling);
    let cells: Vec<(u64, Design)> =
        sizes.flat_map(|times| Design::ALL.map(|design| (times, design))).collect();
    let rows: Result<Vec<Vec<MonthCost>>, Error> = cells
        .into_par_iter()
        .map(|(times, design)| month(scenario, rates, ladder, times, design))
        .collect();
    Ok(rows?.into_iter().flatten().collect())
}

/// One design at one size, for both users.
fn month(
    scenario: &Scenario,
    rates: &Rates,
    ladder: Ladder,
    times_today: u64,
    design: Design,
) -> Result<Vec<MonthCost>, Error> {
    let targets = scenario.index.targets.value * times_today;
    let (mut begin, experiment) = today(&with_users(&scenario.scaled(targets)));
    if design == Design::Pep458 {
        begin.expiry.resign_bins_every_s.value = DAY_S;
    }
    let mut never = begin.clone();
    never.expiry.resign_bins_every_s.value = NEVER_S;
    let never = Predictor::new(&never, experiment, rates.clone(), ladder)?;
    let phases = Phases::new(&begin, experiment, rates, ladder)?;
    let tried: Vec<LayoutSpec> = match design.layout() {
        None => Vec::new(),
        Some(layout) if layout.bin_count().is_some() => vec![layout],
        Some(layout) => BITS.map(|bits| layout.with_bits(bits)).collect(),
    };
    // Proofs alone would want a bin for each target; they get the bins that whole files want.
    let judged = |layout: LayoutSpec| match design {
        Design::Proofs => LayoutSpec { snapshot: Snapshots::Versions, ..layout },
        _ => layout,
    };
    let tried: Vec<(LayoutSpec, [Costs; 2])> = tried
        .into_iter()
        .map(|layout| Ok((layout, phases.costs(judged(layout))?)))
        .collect::<Result<_, Error>>()?;
    let download = begin.index.average_download_bytes.value as f64;
    let mut rows = Vec::new();
    for (at, client) in begin.client.iter().enumerate() {
        let gap_s = client.gap_s.as_ref().map_or(MONTH_S, |gap| gap.value);
        let visits = MONTH_S as f64 / gap_s as f64;
        let bytes = |costs: &[Costs; 2]| phases.mean(design, costs, at, gap_s);
        let best = tried.iter().map(|(layout, costs)| (*layout, bytes(costs)));
        let best = best.min_by(|a, b| a.1.total_cmp(&b.1));
        let (bins, quiet, mean) = match best {
            None => {
                let bytes = mercury_visit(&begin, experiment, gap_s);
                (None, bytes, bytes)
            }
            Some((layout, judged_bytes)) => {
                let mean = match design {
                    Design::Proofs => bytes(&phases.costs(layout)?),
                    _ => judged_bytes,
                };
                let quiet = design.transfer(&never.predict(layout)?, at).bytes;
                (layout.bin_count(), quiet, mean)
            }
        };
        rows.push(MonthCost {
            design,
            user: if at == 0 { User::OnePackage } else { User::Project },
            times_today,
            targets,
            bins,
            bytes: visits * mean,
            resign_bytes: visits * (mean - quiet),
            percent: 100.0 * visits * mean / download,
            provenance: match design {
                Design::Proofs | Design::ManyProofs | Design::Mercury => Provenance::PredictedOnly,
                _ => Provenance::Predicted,
            },
        });
    }
    Ok(rows)
}

/// The scenario with the two users as its clients.
fn with_users(scenario: &Scenario) -> Scenario {
    let figure = |value| Figure { value, source: "a month, as Mercury counts".to_owned() };
    let returning = scenario.client.iter().find(|client| client.kind == ClientKind::Returning);
    let one = returning.map(|client| Client {
        name: User::OnePackage.to_string(),
        gap_s: Some(figure(MONTH_S)),
        packages: Some(figure(1)),
        ..client.clone()
    });
    let client = one.into_iter().chain(returning.cloned()).collect();
    Scenario { client, ..scenario.clone() }
}

/// What a list of versions costs that is patched: only projects that changed count, and nothing is ever signed again but
/// the list.
fn mercury_visit(scenario: &Scenario, experiment: Experiment, gap_s: u64) -> f64 {
    let listed = LayoutSpec { form: Form::ProjectsWildcard, ..SUCCINCT };
    let activity = Activity::new(scenario, experiment);
    let publishes = gap_s as f64 / experiment.interval_s as f64;
    activity.changes(listed, publishes).roles * MERCURY_BYTES_PER_PROJECT
}

/// A history that ends just before everything is signed again, and one that ends just after.
struct Phases<'s> {
    before: Predictor<'s>,
    after: Predictor<'s>,
    every_s: u64,
}

impl<'s> Phases<'s> {
    fn new(
        scenario: &'s Scenario,
        experiment: Experiment,
        rates: &Rates,
        ladder: Ladder,
    ) -> Result<Self, Error> {
        let every_s = scenario.expiry.resign_bins_every_s.value;
        let interval_s = experiment.interval_s;
        let rounds = (experiment.publishes * interval_s / every_s).max(1);
        let ending = |publishes: u64| {
            let experiment = Experiment { publishes: publishes.max(1), ..experiment };
            Predictor::new(scenario, experiment, rates.clone(), ladder)
        };
        let before = ending(((rounds + 1) * every_s).div_ceil(interval_s) - 1)?;
        Ok(Self { before, after: ending((rounds * every_s).div_ceil(interval_s))?, every_s })
    }

    /// Just after everything was signed again, and just before.
    fn costs(&self, layout: LayoutSpec) -> Result<[Costs; 2], Error> {
        Ok([self.after.predict(layout)?, self.before.predict(layout)?])
    }

    /// One visit, as the mean of all phases.
    fn mean(&self, design: Design, [after, before]: &[Costs; 2], at: usize, gap_s: u64) -> f64 {
        let share = (gap_s as f64 / self.every_s as f64).min(1.0);
        let bytes = |costs: &Costs| design.transfer(costs, at).bytes;
        share * bytes(after) + (1.0 - share) * bytes(before)
    }
}

/// Gaps from ten minutes to a year.
const GAPS_S: [u64; 12] = [
    600,
    3_600,
    6 * 3_600,
    12 * 3_600,
    DAY_S,
    2 * DAY_S,
    4 * DAY_S,
    7 * DAY_S,
    14 * DAY_S,
    30 * DAY_S,
    90 * DAY_S,
    360 * DAY_S,
];

/// One visit of the scenario's first returning client after each gap, by whole files and by deltas, each index in the bins
/// that are best for whole files.
pub(super) fn gaps(
    scenario: &Scenario,
    rates: &Rates,
    ladder: Ladder,
) -> Result<Vec<GapCost>, Error> {
    let mut rows = Vec::new();
    let Some(returning) = scenario.client.iter().find(|c| c.kind == ClientKind::Returning) else {
        return Ok(rows);
    };
    for times_today in [1, 8, 64] {
        let scaled = scenario.scaled(scenario.index.targets.value * times_today);
        let (mut begin, experiment) = today(&scaled);
        let best = Predictor::new(&begin, experiment, rates.clone(), ladder)?;
        let layout = SUCCINCT.with_bits(crate::plan::cheapest_bits(&best, SUCCINCT)?);
        drop(best);
        let client = |gap_s: u64| Client {
            name: gap_s.to_string(),
            gap_s: Some(Figure { value: gap_s, source: "a gap of the plot".to_owned() }),
            ..returning.clone()
        };
        begin.client = GAPS_S.iter().map(|&gap_s| client(gap_s)).collect();
        let phases = Phases::new(&begin, experiment, rates, ladder)?;
        let costs = phases.costs(layout)?;
        for (at, gap_s) in GAPS_S.into_iter().enumerate() {
            let gzip_bytes = phases.mean(Design::BinsAlone, &costs, at, gap_s);
            let delta_bytes = phases.mean(Design::Deltas, &costs, at, gap_s);
            let bins = layout.bin_count().unwrap_or(1);
            rows.push(GapCost { times_today, gap_s, bins, gzip_bytes, delta_bytes });
        }
    }
    Ok(rows)
}
