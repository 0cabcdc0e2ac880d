//! Sections from the committed records of sizes: tab-separated text whose first line names the columns.

use std::collections::BTreeMap;

use crate::plot::{Axis, BarSeries, Bars, Floor, Lines, Origin, Plot, Series};
use crate::report::Section;
use crate::table::{Column, Table, Value};
use crate::unit::Unit;

/// Why a record cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A column is missing.
    #[error("{record}: no column {column}; there are: {found}")]
    Column {
        /// Which record.
        record: String,
        /// What was looked for.
        column: String,
        /// The first line.
        found: String,
    },
    /// A field is missing or no number.
    #[error("{record}: line {line}: {column} is {field:?}, which is no number")]
    Number {
        /// Which record.
        record: String,
        /// From 1.
        line: usize,
        /// The column.
        column: String,
        /// What stands there.
        field: String,
    },
    /// Nothing in the record was asked for.
    #[error("{record}: no row with {wanted}")]
    Row {
        /// Which record.
        record: String,
        /// What was looked for.
        wanted: String,
    },
}

/// A record and its name in errors.
struct Record<'a> {
    name: &'a str,
    head: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Record<'a> {
    fn read(name: &'a str, tsv: &'a str) -> Self {
        let mut lines = tsv.lines().map(|line| line.split('\t').collect());
        Self { name, head: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    fn column(&self, name: &str) -> Result<usize, Error> {
        self.head.iter().position(|column| *column == name).ok_or_else(|| Error::Column {
            record: self.name.to_owned(),
            column: name.to_owned(),
            found: self.head.join(", "),
        })
    }

    /// The text of `column` in each row; a field that is missing is empty.
    fn texts(&self, column: &str) -> Result<Vec<&'a str>, Error> {
        let column = self.column(column)?;
        Ok(self.rows.iter().map(|row| row.get(column).copied().unwrap_or_default()).collect())
    }

    /// The numbers of `column`; an empty field is `None`.
    fn numbers(&self, column: &str) -> Result<Vec<Option<f64>>, Error> {
        let number = |(i, field): (usize, &'a str)| {
            if field.is_empty() {
                return Ok(None);
            }
            field.parse().map(Some).map_err(|_| Error::Number {
                record: self.name.to_owned(),
                line: i + 2,
                column: column.to_owned(),
                field: field.to_owned(),
            })
        };
        self.texts(column)?.into_iter().enumerate().map(number).collect()
    }

    fn none(&self, wanted: impl Into<String>) -> Error {
        Error::Row { record: self.name.to_owned(), wanted: wanted.into() }
    }
}

/// Every codec on each of `cases` beside the case's floor, from a record with the columns `case`, `codec`, `bytes` and
/// `floor_bytes`. Of each case the name in the record and what the reader sees.
///
/// # Errors
/// If a column or a case is missing, or a size is no number.
pub fn codecs(record: &str, tsv: &str, cases: &[(&str, &str)]) -> Result<Section, Error> {
    let record = Record::read(record, tsv);
    let names = record.texts("case")?;
    let (codecs, bytes) = (record.texts("codec")?, record.numbers("bytes")?);
    let (kinds, floors) = (record.texts("floor")?, record.numbers("floor_bytes")?);

    let mut order: Vec<&str> = Vec::new();
    let mut sizes = BTreeMap::new();
    let mut floor = Vec::new();
    let mut rows = Vec::new();
    for (i, (case, label)) in cases.iter().enumerate() {
        let of_case = |row: &usize| names[*row] == *case;
        let first = (0..names.len()).find(of_case).ok_or_else(|| record.none(*case))?;
        let bound = floors[first].ok_or_else(|| record.none(format!("a floor of {case}")))?;
        floor.push(bound);
        for row in (first..names.len()).filter(of_case) {
            if !order.contains(&codecs[row]) {
                order.push(codecs[row]);
            }
            let Some(size) = bytes[row] else { continue };
            sizes.insert((codecs[row], i), size);
            rows.push(vec![
                Value::Text((*label).to_owned()),
                Value::Text(codecs[row].to_owned()),
                Value::Number(size, Origin::Measured),
                Value::Text(kinds[row].to_owned()),
                Value::Given(bound),
                Value::Number(size / bound, Origin::Measured),
                Value::Number(size - bound, Origin::Measured),
            ]);
        }
    }
    let series = order.iter().map(|codec| BarSeries {
        name: (*codec).to_owned(),
        origin: Origin::Measured,
        values: (0..cases.len()).map(|i| sizes.get(&(*codec, i)).copied()).collect(),
    });
    let ratios = |codec: &str| -> Vec<f64> {
        let ratio = |i: usize| sizes.get(&(codec, i)).map(|size| size / floor[i]);
        (0..cases.len()).filter_map(ratio).collect()
    };
    Ok(Section {
        title: "Codecs against the floor".to_owned(),
        finding: codecs_finding(&order, ratios),
        plot: Plot::Bars(Bars {
            label: "what changed".to_owned(),
            categories: cases.iter().map(|(_, label)| (*label).to_owned()).collect(),
            value: Axis::log("size of the delta", Unit::Bytes),
            series: series.collect(),
            stacked: false,
            floor: Some(Floor { name: "floor".to_owned(), values: floor }),
        }),
        table: Table {
            columns: vec![
                Column::text("what changed"),
                Column::text("codec"),
                Column::number("size", Unit::Bytes),
                Column::text("floor"),
                Column::number("floor", Unit::Bytes),
                Column::number("ratio", Unit::Ratio),
                Column::number("excess", Unit::Bytes),
            ],
            rows,
        },
        notes: vec![
            "The floor is what no encoding of the change can avoid; the table says which of the three bounds it is."
                .to_owned(),
        ],
    })
}

/// Which codec's worst case is nearest to the floor, and how far the next one's is.
fn codecs_finding(order: &[&str], ratios: impl Fn(&str) -> Vec<f64>) -> String {
    let worst = |codec: &str| ratios(codec).into_iter().fold(0.0, f64::max);
    // A codec that cannot code every case has no worst one.
    let most = order.iter().map(|codec| ratios(codec).len()).max().unwrap_or(0);
    let mut ranked: Vec<(&str, f64)> = order
        .iter()
        .filter(|codec| ratios(codec).len() == most)
        .map(|codec| (*codec, worst(codec)))
        .collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    match ranked[..] {
        [(best, ratio), (next, next_ratio), ..] => format!(
            "{} stays within {} times the floor; the next best codec, {next}, needs up to {} times",
            capitalised(best),
            figure(ratio),
            figure(next_ratio)
        ),
        [(only, ratio)] => {
            format!("{} stays within {} times the floor", capitalised(only), figure(ratio))
        }
        [] => "No codec was measured".to_owned(),
    }
}

/// What a client pays that is some publishes behind, by ladder policy, from a record with the columns `policy`, `gap`,
/// `mean_bytes`, `direct_mean_bytes`, `mean_requests` and `floor_mean_bytes`.
///
/// # Errors
/// If a column or every row is missing, or a field is no number.
pub fn ladder_paths(record: &str, tsv: &str) -> Result<Section, Error> {
    let record = Record::read(record, tsv);
    let policies = record.texts("policy")?;
    let all = |column| record.numbers(column);
    let (gaps, bytes, requests) = (all("gap")?, all("mean_bytes")?, all("mean_requests")?);
    let (direct, floor) = (all("direct_mean_bytes")?, all("floor_mean_bytes")?);

    let mut series: Vec<Series> = Vec::new();
    let mut bounds = Series::new("floor", Origin::Predicted, Vec::new());
    let mut rows = Vec::new();
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    for (i, policy) in policies.iter().copied().enumerate() {
        let (Some(gap), Some(size)) = (gaps[i], bytes[i]) else { continue };
        match series.iter_mut().find(|series| series.name == policy) {
            Some(series) => series.points.push((gap, size)),
            None => series.push(Series::new(policy, Origin::Measured, vec![(gap, size)])),
        }
        if let Some(bound) = floor[i]
            && bounds.points.last().is_none_or(|(last, _)| *last < gap)
        {
            bounds.points.push((gap, bound));
        }
        let ratio = direct[i].map(|direct| size / direct);
        if let Some(ratio) = ratio {
            let worst = worst.entry(policy).or_default();
            *worst = worst.max(ratio);
        }
        let measured = |value: Option<f64>| {
            value.map_or(Value::Nothing, |value| Value::Number(value, Origin::Measured))
        };
        rows.push(vec![
            Value::Text(policy.to_owned()),
            Value::Given(gap),
            measured(Some(size)),
            measured(direct[i]),
            measured(ratio),
            measured(requests[i]),
            floor[i].map_or(Value::Nothing, |bound| Value::Number(bound, Origin::Predicted)),
        ]);
    }
    if series.is_empty() {
        return Err(record.none("a gap and its bytes"));
    }
    let finding = ladder_finding(&series, &worst);
    let ticks =
        series.iter().map(|series| series.points.iter().map(|point| point.0).collect::<Vec<_>>());
    let ticks = ticks.max_by_key(Vec::len).unwrap_or_default();
    series.push(bounds);
    Ok(Section {
        title: "Ladders over gaps".to_owned(),
        finding,
        plot: Plot::Lines(Lines {
            x: Axis { ticks, ..Axis::log("publishes since the last visit", Unit::Count) },
            y: Axis::log("mean cost of the deltas", Unit::Bytes),
            series,
            marks: Vec::new(),
        }),
        table: Table {
            columns: vec![
                Column::text("ladder"),
                Column::number("publishes since the last visit", Unit::Count),
                Column::number("mean cost", Unit::Bytes),
                Column::number("one direct delta", Unit::Bytes),
                Column::number("ratio to it", Unit::Ratio),
                Column::number("requests", Unit::Count),
                Column::number("floor", Unit::Bytes),
            ],
            rows,
        },
        notes: vec![
            "A ladder says which deltas a publisher keeps; a client takes the cheapest path that is kept from its version to \
             the newest."
                .to_owned(),
        ],
    })
}

/// How far the first ladder's worst gap is from one direct delta, and the last's of those that reach as far.
fn ladder_finding(series: &[Series], worst: &BTreeMap<&str, f64>) -> String {
    let first = &series[0];
    let reach = |series: &Series| series.points.last().map_or(0.0, |point| point.0);
    let most = worst
        .iter()
        .filter(|(policy, _)| {
            series.iter().any(|other| other.name == **policy && reach(other) >= reach(first))
        })
        .max_by(|a, b| a.1.total_cmp(b.1));
    let own = worst.get(first.name.as_str()).copied().unwrap_or(1.0);
    let mut finding = format!(
        "Up to {} publishes behind, the {} ladder costs a client at most {} times one direct delta",
        Unit::Count.full(reach(first)),
        first.name,
        figure(own)
    );
    if let Some((policy, ratio)) = most.filter(|(policy, _)| **policy != first.name) {
        finding += &format!("; {policy} costs up to {} times", figure(*ratio));
    }
    finding
}

fn figure(ratio: f64) -> String {
    Unit::Count.short(ratio)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{codecs, ladder_paths};
    use crate::plot::Plot;

    const SIZES: &str = "case\tcodec\tbytes\tfloor\tfloor_bytes\n\
        one\tours\t150\tstrict\t100.0\none\ttheirs\t400\tstrict\t100.0\none\tnone\t\tstrict\t100.0\n\
        two\tours\t220\tstrict\t200.0\ntwo\ttheirs\t300\tstrict\t200.0\n";
    const LADDER: &str = "policy\tgap\tmean_requests\tmean_bytes\tdirect_mean_bytes\tfloor_mean_bytes\n\
        a\t1\t1\t100\t100\t90\nb\t1\t1\t100\t100\t90\na\t10\t3\t450\t300\t250\nb\t10\t9\t900\t300\t250\n";

    #[test]
    fn codecs_are_held_to_the_floor_of_their_case() {
        let section = codecs("r.tsv", SIZES, &[("one", "first"), ("two", "second")]).unwrap();
        assert_eq!(
            section.finding,
            "Ours stays within 1.5 times the floor; the next best codec, theirs, needs up to 4 times"
        );
        let Plot::Bars(bars) = section.plot else { panic!("no bars") };
        assert_eq!(bars.series[1].values, [Some(400.0), Some(300.0)]);
        assert_eq!(bars.series[2].values, [None, None]);
        assert_eq!(bars.floor.unwrap().values, [100.0, 200.0]);
        assert_eq!(section.table.rows.len(), 4);
    }

    #[test]
    fn ladders_are_held_to_one_direct_delta() {
        let section = ladder_paths("r.tsv", LADDER).unwrap();
        assert_eq!(
            section.finding,
            "Up to 10 publishes behind, the a ladder costs a client at most 1.5 times one direct delta; b costs up to 3 times"
        );
        let Plot::Lines(lines) = section.plot else { panic!("no lines") };
        let names: Vec<&str> = lines.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "floor"]);
        assert_eq!(lines.series[2].points, [(1.0, 90.0), (10.0, 250.0)]);
    }

    #[test]
    fn says_what_is_wrong_with_a_record() {
        let error = |tsv: &str| codecs("r.tsv", tsv, &[("one", "first")]).unwrap_err().to_string();
        assert_eq!(error("case\tcodec\n"), "r.tsv: no column bytes; there are: case, codec");
        assert_eq!(error("case\tcodec\tbytes\tfloor\tfloor_bytes\n"), "r.tsv: no row with one");
        assert_eq!(
            error("case\tcodec\tbytes\tfloor\tfloor_bytes\none\tours\tmany\tstrict\t1\n"),
            "r.tsv: line 2: bytes is \"many\", which is no number"
        );
    }
}
