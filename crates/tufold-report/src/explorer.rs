//! A page with sliders: it asks a server for sections and redraws at once. The server's model is the only one; the page
//! computes nothing.

use maud::{Markup, html};
use serde::Serialize;

use crate::html;
use crate::page::{self, Page};
use crate::plot::Plot;
use crate::report::Section;
use crate::unit::Unit;

/// A page of sliders over what a server answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explorer {
    /// What it is about.
    pub title: String,
    /// Its paragraphs.
    pub summary: Vec<String>,
    /// What the reader can change.
    pub sliders: Vec<Slider>,
    /// What is asked on the same server, with `?name=value&…` after it: `/model`. The reply is `answer`'s.
    pub endpoint: String,
}

/// One number that a reader can change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Slider {
    /// Its name in the query.
    pub name: String,
    /// What the reader sees.
    pub label: String,
    /// How its number is written.
    pub unit: Unit,
    /// Its least value; above zero if `log`.
    pub min: f64,
    /// Its greatest value.
    pub max: f64,
    /// Where it begins.
    pub start: f64,
    /// Its values are whole steps from `min`; with `log`, each step is that many doublings.
    pub step: f64,
    /// Whether equal distances are equal factors.
    pub log: bool,
    /// What whole numbers from 0 on stand for, if they are names.
    pub choices: Vec<String>,
}

impl Slider {
    /// What the reader sees at first.
    fn start_text(&self) -> String {
        let at = self.choices.iter().enumerate().find(|(at, _)| *at as f64 == self.start);
        at.map_or_else(|| self.unit.short(self.start), |(_, name)| name.clone())
    }
}

impl Explorer {
    /// The page; the same explorer gives the same bytes.
    pub fn to_html(&self) -> String {
        Page {
            title: &self.title,
            body: self.body(),
            data: page::json(
                &serde_json::json!({ "endpoint": self.endpoint, "sliders": self.sliders }),
            ),
            script: page::EXPLORER_SCRIPT,
            asks_server: true,
        }
        .to_html()
    }

    fn body(&self) -> Markup {
        html! {
            (html::masthead(&self.title, &self.summary))
            main.explorer {
                form #sliders aria-label="Assumptions" {
                    @for slider in &self.sliders {
                        p {
                            label for=(slider.name) { (slider.label) }
                            " "
                            output for=(slider.name) { (slider.start_text()) }
                            input id=(slider.name) name=(slider.name) type="range";
                        }
                    }
                    p #status role="status" {}
                }
                div #sections {}
            }
        }
    }
}

/// What the page needs of a section to draw it.
#[derive(Serialize)]
struct Drawn<'a> {
    title: &'a str,
    finding: &'a str,
    alt: String,
    plot: &'a Plot,
    table_html: String,
    notes: &'a [String],
}

/// The JSON that an explorer's endpoint answers with.
pub fn answer(sections: &[Section]) -> String {
    let drawn = sections.iter().map(|section| Drawn {
        title: &section.title,
        finding: &section.finding,
        alt: section.plot.alt(),
        plot: &section.plot,
        table_html: html::table(&section.table).into_string(),
        notes: &section.notes,
    });
    page::json(&drawn.collect::<Vec<_>>())
}
