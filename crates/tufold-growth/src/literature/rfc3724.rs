//! RFC 3724 of Rust, section "Unresolved Questions", TAP-16: what updates cost a crate with one dependency and one with a
//! thousand, and what they will when there are tens of millions of crates and billions of versions.
//!
//! The RFC prints no figure, so here is the answer: bytes of one visit by the predictor, from exact lengths of what
//! tufold writes and measured rates of its codecs, in the scenario crates-io; and the number of bins for which they are
//! fewest, from 16 on. A dependency needs two targets: the crate's index file and a version.

use tufold_delta::Ladder;

use super::{Line, Lines};
use crate::cost::{ClientCost, Transfer};
use crate::layout::{Bins, Form, LayoutSpec, Snapshots};
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::scenario::{Client, ClientKind, DAY_S, Figure, Index, Scenario};
use crate::workload::{Activity, Experiment};
use crate::{Error, math};

const QUESTION: &str = "RFC 3724, Unresolved Questions, TAP-16";

/// Crates and versions: the scenario's own, and on to what the RFC asks for.
pub const SCALES: [(u64, u64); 5] = [
    (170_000, 1_700_000),
    (1_000_000, 20_000_000),
    (10_000_000, 300_000_000),
    (30_000_000, 1_000_000_000),
    (50_000_000, 5_000_000_000),
];

/// Dependencies of the RFC's two crates.
pub const DEPENDENCIES: [u64; 2] = [1, 1_000];

/// How long a returning client was away: a week.
const GAP_S: u64 = 7 * DAY_S;

/// How many publishes there have been: a year's.
const HISTORY_DAYS: u64 = 365;

/// Which numbers of bins are tried, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 4..=30;

/// The rates of deltas were measured on bins of up to 9,250 targets. With more targets in a bin there is no figure.
const MOST_TARGETS_FOR_DELTAS: u64 = 8_192;

/// Deltas reach back past a week of a publish a minute.
const LADDER: Ladder = Ladder::Pow2 { horizon: 16_384 };

/// How a client gets the metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Whole files, as they are: bins alone.
    Plain,
    /// Whole files in gzip.
    Gzip,
    /// Deltas.
    Deltas,
    /// TAP 16, which the RFC proposes: a proof for each bin instead of a snapshot. Nothing here implements it.
    Merkle,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Gzip, Self::Deltas, Self::Merkle];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Deltas => "deltas",
            Self::Merkle => "TAP 16",
        }
    }

    const fn snapshots(self) -> Snapshots {
        match self {
            Self::Merkle => Snapshots::Merkle,
            Self::Plain | Self::Gzip | Self::Deltas => Snapshots::Versions,
        }
    }

    fn of(self, cost: &ClientCost) -> Transfer {
        match self {
            Self::Plain => cost.plain,
            // Proofs are hashes in hex, so they are worth compressing.
            Self::Gzip | Self::Merkle => cost.gzip,
            Self::Deltas => cost.delta.unwrap_or(cost.gzip),
        }
    }
}

/// The cheapest visit of one client in one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// With so many bins.
    pub bins: u64,
    /// It costs this.
    pub transfer: Transfer,
}

/// The scenario with so many crates and versions. More is published, as there are more versions.
pub fn scenario(crates: u64, versions: u64) -> Result<Scenario, Error> {
    let mut scenario = Scenario::load("crates-io")?.scaled(crates + versions);
    scenario.index.projects.value = crates;
    let figure = |value| Figure { value, source: QUESTION.to_owned() };
    let client = |dependencies, kind: ClientKind| Client {
        name: format!(
            "{dependencies} {}",
            if kind == ClientKind::Cold { "cold" } else { "returning" }
        ),
        kind,
        gap_s: (kind == ClientKind::Returning).then(|| figure(GAP_S)),
        packages: Some(figure(dependencies)),
        popularity_exponent: Some(Figure { value: 1.0, source: "assumed: Zipf's law".to_owned() }),
        visits_per_day: Figure { value: 0.0, source: "none: only single visits count".to_owned() },
    };
    let kinds = [ClientKind::Cold, ClientKind::Returning];
    scenario.client =
        DEPENDENCIES.into_iter().flat_map(|d| kinds.map(|kind| client(d, kind))).collect();
    Ok(scenario)
}

/// The scenario as it was when the history began, so that it is as large as it says at the end.
fn begin(scenario: &Scenario, experiment: Experiment) -> Scenario {
    let activity = Activity::new(scenario, experiment);
    let (pages, files) = activity.listed(experiment.publishes as f64);
    let mut begin = scenario.clone();
    let Index { targets, projects, .. } = &mut begin.index;
    let factor = targets.value as f64 / (pages + files);
    targets.value = math::round(targets.value as f64 * factor);
    projects.value = math::round(projects.value as f64 * factor);
    begin
}

/// For each client of `scenario`, its cheapest visit in each way.
pub fn answer(scenario: &Scenario) -> Result<Vec<[Answer; 4]>, Error> {
    let interval_s = scenario.publish.interval_s.value;
    let publishes = HISTORY_DAYS * DAY_S / interval_s;
    let experiment = Experiment { interval_s, publishes };
    let begin = begin(scenario, experiment);
    let predictor = Predictor::new(&begin, experiment, Rates::of("crates-io")?, LADDER)?;
    let nothing =
        Answer { bins: 0, transfer: Transfer { bytes: f64::INFINITY, ..Transfer::default() } };
    let mut best = vec![[nothing; 4]; scenario.client.len()];
    for bits in BITS {
        for snapshot in [Snapshots::Versions, Snapshots::Merkle] {
            let layout = LayoutSpec { form: Form::BinsSuccinct, bins: Bins::Bits(bits), snapshot };
            let costs = predictor.predict(layout)?;
            for (best, cost) in best.iter_mut().zip(&costs.clients) {
                for (best, way) in best.iter_mut().zip(Way::ALL) {
                    let transfer = way.of(cost);
                    // A first visit fetches bins whole.
                    let is_known = way != Way::Deltas
                        || cost.kind == ClientKind::Cold
                        || scenario.index.targets.value >> bits <= MOST_TARGETS_FOR_DELTAS;
                    let is_better = transfer.bytes < best.transfer.bytes;
                    if way.snapshots() == snapshot && is_known && is_better {
                        *best = Answer { bins: 1 << bits, transfer };
                    }
                }
            }
        }
    }
    Ok(best)
}

/// 1,700,000 as `1.7 M`.
fn short(count: u64) -> String {
    let (unit, name) = match count {
        1_000_000_000.. => (1e9, "G"),
        1_000_000.. => (1e6, "M"),
        _ => (1e3, "k"),
    };
    format!("{} {name}", count as f64 / unit)
}

pub(super) fn lines() -> Result<Lines, Error> {
    let mut lines = Vec::new();
    let mut all = Vec::new();
    for (crates, versions) in SCALES {
        let scenario = scenario(crates, versions)?;
        let answers = answer(&scenario)?;
        for (client, answers) in scenario.client.iter().zip(&answers) {
            let index = format!("{} crates, {} versions", short(crates), short(versions));
            for (way, answer) in Way::ALL.into_iter().zip(answers) {
                let quantity = format!(
                    "{index}; {}, {}, 2^{} bins",
                    client.name,
                    way.name(),
                    answer.bins.ilog2()
                );
                let kb = (answer.transfer.bytes / 100.0).round() / 10.0;
                lines.push(Line::new(quantity, "kB", QUESTION).real(kb));
            }
        }
        all.push(answers);
    }
    let kb = |scale: usize, client: usize, way: usize| {
        let answers: &Vec<[Answer; 4]> = &all[scale];
        math::round(answers[client][way].transfer.bytes / 1e3)
    };
    let last = SCALES.len() - 1;
    let notes = vec![
        format!(
            "with a thousand dependencies, a visit after a week costs {} kB plain and {} kB with deltas today, {} and {} kB \
             at {} versions; TAP 16's proofs {} and {} kB",
            kb(0, 3, 0),
            kb(0, 3, 2),
            kb(last, 3, 0),
            kb(last, 3, 2),
            short(SCALES[last].1),
            kb(0, 3, 3),
            kb(last, 3, 3),
        ),
        format!(
            "with one dependency, {} kB plain and {} kB with deltas today, {} and {} kB then; TAP 16's proofs {} and {} kB",
            kb(0, 1, 0),
            kb(0, 1, 2),
            kb(last, 1, 0),
            kb(last, 1, 2),
            kb(0, 1, 3),
            kb(last, 1, 3),
        ),
        "real: predicted from exact lengths and measured codec rates, each line with its own best number of bins; a year of \
         publishes a minute, bins signed again every 45 days; TAP 16 in gzip and predicted only"
            .to_owned(),
        format!(
            "deltas: of bins of up to {MOST_TARGETS_FOR_DELTAS} targets only, as their rates were measured on no larger ones; \
             whoever returns may pay less with fewer bins"
        ),
    ];
    Ok((lines, notes))
}
