//! Plain rows to one self-contained HTML file with interactive plots.
//!
//! What it is: a [`Report`] is a title, a summary, sections and a provenance; each [`Section`] states one finding, shows
//! it in one [`Plot`] and lists its numbers in a [`Table`]. The file works offline, on a phone and in print, in a light and a
//! dark theme, by keyboard and without seeing colours. The same rows give the same bytes. An [`Explorer`] is a page with
//! sliders that asks a server for such sections and redraws at once.
//!
//! What it is not: a judge of its rows. It computes no finding and knows nothing of what the numbers are about; it reads no
//! file and no clock. Whatever a string holds is shown as text and never becomes markup or script.
//!
//! ```
//! use tufold_report::{Axis, Lines, Origin, Plot, Provenance, Report, Section, Series, Unit};
//!
//! let plot = Plot::Lines(Lines {
//!     x: Axis::log("targets", Unit::Count),
//!     y: Axis::log("bytes of a first visit", Unit::Bytes),
//!     series: vec![
//!         Series::new("bins", Origin::Measured, vec![(62_500.0, 51_300.0), (125_000.0, 72_100.0)]),
//!         Series::new("bins", Origin::Predicted, vec![(125_000.0, 72_000.0), (250_000.0, 101_500.0)]),
//!     ],
//!     marks: Vec::new(),
//! });
//! let report = Report {
//!     title: "What doubling costs".to_owned(),
//!     summary: vec!["Twice the targets cost 1.4 times the bytes.".to_owned()],
//!     sections: vec![Section {
//!         title: "Growth".to_owned(),
//!         finding: "Twice the targets cost a first visit 1.4 times the bytes.".to_owned(),
//!         table: plot.table(),
//!         plot,
//!         notes: Vec::new(),
//!     }],
//!     provenance: Provenance::default(),
//! };
//! assert!(report.to_html().starts_with("<!DOCTYPE html>"));
//! ```

mod explorer;
mod html;
mod page;
mod picture;
mod plot;
mod records;
mod report;
mod table;
mod unit;

pub use explorer::{Explorer, Slider, answer};
pub use plot::{
    Axis, BarSeries, Bars, Cell, Floor, Heat, Lines, Mark, Optimum, Origin, Plot, Run, Scale,
    Series,
};
pub use records::{Error, codecs, ladder_paths};
pub use report::{Provenance, Report, Section};
pub use table::{Column, Table, Value};
pub use unit::Unit;
