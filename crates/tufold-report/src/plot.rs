//! What a plot shows, as plain rows. `assets/options.js` draws it.

use serde::Serialize;

use crate::table::{Column, Table, Value};
use crate::unit::Unit;

/// Where a number comes from; every one says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Read off a run of the real code.
    Measured,
    /// Computed by a model.
    Predicted,
    /// Taken from a publication.
    Cited,
}

impl Origin {
    /// `measured`, `predicted` or `cited`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Predicted => "predicted",
            Self::Cited => "cited",
        }
    }
}

/// How an axis begins; readers can switch it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Equal steps are equal distances.
    #[default]
    Linear,
    /// Equal factors are equal distances; values of zero and below are not drawn.
    Log,
}

/// An axis with numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Axis {
    /// What it shows, without the unit.
    pub label: String,
    /// How its numbers are written.
    pub unit: Unit,
    /// How it begins.
    pub scale: Scale,
    /// Where its ticks are, doublings for example; empty for what suits the range.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>, unit: Unit) -> Self {
        Self { label: label.into(), unit, scale: Scale::Linear, ticks: Vec::new() }
    }

    /// A log axis.
    pub fn log(label: impl Into<String>, unit: Unit) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label, unit) }
    }

    /// A log axis with a tick at `start` and at each of `doublings` doublings of it.
    pub fn doublings(label: impl Into<String>, unit: Unit, start: f64, doublings: u32) -> Self {
        let ticks = (0..=doublings).map(|n| start * f64::from(n).exp2()).collect();
        Self { ticks, ..Self::log(label, unit) }
    }
}

/// One plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Plot {
    /// Curves over a number.
    Lines(Lines),
    /// Amounts by category.
    Bars(Bars),
    /// A number by two categories, as colours.
    Heat(Heat),
}

/// Curves over a number: growth, ladders over gaps, thresholds, break-even.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lines {
    /// The axis across.
    pub x: Axis,
    /// The axis up.
    pub y: Axis,
    /// Series of one name share a colour and a switch: what was measured has filled markers on a solid line, what was
    /// predicted has open markers on a dashed one, what was cited has markers only.
    pub series: Vec<Series>,
    /// Lines across the whole plot, such as a limit.
    pub marks: Vec<Mark>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// Where its numbers come from.
    pub origin: Origin,
    /// x and y, by rising x.
    pub points: Vec<(f64, f64)>,
    /// How its points are joined.
    pub run: Run,
}

impl Series {
    /// A series of straight lines.
    pub fn new(name: impl Into<String>, origin: Origin, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), origin, points, run: Run::Straight }
    }
}

/// How points are joined.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// By straight lines.
    #[default]
    Straight,
    /// By steps: a value holds until the next point.
    Steps,
}

/// A labelled line across the whole plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "axis", rename_all = "kebab-case")]
pub enum Mark {
    /// Upright, at an x.
    X {
        /// Where.
        at: f64,
        /// What it says.
        label: String,
    },
    /// Level, at a y.
    Y {
        /// Where.
        at: f64,
        /// What it says.
        label: String,
    },
}

/// Amounts by category: one row of bars for each.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bars {
    /// What a category is.
    pub label: String,
    /// The names of the categories, from the top.
    pub categories: Vec<String>,
    /// The axis of the amounts. On a log axis bars have no length to compare, so points are drawn.
    pub value: Axis,
    /// What was predicted is hatched.
    pub series: Vec<BarSeries>,
    /// Whether the bars of a category add up. If so there is no log axis.
    pub stacked: bool,
    /// What no bar can go below.
    pub floor: Option<Floor>,
}

/// The bars of one colour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BarSeries {
    /// What the legend says.
    pub name: String,
    /// Where its numbers come from.
    pub origin: Origin,
    /// One for each category.
    pub values: Vec<Option<f64>>,
}

/// A bound drawn across the bars of each category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// What the legend says.
    pub name: String,
    /// One for each category.
    pub values: Vec<f64>,
}

/// A number by two categories.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Heat {
    /// What the columns are.
    pub x_label: String,
    /// Their names, from the left.
    pub columns: Vec<String>,
    /// What the rows are.
    pub y_label: String,
    /// Their names, from the bottom.
    pub rows: Vec<String>,
    /// What the colours show; its scale is that of the colours.
    pub value: Axis,
    /// The coloured cells; what is missing stays empty.
    pub cells: Vec<Cell>,
    /// A path drawn over the cells.
    pub optimum: Option<Optimum>,
}

/// One cell of a heat map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Its column, from 0.
    pub column: usize,
    /// Its row, from 0.
    pub row: usize,
    /// Its number.
    pub value: f64,
    /// Where the number comes from; a measured cell has a dot.
    pub origin: Origin,
}

/// The best row of each column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Optimum {
    /// What the legend says.
    pub name: String,
    /// For each column its row, from 0.
    pub rows: Vec<Option<usize>>,
}

impl Plot {
    /// Every number of the plot, one in a row, with where it comes from.
    pub fn table(&self) -> Table {
        match self {
            Self::Lines(lines) => lines.table(),
            Self::Bars(bars) => bars.table(),
            Self::Heat(heat) => heat.table(),
        }
    }

    /// What a reader is told who cannot see the plot.
    pub fn alt(&self) -> String {
        match self {
            Self::Lines(lines) => {
                let names = unique(lines.series.iter().map(|series| series.name.as_str()));
                format!(
                    "Line plot of {} by {}: {}.",
                    lines.y.label,
                    lines.x.label,
                    names.join(", ")
                )
            }
            Self::Bars(bars) => {
                let names = unique(bars.series.iter().map(|series| series.name.as_str()));
                format!("Bars of {} by {}: {}.", bars.value.label, bars.label, names.join(", "))
            }
            Self::Heat(heat) => {
                format!(
                    "Heat map of {} by {} and {}.",
                    heat.value.label, heat.x_label, heat.y_label
                )
            }
        }
    }
}

impl Lines {
    /// A row for each x, a column for each series.
    fn table(&self) -> Table {
        let mut xs: Vec<f64> =
            self.series.iter().flat_map(|series| series.points.iter().map(|(x, _)| *x)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut columns = vec![Column::number(&self.x.label, self.x.unit)];
        columns.extend(self.series.iter().map(|series| Column::number(&series.name, self.y.unit)));
        let row = |x: f64| {
            let at = |series: &Series| {
                let point = series.points.iter().find(|point| point.0 == x);
                point.map_or(Value::Nothing, |(_, y)| Value::Number(*y, series.origin))
            };
            std::iter::once(Value::Given(x)).chain(self.series.iter().map(at)).collect()
        };
        Table { columns, rows: xs.into_iter().map(row).collect() }
    }
}

impl Bars {
    fn table(&self) -> Table {
        let mut columns = vec![Column::text(&self.label)];
        let column = |name: &String| Column::number(name, self.value.unit);
        columns.extend(self.series.iter().map(|series| column(&series.name)));
        columns.extend(self.floor.iter().map(|floor| column(&floor.name)));
        let row = |(i, category): (usize, &String)| {
            let mut row = vec![Value::Text(category.clone())];
            row.extend(self.series.iter().map(|series| {
                let value = series.values.get(i).copied().flatten();
                value.map_or(Value::Nothing, |value| Value::Number(value, series.origin))
            }));
            row.extend(self.floor.iter().map(|floor| {
                floor.values.get(i).map_or(Value::Nothing, |value| Value::Given(*value))
            }));
            row
        };
        Table { columns, rows: self.categories.iter().enumerate().map(row).collect() }
    }
}

impl Heat {
    fn table(&self) -> Table {
        let mut columns = vec![Column::text(&self.y_label)];
        columns.extend(self.columns.iter().map(|name| Column::number(name, self.value.unit)));
        let mut rows: Vec<Vec<Value>> =
            self.rows.iter().map(|name| vec![Value::Text(name.clone())]).collect();
        for row in &mut rows {
            row.resize(self.columns.len() + 1, Value::Nothing);
        }
        for cell in &self.cells {
            if let Some(place) = rows.get_mut(cell.row).and_then(|row| row.get_mut(cell.column + 1))
            {
                *place = Value::Number(cell.value, cell.origin);
            }
        }
        Table { columns, rows }
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}
