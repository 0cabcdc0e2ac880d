//! `tufold reproduce`: the literature's figures, beside this model's and those of real documents.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use tufold_growth::literature::{Exactness, Line, Reproduction, Work};
use tufold_repo::targets::{Projects, Source, read_projects};

use crate::bars;
use crate::output::{Exit, Out, count};

/// Reproduce the literature's figures on what TUF metadata costs
///
/// Each line has the published figure, this model's under the source's assumptions with its deviation, the same with
/// documents as tufold writes them, and where it is the same quantity, what running it measures. `=` marks a figure that
/// has to come out in every printed digit; if one does not, the exit status is 1.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold reproduce pep458
  tufold reproduce tap15 tap16 scale-out bins-gist
  tufold reproduce mercury --names datasets/pypi-projects.tsv.zst
  tufold reproduce all --json")]
pub(crate) struct Args {
    /// pep458, tap15, tap16, scale-out, bins-gist, mercury, rfc3724 or all
    #[arg(required = true, value_name = "SOURCE", value_parser = works)]
    sources: Vec<Works>,
    /// The list of projects whose names Mercury's index gets
    #[arg(long, value_name = "FILE", default_value = "datasets/pypi-projects.tsv.zst")]
    names: PathBuf,
}

/// One source, or all.
#[derive(Clone, Debug)]
struct Works(Vec<Work>);

fn works(text: &str) -> Result<Works, String> {
    if text == "all" {
        return Ok(Works(Work::ALL.to_vec()));
    }
    text.parse().map(|work| Works(vec![work])).map_err(|error: String| format!("{error} or all"))
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let asked: Vec<Work> = args.sources.iter().flat_map(|Works(works)| works).copied().collect();
    let works: Vec<Work> = Work::ALL.into_iter().filter(|work| asked.contains(work)).collect();
    let projects = match works.iter().any(|work| work.needs_names()) {
        true => {
            let names = Source::open(&args.names);
            let names =
                names.context("mercury takes names of projects from a list (--names FILE)")?;
            read_projects(names, &bars::rows("reading names"))?
        }
        false => Projects::default(),
    };
    let names: Vec<&str> = projects.rows().iter().map(|project| &*project.name).collect();
    let bar = bars::steps("reproducing", works.len() as u64);
    let mut done = Vec::new();
    for work in works {
        done.push(work.reproduce(&names)?);
        bar.inc(1);
    }
    drop(bar);
    out.result(&done, |out| done.iter().try_for_each(|one| table(one, out)))?;
    Ok(if done.iter().all(Reproduction::agrees) { Exit::Yes } else { Exit::No })
}

fn table(reproduction: &Reproduction, out: &mut dyn Write) -> io::Result<()> {
    let Reproduction { title, notes, lines, .. } = reproduction;
    let width = lines.iter().map(|line| line.quantity.chars().count()).max().unwrap_or(0);
    writeln!(out, "{title}")?;
    writeln!(
        out,
        "  {:width$} {:>8} {:>13} {:>13} {:>8} {:>15} {:>13}  source",
        "", "", "published", "model", "off by", "real", "replayed"
    )?;
    for line in lines {
        let value = |value: Option<f64>| value.map_or("-".to_owned(), number);
        writeln!(
            out,
            "{} {:width$} {:>8} {:>13} {:>13} {:>8} {:>15} {:>13}  {}",
            mark(line),
            line.quantity,
            line.unit,
            value(line.published),
            value(line.modelled),
            deviation(line),
            value(line.real),
            value(line.replayed),
            line.source,
        )?;
    }
    for note in notes {
        writeln!(out, "  {note}")?;
    }
    writeln!(out)
}

/// Whether a line had to agree, and did.
fn mark(line: &Line) -> char {
    match (line.exactness, line.agrees()) {
        (Exactness::Exact { .. }, true) => '=',
        (Exactness::Exact { .. }, false) => '!',
        (Exactness::Modelled, _) => ' ',
    }
}

fn deviation(line: &Line) -> String {
    match line.deviation {
        None => "-".to_owned(),
        Some(_) if matches!(line.exactness, Exactness::Exact { .. }) && line.agrees() => {
            "0".to_owned()
        }
        Some(deviation) if deviation.is_finite() => format!("{:+.1} %", deviation * 100.0),
        Some(_) => "far".to_owned(),
    }
}

/// Whole from a thousand on, else with the decimals that there are, four at most.
fn number(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative"
    )]
    let whole = value.round() as u64;
    if value >= 1_000.0 {
        return count(whole);
    }
    let text = if value >= 10.0 { format!("{value:.2}") } else { format!("{value:.4}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_need() {
        let rows =
            [(0.0, "0"), (0.3656, "0.3656"), (273.559, "273.56"), (9.0, "9"), (2.5e6, "2,500,000")];
        for (value, text) in rows {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn sources_are_told_by_name() {
        assert_eq!(works("all").unwrap().0.len(), Work::ALL.len());
        assert_eq!(works("tap16").unwrap().0, [Work::Tap16]);
        assert!(works("tap17").unwrap_err().contains("rfc3724 or all"));
    }
}
