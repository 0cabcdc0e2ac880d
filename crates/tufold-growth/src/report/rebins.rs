//! What it costs to double the bins while clients go on.

use tufold_report::{Axis, Column, Lines, Origin, Plot, Section, Series, Table, Unit, Value};

use super::{origin, section};
use crate::cost::{ClientCost, Provenance, Transfer};
use crate::grid::Growth;
use crate::rebins::{CURRENT, RebinRow};
use crate::scenario::ClientKind;

/// Who pays what, as the plot and the table have it.
type Of = fn(&RebinRow) -> Option<f64>;

fn client<'r>(row: &'r RebinRow, name: &str) -> Option<&'r ClientCost> {
    row.row.costs.client(name)
}

fn mirror(row: &RebinRow) -> Option<&ClientCost> {
    row.row.costs.clients.iter().find(|client| client.kind == ClientKind::Mirror)
}

fn by_deltas(client: &ClientCost) -> Option<f64> {
    client.delta.map(|delta: Transfer| delta.bytes)
}

const SERIES: [(&str, Of); 5] = [
    ("publisher, written once", |row| {
        let publisher = &row.row.costs.publisher;
        Some(publisher.metadata_bytes + publisher.delta_bytes)
    }),
    ("mirror, whole files", |row| mirror(row).map(|mirror| mirror.plain.bytes)),
    ("mirror, bundle", |row| mirror(row).and_then(by_deltas)),
    ("client, whole files in gzip", |row| client(row, CURRENT).map(|client| client.gzip.bytes)),
    ("client, deltas", |row| client(row, CURRENT).and_then(by_deltas)),
];

/// Each doubling of the bins as the index doubles.
pub(super) fn rebins(growth: &Growth) -> Option<Section> {
    let first = growth.rebins.first()?;
    let measured = growth.rebins.iter().filter(|row| row.row.provenance == Provenance::Measured);
    let shown = measured.max_by_key(|row| row.row.targets).unwrap_or(first);
    let mut series = Vec::new();
    for (name, of) in SERIES {
        for wanted in [Origin::Measured, Origin::Predicted] {
            let rows = growth.rebins.iter().filter(|row| origin(row.row.provenance) == wanted);
            let points: Vec<(f64, f64)> =
                rows.filter_map(|row| Some((row.row.targets as f64, of(row)?))).collect();
            if !points.is_empty() {
                series.push(Series::new(name, wanted, points));
            }
        }
    }
    let of = |at: usize| SERIES[at].1(shown).map_or("nothing".to_owned(), |b| Unit::Bytes.short(b));
    let how = origin(shown.row.provenance).name();
    let finding = format!(
        "At {} targets {} bins become {}: a client that is current pays {} by deltas and {} without, a mirror {} and {}, and \
         the publisher writes {} once ({how})",
        Unit::Count.short(shown.row.targets as f64),
        Unit::Count.full(shown.from_bins as f64),
        Unit::Count.full(shown.row.bins.unwrap_or(0) as f64),
        of(4),
        of(3),
        of(2),
        of(1),
        of(0),
    );
    let doublings = (growth.rebins.last()?.row.targets as f64 / first.row.targets as f64).log2();
    let plot = Plot::Lines(Lines {
        x: Axis::doublings(
            "targets, once the index has doubled",
            Unit::Count,
            first.row.targets as f64,
            u32::try_from(crate::math::round(doublings)).unwrap_or(0),
        ),
        y: Axis::log("bytes of one doubling of the bins", Unit::Bytes),
        series,
        marks: Vec::new(),
    });
    let notes = vec![
        format!(
            "In {} publishes the index doubles; the next one gives it the bins that cost least then, live (“tufold rebin”). \
             Whoever is measured here comes before that publish and after it, and looks the same packages up.",
            first.row.publishes - 1
        ),
        "A client by deltas makes both halves of each bin that it holds by one object of 140 bytes; without deltas it fetches \
         the snapshot of twice the bins and the new bins whole. Where the numbers of bins get a digit more, the old bins stay in \
         the snapshot until its keys rotate, and names cost the snapshot's delta a fifth of a byte each."
            .to_owned(),
        "The table has clients that were away for longer too: they walk to the last version of each old bin first.".to_owned(),
    ];
    let mut section = section("What a doubling of the bins costs", finding, plot, notes);
    section.table = table(growth);
    Some(section)
}

fn table(growth: &Growth) -> Table {
    let mut rows = Vec::new();
    for rebin in &growth.rebins {
        let (row, how) = (&rebin.row, origin(rebin.row.provenance));
        let who = |name: &str, plain: f64, gzip: Option<f64>, delta: Option<f64>| {
            let number =
                |value: Option<f64>| value.map_or(Value::Nothing, |v| Value::Number(v, how));
            vec![
                Value::Given(row.targets as f64),
                Value::Given(rebin.from_bins as f64),
                row.bins.map_or(Value::Nothing, |bins| Value::Given(bins as f64)),
                Value::Text(name.to_owned()),
                number(Some(plain)),
                number(gzip),
                number(delta),
            ]
        };
        let publisher = &row.costs.publisher;
        rows.push(who(
            "publisher, written",
            publisher.metadata_bytes,
            None,
            Some(publisher.delta_bytes),
        ));
        for client in &row.costs.clients {
            rows.push(who(
                &client.client,
                client.plain.bytes,
                Some(client.gzip.bytes),
                by_deltas(client),
            ));
        }
    }
    Table {
        columns: vec![
            Column::number("targets", Unit::Count),
            Column::number("bins before", Unit::Count),
            Column::number("bins after", Unit::Count),
            Column::text("who"),
            Column::number("whole files", Unit::Bytes),
            Column::number("in gzip", Unit::Bytes),
            Column::number("deltas", Unit::Bytes),
        ],
        rows,
    }
}
