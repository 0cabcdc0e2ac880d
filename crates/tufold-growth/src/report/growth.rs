//! Layouts over doublings, kinds of clients, and how predictions and measurements agree.

use tufold_report::{Axis, BarSeries, Bars, Lines, Mark, Origin, Plot, Section, Series, Unit};

use super::{first_of, layouts, of_layout, origin, section};
use crate::cost::{ClientCost, Row};
use crate::grid::Growth;
use crate::scenario::{Client, ClientKind};

/// A section for the first cold client and one for the first that returns.
pub(super) fn over_doublings(growth: &Growth) -> Vec<Section> {
    let kinds = [
        (ClientKind::Returning, "Growth: a returning client"),
        (ClientKind::Cold, "Growth: a first visit"),
        (ClientKind::Mirror, "Growth: a mirror"),
    ];
    kinds
        .into_iter()
        .filter_map(|(kind, title)| for_client(growth, first_of(growth, kind)?, title))
        .collect()
}

fn for_client(growth: &Growth, client: &Client, title: &str) -> Option<Section> {
    let (from, to) = (growth.rows.first()?.targets, growth.rows.last()?.targets);
    let mut series = Vec::new();
    for layout in layouts(growth) {
        for wanted in [Origin::Measured, Origin::Predicted] {
            let rows = of_layout(growth, layout).filter(|row| origin(row.provenance) == wanted);
            let points: Vec<(f64, f64)> = rows
                .filter_map(|row| Some((row.targets as f64, bytes(row, &client.name)?)))
                .collect();
            if !points.is_empty() {
                series.push(Series::new(layout, wanted, points));
            }
        }
    }
    let today = growth.scenario.index.targets.value as f64;
    let is_inside = (from as f64..=to as f64).contains(&today);
    let finding = finding(growth, &client.name)?;
    let plot = Plot::Lines(Lines {
        x: Axis::doublings("targets", Unit::Count, from as f64, (to / from).ilog2()),
        y: Axis::log(format!("bytes of one visit ({})", client.name), Unit::Bytes),
        series,
        marks: is_inside
            .then(|| Mark::X { at: today, label: "today".to_owned() })
            .into_iter()
            .collect(),
    });
    let mut note = match &client.packages {
        Some(packages) => {
            format!("The client “{}” resolves {} packages", client.name, packages.value)
        }
        None => format!("The client “{}” holds all metadata", client.name),
    };
    if let Some(gap) = &client.gap_s {
        note += &format!(" and was here {} ago", Unit::Seconds.short(gap.value as f64));
    }
    note += ". Of whole files, gzip and deltas the cheapest counts; with TAP 16's proofs there are no deltas.";
    Some(section(title, finding, plot, vec![note]))
}

/// The bytes of the cheapest transfer.
fn bytes(row: &Row, client: &str) -> Option<f64> {
    let bytes = row.costs.client(client)?.best().bytes;
    bytes.is_finite().then_some(bytes)
}

/// The cheapest and the dearest layout at the largest size, and what a doubling costs there.
fn finding(growth: &Growth, client: &str) -> Option<String> {
    let largest = growth.rows.iter().map(|row| row.targets).max()?;
    let at = |targets: u64| {
        let rows = growth.rows.iter().filter(move |row| row.targets == targets);
        let rows = rows.filter(|row| origin(row.provenance) == Origin::Predicted);
        rows.filter_map(|row| Some((row.layout.as_str(), bytes(row, client)?))).collect::<Vec<_>>()
    };
    let last = at(largest);
    let least = last.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let most = last.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let smallest = growth.rows.iter().map(|row| row.targets).min()?;
    let before = at(smallest).into_iter().find(|(layout, _)| *layout == least.0)?;
    let doublings = (largest as f64 / smallest as f64).log2().max(1.0);
    let factor = (least.1 / before.1).powf(1.0 / doublings);
    Some(format!(
        "At {} targets, {} costs a visit {} and {} {}; with the first, a doubling of the index costs {} times the bytes",
        Unit::Count.short(largest as f64),
        least.0,
        Unit::Bytes.short(least.1),
        most.0,
        Unit::Bytes.short(most.1),
        Unit::Count.short(factor)
    ))
}

/// Each kind of client at the size nearest to today's: whole files, gzip and deltas.
pub(super) fn clients(growth: &Growth) -> Option<Section> {
    let layout = layouts(growth).into_iter().next()?;
    let today = growth.scenario.index.targets.value as f64;
    let distance = |row: &&Row| (row.targets as f64 / today).log2().abs();
    let predicted = of_layout(growth, layout)
        .filter(|row| origin(row.provenance) == Origin::Predicted)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let measured = of_layout(growth, layout)
        .filter(|row| origin(row.provenance) == Origin::Measured)
        .max_by_key(|row| row.targets);
    let rows: Vec<&Row> = measured.into_iter().chain([predicted]).collect();
    let categories: Vec<String> = rows
        .iter()
        .flat_map(|row| {
            let size = Unit::Count.short(row.targets as f64);
            row.costs.clients.iter().map(move |client| format!("{}, {size}", client.client))
        })
        .collect();
    type Of = fn(&ClientCost) -> Option<f64>;
    let ways: [(&str, Of); 3] = [
        ("whole files", |client| Some(client.plain.bytes)),
        ("gzip", |client| Some(client.gzip.bytes)),
        ("deltas", |client| client.delta.map(|delta| delta.bytes)),
    ];
    let mut series = Vec::new();
    for (name, of) in ways {
        for wanted in [Origin::Measured, Origin::Predicted] {
            let values: Vec<Option<f64>> = rows
                .iter()
                .flat_map(|row| {
                    let is_wanted = origin(row.provenance) == wanted;
                    row.costs.clients.iter().map(move |client| {
                        of(client).filter(|bytes| is_wanted && bytes.is_finite())
                    })
                })
                .collect();
            if values.iter().any(Option::is_some) {
                series.push(BarSeries { name: name.to_owned(), origin: wanted, values });
            }
        }
    }
    let saved = predicted.costs.clients.iter().filter_map(|client| {
        let delta = client.delta?;
        Some((client.client.as_str(), client.gzip.bytes / delta.bytes.max(1.0)))
    });
    let saved: Vec<(&str, f64)> = saved.filter(|(_, factor)| factor.is_finite()).collect();
    let most = saved.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let least = saved.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let finding = format!(
        "At {} targets in {layout}, deltas divide the bytes of gzip by {} for the client {} and by {} for {}",
        Unit::Count.short(predicted.targets as f64),
        Unit::Count.short(most.1),
        most.0,
        Unit::Count.short(least.1),
        least.0
    );
    let plot = Plot::Bars(Bars {
        label: "client, targets".to_owned(),
        categories,
        value: Axis::log("bytes of one visit", Unit::Bytes),
        series,
        stacked: false,
        floor: None,
    });
    let note =
        "The largest index that was replayed, and the one nearest to today's size.".to_owned();
    Some(section("What each kind of client pays", finding, plot, vec![note]))
}

/// How far each kind of number is off.
pub(super) fn agreement(growth: &Growth) -> Option<Section> {
    let rows = || growth.agreement.iter().filter(|row| row.is_bytes());
    let mut kinds: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for row in rows() {
        if !kinds.contains(&row.what.as_str()) {
            kinds.push(&row.what);
        }
        if !names.contains(&row.layout.as_str()) {
            names.push(&row.layout);
        }
    }
    let series: Vec<BarSeries> = names
        .iter()
        .map(|layout| BarSeries {
            name: (*layout).to_owned(),
            origin: Origin::Measured,
            values: (kinds.iter())
                .map(|kind| {
                    let of = rows().filter(|row| row.layout == *layout && row.what == *kind);
                    // Sizes of zero cannot be compared.
                    let of = of.filter(|row| row.measured > 0.0).map(|row| row.percent());
                    of.max_by(f64::total_cmp)
                })
                .collect(),
        })
        .collect();
    let worst = rows().filter(|row| row.measured > 0.0);
    let worst = worst.max_by(|a, b| a.percent().total_cmp(&b.percent()))?;
    let finding = format!(
        "Half of all predictions are within {:.2} % of what was measured; the worst is {:.1} % off: {} of {} at {} targets",
        growth.summary.median_percent,
        worst.percent(),
        worst.what,
        worst.layout,
        Unit::Count.short(worst.targets as f64)
    );
    let plot = Plot::Bars(Bars {
        label: "what was measured".to_owned(),
        categories: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        value: Axis::linear("worst deviation of the prediction", Unit::Percent),
        series,
        stacked: false,
        floor: None,
    });
    let note = "The prediction is told what the history did (which roles changed, what was looked up); what it costs in bytes \
                it computes."
        .to_owned();
    Some(section("Predicted against measured", finding, plot, vec![note]))
}
