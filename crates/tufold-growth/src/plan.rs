//! The best layout, why it wins, when to double its bins, and what would change that.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;

use crate::Error;
use crate::cost::{Costs, Transfer};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::predict::Predictor;
use crate::predict::rebin::Missed;
use crate::rates::Rates;
use crate::scenario::{Client, ClientKind, DAY_S, Scenario};
use crate::workload::Experiment;

mod doubling;

pub use doubling::DoublingPrice;

/// From how many bins to how many are tried, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 4..=26;

/// How long an index is taken to have been published.
const HISTORY_DAYS: u64 = 365;

/// What matters, and how much.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Which deltas are kept.
    pub ladder: Ladder,
    /// The worth of a byte sent to a client, of a byte published, and of a byte stored for a day.
    pub weights: Weights,
    /// Clients that have to be able to read it, as `Refusal` calls them.
    pub readable_by: Vec<String>,
    /// Whether clients take deltas; else they take gzip.
    pub deltas: Deltas,
    /// How many years the schedule covers.
    pub years: u32,
}

/// Whether the clients that are planned for take deltas.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Deltas {
    /// They do.
    Taken,
    /// They fetch whole files in gzip.
    Unknown,
}

/// The worth of a byte.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Weights {
    /// Sent to a client.
    pub egress: f64,
    /// Written by a publish.
    pub publish: f64,
    /// Stored, a day.
    pub storage: f64,
}

impl Default for Weights {
    /// A byte sent is worth a byte written, and a byte stored for a month.
    fn default() -> Self {
        Self { egress: 1.0, publish: 1.0, storage: 1.0 / 30.0 }
    }
}

/// A layout with its price.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Priced {
    /// The layout.
    pub layout: String,
    /// Its bins, if any.
    pub bins: Option<u64>,
    /// The weighted bytes of a day.
    pub price: f64,
    /// The mean visit of a cold client.
    pub cold_bytes: f64,
    /// The mean visit of a returning client.
    pub warm_bytes: f64,
    /// Bytes that are written in a day.
    pub published_bytes_per_day: f64,
    /// Bytes that are stored.
    pub stored_bytes: f64,
    /// Whether no other layout is at least as good in all four.
    pub on_front: bool,
    /// The required clients that it shuts out.
    pub shuts_out: Vec<String>,
    /// All its costs.
    pub costs: Costs,
}

/// A doubling of the bins.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Doubling {
    /// In how many days.
    pub in_days: f64,
    /// With how many targets.
    pub targets: u64,
    /// From how many bins.
    pub from_bins: u64,
    /// To how many.
    pub to_bins: u64,
    /// What it costs, live.
    pub price: DoublingPrice,
    /// What a day's price falls by at the time.
    pub saved_per_day: f64,
}

/// What another assumption would do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Sensitivity {
    /// Which figure, and how it is changed.
    pub assumption: String,
    /// The best layout then.
    pub best: String,
    /// Its price in percent of today's.
    pub price_percent: f64,
    /// What keeping today's layout would cost more, in percent.
    pub regret_percent: f64,
}

/// One line of the question that was asked first: which delegations scale?
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeedRow {
    /// The layout.
    pub layout: String,
    /// A cold client's bytes: plain, in gzip, with deltas.
    pub cold_bytes: [f64; 3],
    /// A returning client's.
    pub warm_bytes: [f64; 3],
}

/// A plan.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Planned {
    /// The scenario's name.
    pub scenario: String,
    /// Targets today.
    pub targets: u64,
    /// The winner.
    pub best: Priced,
    /// Why it wins, in sentences.
    pub why: Vec<String>,
    /// When its bins should double.
    pub schedule: Vec<Doubling>,
    /// The best of each form, and the Pareto front.
    pub candidates: Vec<Priced>,
    /// What would change the answer.
    pub sensitivity: Vec<Sensitivity>,
    /// Listed projects against projects by pattern against bins.
    pub seed: Vec<SeedRow>,
}

/// As many bins as cost clients without deltas least.
pub(crate) fn cheapest_bits(predictor: &Predictor<'_>, layout: LayoutSpec) -> Result<u32, Error> {
    let mut best = (f64::INFINITY, 1);
    for bits in BITS {
        let costs = predictor.predict(layout.with_bits(bits))?;
        if costs.egress.gzip_bytes_per_day < best.0 {
            best = (costs.egress.gzip_bytes_per_day, bits);
        }
    }
    Ok(best.1)
}

/// As many bins as a list of so many targets of PyPI's shape is best spread over, for clients without deltas.
///
/// # Errors
/// [`Error::NoKey`].
pub fn bins_for(targets: u64, form: Form) -> Result<u64, Error> {
    let scenario = Scenario::load("pypi-today")?.scaled(targets.max(100));
    let (scenario, experiment) = today(&scenario);
    let rates = Rates::of("pypi-today")?;
    let predictor = Predictor::new(&scenario, experiment, rates, Ladder::default())?;
    let layout = LayoutSpec { form, bins: crate::Bins::Auto, snapshot: Snapshots::Versions };
    Ok(1 << cheapest_bits(&predictor, layout)?)
}

/// The scenario as it was when its history began, and that history.
pub(crate) fn today(scenario: &Scenario) -> (Scenario, Experiment) {
    let interval_s = scenario.publish.interval_s.value;
    let publishes = (HISTORY_DAYS * DAY_S / interval_s).max(1);
    let experiment = Experiment { interval_s, publishes };
    let targets = scenario.index.targets.value as f64;
    let activity = crate::workload::Activity::new(scenario, experiment);
    let (pages, files) = activity.listed(publishes as f64);
    let begin = scenario.scaled(crate::math::round(targets * targets / (pages + files)).max(1));
    // There were fewer targets, but as much was published as today.
    let mut begin = begin;
    begin.publish.releases_per_day = scenario.publish.releases_per_day.clone();
    for (client, now) in begin.client.iter_mut().zip(&scenario.client) {
        client.visits_per_day = now.visits_per_day.clone();
    }
    (begin, experiment)
}

/// Finds the best layout.
///
/// # Errors
/// [`Error::Nothing`] if no layout can be read by the required clients.
pub fn plan(scenario: &Scenario, rates: &Rates, options: &PlanOptions) -> Result<Planned, Error> {
    let (begin, experiment) = today(scenario);
    let predictor = Predictor::new(&begin, experiment, rates.clone(), options.ladder)?;
    let price = |layout: LayoutSpec| match predictor.predict(layout) {
        Ok(costs) => Ok(Some((layout, priced(layout, &begin, costs, options)))),
        Err(Error::Layout { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let all: Vec<_> = layouts().into_par_iter().map(price).collect::<Result<_, _>>()?;
    let mut all: Vec<_> = all.into_iter().flatten().collect();
    mark_front(&mut all);
    let allowed = all.iter().filter(|(_, priced)| priced.shuts_out.is_empty());
    let (layout, best) =
        allowed.min_by(|a, b| a.1.price.total_cmp(&b.1.price)).cloned().ok_or_else(|| {
            Error::Nothing(format!("no layout for {}", options.readable_by.join(", ")))
        })?;
    let why = why(&best, &all);
    let schedule = schedule(scenario, &predictor, layout, options)?;
    let sensitivity = sensitivity(scenario, &predictor, layout, best.price, options)?;
    let seed = seed(&predictor, layout)?;
    let candidates = candidates(all);
    Ok(Planned {
        scenario: scenario.name.clone(),
        targets: scenario.index.targets.value,
        best,
        why,
        schedule,
        candidates,
        sensitivity,
        seed,
    })
}

/// Every layout that a publisher can write.
fn layouts() -> Vec<LayoutSpec> {
    let mut all = Vec::new();
    for snapshot in [Snapshots::Versions, Snapshots::Hashes] {
        for form in Form::ALL {
            let layout = LayoutSpec { form, bins: crate::Bins::None, snapshot };
            if form.has_bins() {
                all.extend(BITS.map(|bits| layout.with_bits(bits)));
            } else {
                all.push(layout);
            }
        }
    }
    all
}

fn priced(layout: LayoutSpec, scenario: &Scenario, costs: Costs, options: &PlanOptions) -> Priced {
    let egress = match options.deltas {
        Deltas::Taken => costs.egress.delta_bytes_per_day,
        Deltas::Unknown => costs.egress.gzip_bytes_per_day,
    };
    let Weights { egress: of_egress, publish, storage } = options.weights;
    let stored = costs.storage.current_bytes + costs.storage.delta_bytes;
    let price = of_egress * egress + publish * costs.publisher.bytes_per_day + storage * stored;
    let mean = |kind| mean_visit(scenario, &costs, kind, options.deltas);
    let is_shut_out = |client: &&String| costs.refused.iter().any(|r| r.client == **client);
    Priced {
        layout: layout.to_string(),
        bins: layout.bin_count(),
        price,
        cold_bytes: mean(ClientKind::Cold),
        warm_bytes: mean(ClientKind::Returning),
        published_bytes_per_day: costs.publisher.bytes_per_day,
        stored_bytes: stored,
        on_front: false,
        shuts_out: options.readable_by.iter().filter(is_shut_out).cloned().collect(),
        costs,
    }
}

/// The mean of the visits of clients of a kind.
fn mean_visit(scenario: &Scenario, costs: &Costs, kind: ClientKind, deltas: Deltas) -> f64 {
    let of_kind = |(_, client): &(_, &Client)| client.kind == kind;
    let visits = || costs.clients.iter().zip(&scenario.client).filter(of_kind);
    let weight = |client: &Client| client.visits_per_day.value.max(1e-9);
    let all: f64 = visits().map(|(_, client)| weight(client)).sum();
    let bytes = visits().map(|(cost, client)| {
        let delta = cost.delta.filter(|_| deltas == Deltas::Taken);
        weight(client) * delta.map_or(cost.gzip.bytes, |delta| delta.bytes.min(cost.gzip.bytes))
    });
    if all > 0.0 { bytes.sum::<f64>() / all } else { 0.0 }
}

/// Marks the layouts that no other one beats in everything.
fn mark_front(all: &mut [(LayoutSpec, Priced)]) {
    let of = |p: &Priced| [p.cold_bytes, p.warm_bytes, p.published_bytes_per_day, p.stored_bytes];
    let points: Vec<[f64; 4]> = all.iter().map(|(_, priced)| of(priced)).collect();
    for (at, (_, priced)) in all.iter_mut().enumerate() {
        let beats = |other: &[f64; 4]| {
            let pairs = || other.iter().zip(&points[at]);
            pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
        };
        priced.on_front = !points.iter().any(beats);
    }
}

/// The best of each form and snapshot, and the front, by price.
fn candidates(all: Vec<(LayoutSpec, Priced)>) -> Vec<Priced> {
    let mut sorted = all;
    sorted.sort_by(|a, b| a.1.price.total_cmp(&b.1.price));
    let mut seen = std::collections::HashSet::new();
    let kept = sorted.into_iter().filter(|(layout, priced)| {
        let is_best = seen.insert((layout.form, layout.snapshot));
        is_best || priced.on_front
    });
    kept.map(|(_, priced)| priced).collect()
}

fn why(best: &Priced, all: &[(LayoutSpec, Priced)]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut sorted: Vec<&(LayoutSpec, Priced)> = all.iter().collect();
    sorted.sort_by(|a, b| a.1.price.total_cmp(&b.1.price));
    for form in Form::ALL {
        let other = sorted.iter().find(|(layout, _)| layout.form == form);
        let Some((_, other)) = other.filter(|(_, p)| p.layout != best.layout) else { continue };
        if !other.shuts_out.is_empty() {
            reasons.push(format!(
                "{} cannot be read by {}",
                other.layout,
                other.shuts_out.join(", ")
            ));
            continue;
        }
        let pairs = [
            ("cold visits", other.cold_bytes, best.cold_bytes),
            ("returning visits", other.warm_bytes, best.warm_bytes),
            ("publishing", other.published_bytes_per_day, best.published_bytes_per_day),
            ("storage", other.stored_bytes, best.stored_bytes),
        ];
        let (what, theirs, ours) = pairs
            .into_iter()
            .max_by(|a, b| (a.1 / a.2.max(1.0)).total_cmp(&(b.1 / b.2.max(1.0))))
            .unwrap_or(("price", other.price, best.price));
        reasons.push(format!(
            "{} costs {:.2} x as much a day, most of all for {what}: {:.2} x",
            other.layout,
            other.price / best.price.max(1.0),
            theirs / ours.max(1.0)
        ));
    }
    if let Some(bins) = best.bins {
        for other in [bins / 2, bins * 2] {
            let of_bins = |(_, p): &&&(LayoutSpec, Priced)| {
                p.bins == Some(other)
                    && p.layout == best.layout.replace(&bins.to_string(), &other.to_string())
            };
            if let Some((_, priced)) = sorted.iter().find(of_bins) {
                let ratio = priced.price / best.price.max(1.0);
                reasons.push(format!("{other} bins cost {ratio:.3} x as much"));
            }
        }
    }
    reasons
}

/// When to double the bins: the first month in which twice as many are cheaper. What a doubling saves grows with the index,
/// so the month is found by halves.
fn schedule(
    scenario: &Scenario,
    predictor: &Predictor<'_>,
    layout: LayoutSpec,
    options: &PlanOptions,
) -> Result<Vec<Doubling>, Error> {
    let mut doublings = Vec::new();
    let mut current = layout;
    let mut from = 0;
    let last = options.years * 12;
    while current.bin_count().is_some() && current.bits() < *BITS.end() {
        let next = current.with_bits(current.bits() + 1);
        let compared = |month: u32| -> Result<Compared, Error> {
            let days = f64::from(month) * 365.25 / 12.0;
            let factor = (days / scenario.index.doubling_time_days.value).exp2();
            let targets = crate::math::round(scenario.index.targets.value as f64 * factor);
            let (begin, _) = today(&scenario.scaled(targets));
            let then = predictor.rescaled(&begin);
            let price =
                |layout| Ok::<_, Error>(priced(layout, &begin, then.predict(layout)?, options));
            let (now, twice) = (price(current)?, price(next)?);
            drop(then);
            let saved_per_day = now.price - twice.price;
            Ok(Compared { days, targets, saved_per_day, begin })
        };
        let mut found = compared(last)?;
        if found.saved_per_day <= 0.0 {
            break;
        }
        let mut to = last;
        while from < to {
            let middle = from.midpoint(to);
            let then = compared(middle)?;
            if then.saved_per_day > 0.0 {
                (to, found) = (middle, then);
            } else {
                from = middle + 1;
            }
        }
        let then = predictor.rescaled(&found.begin);
        let costs = then.rebin(current, next, Missed::Nothing)?;
        doublings.push(Doubling {
            in_days: found.days,
            targets: found.targets,
            from_bins: 1 << current.bits(),
            to_bins: 1 << next.bits(),
            price: DoublingPrice::of(
                &costs,
                then.held_bins(current),
                then.object_bytes(current, next)?,
            ),
            saved_per_day: found.saved_per_day,
        });
        current = next;
    }
    Ok(doublings)
}

/// A layout and twice its bins, at some time.
struct Compared {
    days: f64,
    targets: u64,
    saved_per_day: f64,
    begin: Scenario,
}

/// Each assumption halved and doubled.
fn sensitivity(
    scenario: &Scenario,
    predictor: &Predictor<'_>,
    layout: LayoutSpec,
    price: f64,
    options: &PlanOptions,
) -> Result<Vec<Sensitivity>, Error> {
    type Change = fn(&mut Scenario, f64);
    let changes: [(&str, Change); 6] = [
        ("targets and projects", |s, by| {
            let kept = s.clone();
            *s = s.scaled(scaled(s.index.targets.value, by));
            s.publish.releases_per_day = kept.publish.releases_per_day;
            s.client = kept.client;
        }),
        ("releases a day", |s, by| s.publish.releases_per_day.value *= by),
        ("time between publishes", |s, by| {
            s.publish.interval_s.value = scaled(s.publish.interval_s.value, by);
        }),
        ("time until bins are signed again", |s, by| {
            let every = &mut s.expiry.resign_bins_every_s.value;
            *every = scaled(*every, by);
        }),
        ("packages that clients resolve", |s, by| {
            let projects = s.index.projects.value;
            for packages in s.client.iter_mut().filter_map(|client| client.packages.as_mut()) {
                packages.value = scaled(packages.value, by).min(projects);
            }
        }),
        ("time between a client's visits", |s, by| {
            for gap in s.client.iter_mut().filter_map(|client| client.gap_s.as_mut()) {
                gap.value = scaled(gap.value, by);
            }
        }),
    ];
    let both = changes.into_iter().flat_map(|change| [(change, 0.5), (change, 2.0)]);
    let row = |((name, change), by): ((&str, Change), f64)| -> Result<_, Error> {
        let mut other = scenario.clone();
        change(&mut other, by);
        let (begin, experiment) = today(&other);
        let mut then = predictor.rescaled(&begin);
        then.activity.experiment = experiment;
        let mut best: Option<Priced> = None;
        let mut kept = price;
        let around = layout.bits().saturating_sub(3).max(*BITS.start())..=layout.bits() + 3;
        let mut tried: Vec<LayoutSpec> = around.map(|bits| layout.with_bits(bits)).collect();
        tried.dedup();
        for candidate in tried {
            let priced = priced(candidate, &begin, then.predict(candidate)?, options);
            if candidate == layout {
                kept = priced.price;
            }
            if best.as_ref().is_none_or(|best| priced.price < best.price) {
                best = Some(priced);
            }
        }
        Ok(best.map(|best| Sensitivity {
            assumption: format!("{name} x {by}"),
            price_percent: 100.0 * best.price / price,
            regret_percent: 100.0 * (kept / best.price - 1.0),
            best: best.layout,
        }))
    };
    let rows: Vec<_> =
        both.collect::<Vec<_>>().into_par_iter().map(row).collect::<Result<_, _>>()?;
    Ok(rows.into_iter().flatten().collect())
}

fn scaled(value: u64, by: f64) -> u64 {
    crate::math::round(value as f64 * by).max(1)
}

/// The forms that were weighed first, beside the winner's bins.
fn seed(predictor: &Predictor<'_>, best: LayoutSpec) -> Result<Vec<SeedRow>, Error> {
    let none = LayoutSpec { bins: crate::Bins::None, snapshot: Snapshots::Versions, ..best };
    let bits = if best.form.has_bins() { best.bits() } else { cheapest_bits(predictor, none)? };
    let bins = |form| LayoutSpec { form, ..none }.with_bits(bits);
    let layouts = [
        LayoutSpec { form: Form::ProjectsListed, ..none },
        LayoutSpec { form: Form::ProjectsWildcard, ..none },
        bins(Form::BinsPrefixes),
        bins(Form::BinsSuccinct),
    ];
    let mut rows = Vec::new();
    for layout in layouts {
        let costs = match predictor.predict(layout) {
            Ok(costs) => costs,
            Err(Error::Layout { .. }) => continue,
            Err(error) => return Err(error),
        };
        let of = |kind: ClientKind| {
            let clients = costs.clients.iter().filter(|client| client.kind == kind);
            let count = clients.clone().count().max(1) as f64;
            let mean = |each: &dyn Fn(&crate::ClientCost) -> Transfer| {
                clients.clone().map(|client| each(client).bytes).sum::<f64>() / count
            };
            [mean(&|c| c.plain), mean(&|c| c.gzip), mean(&|c| c.delta.unwrap_or(c.gzip))]
        };
        let layout = layout.to_string();
        rows.push(SeedRow {
            layout,
            cold_bytes: of(ClientKind::Cold),
            warm_bytes: of(ClientKind::Returning),
        });
    }
    Ok(rows)
}
