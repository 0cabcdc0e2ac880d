//! The table under a plot.

use crate::plot::Origin;
use crate::unit::Unit;

/// Rows of numbers in full precision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The head.
    pub columns: Vec<Column>,
    /// One value for each column.
    pub rows: Vec<Vec<Value>>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its head, without the unit.
    pub name: String,
    /// The unit of its numbers; `None` for text.
    pub unit: Option<Unit>,
}

impl Column {
    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), unit: None }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit: Some(unit) }
    }
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An empty place.
    Nothing,
    /// Text as it is.
    Text(String),
    /// A number that was chosen, such as a size on an axis.
    Given(f64),
    /// A number, and where it comes from.
    Number(f64, Origin),
}

impl Value {
    /// The number, and where it comes from if it says so.
    pub fn number(&self) -> Option<(f64, Option<Origin>)> {
        match *self {
            Self::Nothing | Self::Text(_) => None,
            Self::Given(value) => Some((value, None)),
            Self::Number(value, origin) => Some((value, Some(origin))),
        }
    }
}
