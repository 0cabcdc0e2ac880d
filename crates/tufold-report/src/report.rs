//! What a report holds.

use crate::page::Page;
use crate::plot::Plot;
use crate::table::Table;
use crate::{html, page};

/// A whole report, findings first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What it is about.
    pub title: String,
    /// Its paragraphs before the first section.
    pub summary: Vec<String>,
    /// One finding each.
    pub sections: Vec<Section>,
    /// Where its numbers come from.
    pub provenance: Provenance,
}

/// One finding with its plot and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The subject in a few words, for the table of contents.
    pub title: String,
    /// What the plot shows, in one sentence; the heading.
    pub finding: String,
    /// The plot.
    pub plot: Plot,
    /// Its numbers: `plot.table()`, or one that says more.
    pub table: Table,
    /// What a reader has to know to trust or repeat it, a paragraph each.
    pub notes: Vec<String>,
}

/// Where the numbers of a report come from; what is `None` or empty is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Provenance {
    /// The scenario that was simulated.
    pub scenario: Option<String>,
    /// The seed of its generator.
    pub seed: Option<u64>,
    /// The commit of the code.
    pub commit: Option<String>,
    /// What it ran on.
    pub machine: Option<String>,
    /// How the numbers were made, a paragraph each.
    pub method: Vec<String>,
    /// Further facts: a name and a value.
    pub facts: Vec<(String, String)>,
}

impl Report {
    /// The report as one HTML file that needs no other; the same report gives the same bytes.
    pub fn to_html(&self) -> String {
        let plots: Vec<&Plot> = self.sections.iter().map(|section| &section.plot).collect();
        Page {
            title: &self.title,
            body: html::report(self),
            data: page::json(&plots),
            script: page::REPORT_SCRIPT,
            asks_server: false,
        }
        .to_html()
    }
}
