//! The planner behind a page with sliders: a query of assumptions is answered with curves and a recommendation.

use std::collections::BTreeMap;

use tufold_report::{
    Axis, Column, Explorer, Lines, Mark, Origin, Plot, Run, Section, Series, Slider, Table, Unit,
    Value, answer,
};

use crate::Error;
use crate::cost::Costs;
use crate::layout::{Bins, Form, LayoutSpec, Snapshots};
use crate::math::round;
use crate::plan::{Deltas, Doubling, PlanOptions, Planned, plan, today};
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::scenario::{ClientKind, DAY_S, Scenario};

/// Where the page asks.
const ENDPOINT: &str = "/model";

/// Bins that are drawn, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 4..=24;

/// Doublings that are drawn.
const DOUBLINGS: u32 = 8;

/// A scenario whose assumptions a reader can move.
pub struct Explore {
    scenario: Scenario,
    rates: Rates,
    options: PlanOptions,
    sliders: Vec<Slider>,
}

/// What the sliders say.
struct Chosen<'q> {
    values: BTreeMap<&'q str, f64>,
}

impl Chosen<'_> {
    fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// The number of a choice, from 0.
    fn choice(&self, name: &str) -> usize {
        crate::math::index(round(self.get(name)))
    }
}

impl Explore {
    /// Begins at what `scenario` says.
    pub fn new(scenario: Scenario, rates: Rates, options: PlanOptions) -> Self {
        let sliders = sliders(&scenario, &options);
        Self { scenario, rates, options, sliders }
    }

    /// The page.
    pub fn page(&self) -> Explorer {
        Explorer {
            title: format!("{}: plan", self.scenario.title),
            summary: vec![
                "Move an assumption: the layout that costs least, what any other number of bins would cost, and what \
                 doublings bring follow at once. All numbers are predicted, by the model of “tufold plan”."
                    .to_owned(),
            ],
            sliders: self.sliders.clone(),
            endpoint: ENDPOINT.to_owned(),
        }
    }

    /// The path that [`Explore::answer`] stands at.
    pub fn endpoint(&self) -> &'static str {
        ENDPOINT
    }

    /// The sections for a query of the page's form, as JSON.
    ///
    /// # Errors
    /// [`Error::Query`] for a value that no slider has; [`Error::Nothing`] if no layout will do.
    pub fn answer(&self, query: &str) -> Result<String, Error> {
        let chosen = self.read(query)?;
        let scenario = self.changed(&chosen);
        let mut options = self.options.clone();
        options.deltas = if chosen.choice("deltas") == 0 { Deltas::Taken } else { Deltas::Unknown };
        let planned = plan(&scenario, &self.rates, &options)?;
        let form = match chosen.choice("form").checked_sub(1).and_then(|at| Form::ALL.get(at)) {
            Some(form) => *form,
            None => planned.best.layout.parse::<LayoutSpec>()?.form,
        };
        let layout = LayoutSpec { form, bins: Bins::None, snapshot: Snapshots::Versions };
        let layout = layout.with_bits(round(chosen.get("bins").log2()).try_into().unwrap_or(0));
        let sections = [
            self.bins(&scenario, layout, &planned, options.deltas)?,
            self.growth(&scenario, layout, options.deltas)?,
            schedule(&scenario, &planned),
        ];
        Ok(answer(&sections))
    }

    /// Reads a query; what it does not name stays where it began.
    fn read<'q>(&self, query: &'q str) -> Result<Chosen<'q>, Error> {
        let refused = |name: &str, value: &str, expected: String| Error::Query {
            name: name.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let mut values: BTreeMap<&str, f64> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(slider) = self.sliders.iter().find(|slider| slider.name == name) else {
                let known: Vec<&str> = self.sliders.iter().map(|s| s.name.as_str()).collect();
                return Err(refused(name, text, format!("one of {}", known.join(", "))));
            };
            let value = text.parse().ok().filter(|value: &f64| {
                // The page rounds to twelve digits.
                let slack = 1e-9 * slider.max.abs();
                (slider.min - slack..=slider.max + slack).contains(value)
            });
            let expected = || format!("a number from {} to {}", slider.min, slider.max);
            values.insert(name, value.ok_or_else(|| refused(name, text, expected()))?);
        }
        let mut chosen = Chosen { values };
        let starts = self.sliders.iter().map(|slider| (slider.name.as_str(), slider.start));
        let missing: Vec<(&str, f64)> =
            starts.filter(|(name, _)| !chosen.values.contains_key(name)).collect();
        // Names of sliders are the names of the query.
        for (name, start) in missing {
            if let Some(known) = NAMES.iter().find(|known| **known == name) {
                chosen.values.insert(known, start);
            }
        }
        Ok(chosen)
    }

    /// The scenario with what the sliders say.
    fn changed(&self, chosen: &Chosen<'_>) -> Scenario {
        let mut scenario = self.scenario.scaled(round(chosen.get("targets")).max(1_000));
        let targets = scenario.index.targets.value as f64;
        let files = scenario.paths.files.value.len() as f64;
        scenario.index.doubling_time_days.value = chosen.get("growth") * DAYS_OF_YEAR;
        scenario.publish.releases_per_day.value = targets * chosen.get("churn") / 100.0 / files;
        scenario.publish.interval_s.value = round(chosen.get("interval")).max(1);
        scenario.expiry.resign_bins_every_s.value = round(chosen.get("resign")).max(1);
        let projects = scenario.index.projects.value;
        let visits: f64 = scenario.client.iter().map(|client| client.visits_per_day.value).sum();
        let cold_share = chosen.get("cold") / 100.0;
        let of_kind = |scenario: &Scenario, cold: bool| {
            let same = |kind: ClientKind| (kind == ClientKind::Cold) == cold;
            let clients = scenario.client.iter().filter(|client| same(client.kind));
            clients.map(|client| client.visits_per_day.value).sum::<f64>()
        };
        let (cold, others) = (of_kind(&scenario, true), of_kind(&scenario, false));
        for client in &mut scenario.client {
            let (share, of) = match client.kind {
                ClientKind::Cold => (cold_share, cold),
                ClientKind::Returning | ClientKind::Mirror => (1.0 - cold_share, others),
            };
            client.visits_per_day.value *= visits * share / of.max(1e-9);
            if let Some(packages) = &mut client.packages {
                packages.value = round(chosen.get("packages")).clamp(1, projects);
            }
            if let (ClientKind::Returning, Some(gap)) = (client.kind, &mut client.gap_s) {
                gap.value = round(chosen.get("gap")).max(1);
            }
        }
        scenario
    }

    /// Bytes of a day over the number of bins, and the recommended layout.
    fn bins(
        &self,
        scenario: &Scenario,
        layout: LayoutSpec,
        planned: &Planned,
        deltas: Deltas,
    ) -> Result<Section, Error> {
        let (begin, experiment) = today(scenario);
        let predictor =
            Predictor::new(&begin, experiment, self.rates.clone(), self.options.ladder)?;
        let mut series = Vec::new();
        for form in Form::ALL {
            let spec = LayoutSpec { form, ..layout };
            let mut points = Vec::new();
            for bits in BITS {
                let costs = match predictor.predict(spec.with_bits(bits)) {
                    Ok(costs) => costs,
                    Err(Error::Layout { .. }) => break,
                    Err(error) => return Err(error),
                };
                let bytes = per_visit(&costs, &begin, deltas);
                if bytes.is_finite() {
                    points.push((f64::from(bits).exp2(), bytes));
                }
            }
            if !points.is_empty() {
                series.push(Series::new(form.name(), Origin::Predicted, points));
            }
        }
        let mut marks = Vec::new();
        if let Some(bins) = planned.best.bins {
            marks.push(Mark::X { at: bins as f64, label: "recommended".to_owned() });
        }
        if let Some(bins) = layout.bin_count().filter(|bins| Some(*bins) != planned.best.bins) {
            marks.push(Mark::X { at: bins as f64, label: "chosen".to_owned() });
        }
        let best = &planned.best;
        let finding = format!(
            "{} costs least: {} a first visit, {} a returning one, {} published a day",
            best.layout,
            Unit::Bytes.short(best.cold_bytes),
            Unit::Bytes.short(best.warm_bytes),
            Unit::Bytes.short(best.published_bytes_per_day)
        );
        let plot = Plot::Lines(Lines {
            x: Axis::doublings("bins", Unit::Count, 16.0, BITS.end() - BITS.start()),
            y: Axis::log("bytes of a mean visit", Unit::Bytes),
            series,
            marks,
        });
        let mut notes = planned.why.clone();
        let refused = best.costs.refused.iter();
        notes.extend(refused.map(|r| format!("{} cannot use it: {}", r.client, r.why)));
        Ok(section("The layout that costs least", finding, plot, notes))
    }

    /// What the chosen layout costs each client over the next doublings.
    fn growth(
        &self,
        scenario: &Scenario,
        layout: LayoutSpec,
        deltas: Deltas,
    ) -> Result<Section, Error> {
        let targets = scenario.index.targets.value;
        let mut all: Vec<Series> = Vec::new();
        for doubling in 0..=DOUBLINGS {
            let size = targets << doubling;
            let (begin, experiment) = today(&scenario.scaled(size));
            let predictor =
                Predictor::new(&begin, experiment, self.rates.clone(), self.options.ladder)?;
            let costs = match predictor.predict(layout) {
                Ok(costs) => costs,
                Err(Error::Layout { .. }) => break,
                Err(error) => return Err(error),
            };
            for client in &costs.clients {
                let delta = client.delta.filter(|_| deltas == Deltas::Taken);
                let bytes = delta.map_or(client.gzip.bytes, |d| d.bytes.min(client.gzip.bytes));
                let point = (size as f64, bytes);
                match all.iter_mut().find(|series| series.name == client.client) {
                    Some(series) => series.points.push(point),
                    None => {
                        all.push(Series::new(&client.client, Origin::Predicted, vec![point]));
                    }
                }
            }
        }
        let grown = all.iter().filter_map(|series| {
            let (first, last) = (series.points.first()?, series.points.last()?);
            Some((series.name.as_str(), last.1 / first.1.max(1.0)))
        });
        let most = grown.max_by(|a, b| a.1.total_cmp(&b.1));
        let finding = match most {
            Some((client, factor)) => format!(
                "In {layout}, {} times the targets cost {client} {} times the bytes",
                1_u64 << DOUBLINGS,
                Unit::Count.short(factor)
            ),
            None => format!("{layout} cannot list these targets"),
        };
        let plot = Plot::Lines(Lines {
            x: Axis::doublings("targets", Unit::Count, targets as f64, DOUBLINGS),
            y: Axis::log("bytes of one visit", Unit::Bytes),
            series: all,
            marks: Vec::new(),
        });
        let note =
            "The form and the bins are those of the sliders; “best” is the recommended form."
                .to_owned();
        Ok(section("The next doublings of the index", finding, plot, vec![note]))
    }
}

/// The bytes of all clients in a day over their visits.
fn per_visit(costs: &Costs, scenario: &Scenario, deltas: Deltas) -> f64 {
    let visits: f64 = scenario.client.iter().map(|client| client.visits_per_day.value).sum();
    let egress = match deltas {
        Deltas::Taken => costs.egress.delta_bytes_per_day,
        Deltas::Unknown => costs.egress.gzip_bytes_per_day,
    };
    egress / visits.max(1e-9)
}

/// The recommended bins over the years.
fn schedule(scenario: &Scenario, planned: &Planned) -> Section {
    let now = planned.best.bins.unwrap_or(1) as f64;
    let mut points = vec![(0.0, now)];
    for doubling in &planned.schedule {
        points.push((doubling.in_days / DAYS_OF_YEAR, doubling.to_bins as f64));
    }
    let finding = match planned.schedule.first() {
        Some(first) => format!(
            "The bins double first in {}, at {} targets, to {}: the publisher writes {} once, a returning client pays {} by \
             deltas and {} without",
            Unit::Years.short(first.in_days / DAYS_OF_YEAR),
            Unit::Count.short(first.targets as f64),
            Unit::Count.full(first.to_bins as f64),
            Unit::Bytes.short(first.price.metadata_bytes + first.price.delta_bytes),
            Unit::Bytes.short(first.price.thin_bytes),
            Unit::Bytes.short(first.price.gzip_bytes)
        ),
        None => "No doubling of the bins pays in the years that were looked at".to_owned(),
    };
    let plot = Plot::Lines(Lines {
        x: Axis::linear("years from now", Unit::Years),
        y: Axis::log("bins", Unit::Count),
        series: vec![Series {
            run: Run::Steps,
            ..Series::new("recommended bins", Origin::Predicted, points)
        }],
        marks: Vec::new(),
    });
    let days = Unit::Count.short(scenario.index.doubling_time_days.value);
    let note = format!("The index doubles in {days} days; the times are true to a month.");
    let priced = "What a doubling costs: the publish that makes it, and the next visit of a reader that has missed nothing \
                  else. A returning client by deltas makes both halves of each bin that it holds; without deltas it fetches the \
                  snapshot of twice the bins and each new bin whole. All of it is predicted from exact lengths."
        .to_owned();
    let mut section = section("When to double the bins", finding, plot, vec![note, priced]);
    if !planned.schedule.is_empty() {
        section.table = doublings(&planned.schedule);
    }
    section
}

/// A line for each doubling, with what it costs whom.
fn doublings(schedule: &[Doubling]) -> Table {
    let row = |doubling: &Doubling| {
        let price = &doubling.price;
        let number = |value: f64| Value::Number(value, Origin::Predicted);
        vec![
            Value::Given(doubling.in_days / DAYS_OF_YEAR),
            Value::Given(doubling.targets as f64),
            Value::Given(doubling.from_bins as f64),
            Value::Given(doubling.to_bins as f64),
            number(price.metadata_bytes + price.delta_bytes),
            number(price.metadata_files + price.delta_files),
            number(price.held_bins),
            number(price.thin_bytes),
            number(price.gzip_bytes),
            number(price.mirror_bytes),
            number(price.mirror_plain_bytes),
        ]
    };
    Table {
        columns: vec![
            Column::number("years from now", Unit::Years),
            Column::number("targets", Unit::Count),
            Column::number("bins before", Unit::Count),
            Column::number("bins after", Unit::Count),
            Column::number("the publisher writes", Unit::Bytes),
            Column::number("files", Unit::Count),
            Column::number("bins that a client holds", Unit::Count),
            Column::number("it pays by deltas", Unit::Bytes),
            Column::number("by whole files in gzip", Unit::Bytes),
            Column::number("a mirror by its bundle", Unit::Bytes),
            Column::number("a mirror by whole files", Unit::Bytes),
        ],
        rows: schedule.iter().map(row).collect(),
    }
}

fn section(title: &str, finding: String, plot: Plot, notes: Vec<String>) -> Section {
    Section { title: title.to_owned(), finding, table: plot.table(), plot, notes }
}

const DAYS_OF_YEAR: f64 = 365.25;

/// The names of all sliders.
const NAMES: [&str; 11] = [
    "targets", "growth", "form", "bins", "deltas", "churn", "interval", "resign", "cold",
    "packages", "gap",
];

fn sliders(scenario: &Scenario, options: &PlanOptions) -> Vec<Slider> {
    let day = DAY_S as f64;
    let targets = scenario.index.targets.value as f64;
    let files = scenario.paths.files.value.len() as f64;
    let churn = 100.0 * scenario.publish.releases_per_day.value * files / targets;
    let visits: f64 = scenario.client.iter().map(|client| client.visits_per_day.value).sum();
    let is_cold = |kind| kind == ClientKind::Cold;
    let cold = scenario.client.iter().filter(|client| is_cold(client.kind));
    let cold: f64 = cold.map(|client| client.visits_per_day.value).sum();
    let packages = scenario.client.iter().find_map(|client| client.packages.as_ref());
    let returning = scenario.client.iter().find(|client| client.kind == ClientKind::Returning);
    let gap = returning.and_then(|client| client.gap_s.as_ref()).map_or(7 * DAY_S, |gap| gap.value);
    let log = |name: &str, label: &str, unit, min: f64, max: f64, start: f64, step: f64| Slider {
        name: name.to_owned(),
        label: label.to_owned(),
        unit,
        min,
        max,
        start: on_step(min, max, start, step),
        step,
        log: true,
        choices: Vec::new(),
    };
    let choice = |name: &str, label: &str, choices: Vec<&str>, start: f64| Slider {
        name: name.to_owned(),
        label: label.to_owned(),
        max: choices.len() as f64 - 1.0,
        start,
        step: 1.0,
        choices: choices.into_iter().map(str::to_owned).collect(),
        ..Slider::default()
    };
    let forms = std::iter::once("best").chain(Form::ALL.map(Form::name)).collect();
    let knows_deltas = if options.deltas == Deltas::Taken { 0.0 } else { 1.0 };
    let packages = packages.map_or(40.0, |packages| packages.value as f64);
    vec![
        log("targets", "Targets", Unit::Count, 1_000.0, 1e10, targets, 0.25),
        Slider {
            name: "growth".to_owned(),
            label: "The index doubles in".to_owned(),
            unit: Unit::Years,
            min: 0.25,
            max: 10.0,
            start: scenario.index.doubling_time_days.value / DAYS_OF_YEAR,
            step: 0.25,
            log: false,
            choices: Vec::new(),
        },
        choice("form", "Delegations", forms, 0.0),
        log("bins", "Bins", Unit::Count, 16.0, 16_777_216.0, 16_384.0, 1.0),
        choice("deltas", "Clients take", vec!["deltas", "gzip"], knows_deltas),
        log("churn", "Targets that come a day", Unit::Percent, 0.001, 10.0, churn, 0.25),
        log(
            "interval",
            "A publish every",
            Unit::Seconds,
            10.0,
            7.0 * day,
            scenario.publish.interval_s.value as f64,
            0.25,
        ),
        log(
            "resign",
            "All is signed again every",
            Unit::Seconds,
            3_600.0,
            365.0 * day,
            scenario.expiry.resign_bins_every_s.value as f64,
            0.25,
        ),
        Slider {
            name: "cold".to_owned(),
            label: "Visits of cold clients".to_owned(),
            unit: Unit::Percent,
            min: 0.0,
            max: 100.0,
            start: (100.0 * cold / visits.max(1e-9)).round(),
            step: 1.0,
            log: false,
            choices: Vec::new(),
        },
        log(
            "packages",
            "Packages that a client resolves",
            Unit::Count,
            1.0,
            1_024.0,
            packages,
            0.5,
        ),
        log("gap", "Others come back after", Unit::Seconds, 60.0, 365.0 * day, gap as f64, 0.25),
    ]
}

/// The value at the nearest step, which is where a browser puts the slider.
fn on_step(min: f64, max: f64, start: f64, step: f64) -> f64 {
    let steps = ((start.max(min) / min).log2() / step).round();
    (min * (steps * step).exp2()).min(max)
}
