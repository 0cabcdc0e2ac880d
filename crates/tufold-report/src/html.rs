//! The body of a page.

use maud::{Markup, html};

use crate::plot::Origin;
use crate::report::{Provenance, Report, Section};
use crate::table::{Column, Table, Value};

/// The body of a report.
pub(crate) fn report(report: &Report) -> Markup {
    html! {
        (masthead(&report.title, &report.summary))
        main {
            @if report.sections.len() > 2 {
                nav aria-label="Findings" {
                    ol {
                        @for (i, section) in report.sections.iter().enumerate() {
                            li { a href={ "#finding-" (i + 1) } { (section.finding) } }
                        }
                    }
                }
            }
            @for (i, section) in report.sections.iter().enumerate() {
                (self::section(section, i))
            }
            (provenance(&report.provenance))
        }
    }
}

/// The head of a page.
pub(crate) fn masthead(title: &str, summary: &[String]) -> Markup {
    html! {
        a.skip href="#finding-1" { "Skip to the first finding" }
        header {
            button #theme type="button" aria-pressed="false" { "Dark theme" }
            h1 { (title) }
            @for paragraph in summary {
                p { (paragraph) }
            }
        }
        noscript { p.warning { "The plots need JavaScript. Every number is in the tables." } }
    }
}

/// One section, the `index`-th from 0.
pub(crate) fn section(section: &Section, index: usize) -> Markup {
    let number = index + 1;
    html! {
        section id={ "finding-" (number) } aria-labelledby={ "heading-" (number) } {
            p.subject { (section.title) }
            h2 id={ "heading-" (number) } { (section.finding) }
            figure {
                div.plot data-plot=(index) role="img" aria-label=(section.plot.alt()) {}
                figcaption { (notes(&section.notes)) }
            }
            details.numbers {
                summary { "The numbers" }
                div.wide tabindex="0" role="region" aria-label={ "Numbers: " (section.title) } {
                    (table(&section.table))
                }
            }
        }
    }
}

/// Paragraphs under a plot.
pub(crate) fn notes(notes: &[String]) -> Markup {
    html! {
        @for note in notes {
            p { (note) }
        }
    }
}

/// A table in full precision; a column says once where its numbers come from, if they all come from there.
pub(crate) fn table(table: &Table) -> Markup {
    let origins: Vec<Option<Origin>> =
        (0..table.columns.len()).map(|i| common_origin(table, i)).collect();
    html! {
        table {
            thead {
                tr {
                    @for (column, origin) in table.columns.iter().zip(&origins) {
                        (head(column, *origin))
                    }
                }
            }
            tbody {
                @for row in &table.rows {
                    tr {
                        @for (i, (column, value)) in table.columns.iter().zip(row).enumerate() {
                            (cell(column, value, i == 0, origins[i].is_none()))
                        }
                    }
                }
            }
        }
    }
}

/// The origin of every number in a column that has any.
fn common_origin(table: &Table, column: usize) -> Option<Origin> {
    let mut numbers = table.rows.iter().filter_map(|row| row.get(column)?.number());
    let (_, first) = numbers.next()?;
    numbers.all(|(_, origin)| origin == first).then_some(first)?
}

fn head(column: &Column, origin: Option<Origin>) -> Markup {
    let unit = column.unit.map(|unit| unit.name()).filter(|name| !name.is_empty());
    html! {
        th scope="col" class=[column.unit.map(|_| "number")] {
            (column.name)
            @if unit.is_some() || origin.is_some() {
                " "
                small {
                    (unit.into_iter().chain(origin.map(Origin::name)).collect::<Vec<_>>().join(", "))
                }
            }
        }
    }
}

fn cell(column: &Column, value: &Value, first: bool, says_origin: bool) -> Markup {
    let unit = column.unit.unwrap_or_default();
    let content = match value {
        Value::Nothing => html! {},
        Value::Text(text) => html! { (text) },
        Value::Given(number) => {
            html! { data value=(number) title=(unit.short(*number)) { (unit.full(*number)) } }
        }
        Value::Number(number, origin) => html! {
            data value=(number) title={ (unit.short(*number)) ", " (origin.name()) } { (unit.full(*number)) }
            @if says_origin { " " small { (origin.name()) } }
        },
    };
    let class = column.unit.map(|_| "number");
    html! {
        @if first { th scope="row" class=[class] { (content) } } @else { td class=[class] { (content) } }
    }
}

fn provenance(provenance: &Provenance) -> Markup {
    let Provenance { scenario, seed, commit, machine, method, facts } = provenance;
    let known = [
        ("Scenario", scenario.clone()),
        ("Seed", seed.map(|seed| seed.to_string())),
        ("Commit", commit.clone()),
        ("Machine", machine.clone()),
    ];
    html! {
        footer id="provenance" {
            h2 { "Where the numbers come from" }
            (notes(method))
            dl {
                @for (name, value) in known {
                    @if let Some(value) = value {
                        dt { (name) } dd { (value) }
                    }
                }
                @for (name, value) in facts {
                    dt { (name) } dd { (value) }
                }
            }
            p.legend {
                "Measured numbers are drawn filled and solid: the real code ran. Predicted numbers are open, dashed or hatched: "
                "a model computed them. Cited numbers are markers without a line: a publication states them."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::{Column, Origin, Table, Unit, Value};

    #[test]
    fn a_table_says_where_each_number_comes_from() {
        let columns = vec![
            Column::text("a <b>"),
            Column::number("same", Unit::Bytes),
            Column::number("mixed", Unit::Bytes),
        ];
        let row = |origin| {
            let number = |value| Value::Number(value, Origin::Measured);
            vec![Value::Text("\"&".to_owned()), number(1_234.5), Value::Number(2e6, origin)]
        };
        let rows = vec![row(Origin::Measured), row(Origin::Predicted)];
        let html = table(&Table { columns, rows }).into_string();
        for part in [
            "a &lt;b&gt;",
            "&quot;&amp;",
            "same <small>bytes, measured</small>",
            "mixed <small>bytes</small>",
            "<data value=\"1234.5\" title=\"1.23 kB, measured\">1,234.5</data></td>",
            "2,000,000</data> <small>predicted</small>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
