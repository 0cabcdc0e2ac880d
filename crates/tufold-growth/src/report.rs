//! A grid and a survey as a report for people: one finding a section, each sentence computed from its rows.

use tufold_report::{Error as RecordError, Origin, Plot, Provenance as Method, Report, Section};

use crate::Error;
use crate::cost::{Provenance, Row};
use crate::grid::Growth;
use crate::scenario::{Client, ClientKind};
use crate::survey::Survey;

mod bins;
mod deltas;
mod growth;
mod months;
mod rebins;

/// How the rows came to be.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The command.
    pub command: String,
    /// The commit of the code, if it is known.
    pub commit: Option<String>,
    /// What it ran on.
    pub machine: Option<String>,
}

/// The report on a grid and what was surveyed beside it. What has no rows has no section.
///
/// # Errors
/// [`Error::Form`] if a record of codecs that comes with tufold is not one.
pub fn report(growth: &Growth, survey: &Survey, run: &Run) -> Result<Report, Error> {
    let mut sections = Vec::new();
    sections.extend(months::months(survey));
    sections.extend(growth::over_doublings(growth));
    sections.extend(growth::clients(growth));
    sections.extend(months::gaps(survey));
    sections.extend(deltas::codecs(survey)?);
    sections.push(deltas::recorded_codecs()?);
    sections.extend(deltas::ladders(survey));
    sections.push(deltas::recorded_ladders()?);
    sections.extend(bins::heat(survey));
    sections.extend(bins::when_to_double(survey));
    sections.extend(rebins::rebins(growth));
    sections.push(deltas::break_even()?);
    sections.extend(growth::agreement(growth));
    let scenario = &growth.scenario;
    let summary = vec![format!(
        "What the TUF metadata of {} cost its clients and its publisher as the index doubles, layout by layout. Measured \
         numbers come from runs of the real publisher, codecs and client; predicted ones from closed forms of exact lengths.",
        scenario.title
    )];
    Ok(Report {
        title: format!("{}: what doubles when the index doubles", scenario.title),
        summary,
        sections,
        provenance: method(growth, survey, run),
    })
}

/// What a month costs over the size of the index, as an SVG; `None` without such rows.
pub fn picture(survey: &Survey) -> Option<String> {
    months::picture(survey)
}

fn method(growth: &Growth, survey: &Survey, run: &Run) -> Method {
    let scenario = &growth.scenario;
    let mut method = vec![
        "Measured: a history is drawn from the scenario and its seed; the real publisher signs and writes it publish by \
         publish, the real client visits, and the bytes of bodies are counted."
            .to_owned(),
        format!(
            "Predicted: lengths by the real serialiser, expected numbers of changed roles in closed form, and rates of codecs \
             that were measured on other seeds and sizes ({}).",
            growth.rates
        ),
    ];
    let agreement = &growth.summary;
    if agreement.bytes > 0 {
        method.push(format!(
            "Where both exist, {} numbers of bytes differ by {:.2} % in the median and {:.2} % at worst; {} of {} numbers of \
             requests differ.",
            agreement.bytes,
            agreement.median_percent,
            agreement.worst_percent,
            agreement.requests_that_differ,
            agreement.requests
        ));
    }
    if let Some(row) = growth.rows.first() {
        method.push(format!(
            "The plots over doublings: a publish every {} h, {} publishes, the ladder {}. The plots of months, gaps and bins: \
             a publish every {} s and a year of history.",
            row.interval_s as f64 / 3_600.0,
            row.publishes,
            row.ladder,
            scenario.publish.interval_s.value
        ));
    }
    let mut facts = vec![("Command".to_owned(), run.command.clone())];
    facts.push(("Layouts".to_owned(), layouts(growth).join(", ")));
    if let Some(shown) = deltas::largest_measured(survey) {
        facts.push(("Ladders were compared in".to_owned(), shown.layout.clone()));
    }
    facts.push((
        "Records".to_owned(),
        "benches/record/snapshots.tsv, bins.tsv, ladder-paths.tsv, visits.tsv".to_owned(),
    ));
    for [key, value, source] in scenario.figures() {
        facts.push((key, format!("{value} ({source})")));
    }
    Method {
        scenario: Some(format!("{} ({})", scenario.name, scenario.title)),
        seed: Some(growth.seed),
        commit: run.commit.clone(),
        machine: run.machine.clone(),
        method,
        facts,
    }
}

const fn origin(provenance: Provenance) -> Origin {
    match provenance {
        Provenance::Measured => Origin::Measured,
        Provenance::Predicted | Provenance::PredictedOnly => Origin::Predicted,
    }
}

/// A section whose table is that of its plot.
fn section(title: &str, finding: String, plot: Plot, notes: Vec<String>) -> Section {
    Section { title: title.to_owned(), finding, table: plot.table(), plot, notes }
}

/// A record that is not one.
fn record(error: RecordError) -> Error {
    Error::Form { file: "benches/record".to_owned(), problem: error.to_string() }
}

/// The first client of a kind.
fn first_of(growth: &Growth, kind: ClientKind) -> Option<&Client> {
    growth.scenario.client.iter().find(|client| client.kind == kind)
}

/// The rows of a layout, in the order of the grid.
fn of_layout<'g>(growth: &'g Growth, layout: &str) -> impl Iterator<Item = &'g Row> {
    growth.rows.iter().filter(move |row| row.layout == layout)
}

/// The names of the layouts, in the order of the grid.
fn layouts(growth: &Growth) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &growth.rows {
        if !names.contains(&row.layout.as_str()) {
            names.push(&row.layout);
        }
    }
    names
}
