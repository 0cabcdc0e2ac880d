//! Prints the tables of deltas, and records them.
#![expect(clippy::print_stderr, reason = "a program for people")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tufold_benches::measure;
use tufold_benches::tables::{self, Plan, Selection, Table};

const HELP: &str = "\
Prints exact bytes of deltas beside the floor and beside what is fetched without deltas

Usage: delta-tables [TABLE…] [OPTION…]

Tables: snapshots, bins, debian, ladder-paths, ladder-costs; all of them if none is named

  --record DIR   also write each table to DIR/TABLE.tsv; other rows that stand there stay
  --times        measure speed, memory and break-even bandwidth instead, into DIR/times.tsv
  --case TEXT    only cases whose names hold TEXT
  --codec NAME   only this codec; may be repeated
  --quick        only what the test compares with the record
  --all          the slow codecs on the large documents too";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [measure::CHILD, side, contender, folder] => {
            measure::child(side, contender, Path::new(folder)).and_then(|line| print(&line))
        }
        _ => run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<(), String> {
    let mut selection = Selection::default();
    let (mut names, mut record, mut times) = (Vec::new(), None, false);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--record" => record = Some(PathBuf::from(value()?)),
            "--times" => times = true,
            "--case" => selection.case = value()?,
            "--codec" => selection.contenders.push(value()?.parse()?),
            "--quick" => selection.quick = true,
            "--all" => selection.all = true,
            "--help" | "-h" => {
                return print(HELP);
            }
            name if tables::NAMES.contains(&name) => names.push(name.to_owned()),
            other => return Err(format!("there is no table or option {other}\n\n{HELP}")),
        }
    }
    let chosen = tables::NAMES
        .into_iter()
        .filter(|&name| names.is_empty() || names.iter().any(|chosen| chosen == name));
    if times {
        let plans: Vec<Plan> = chosen.filter_map(tables::plans).flatten().collect();
        return show(&measure::run(plans, &selection), record.as_deref(), &measure::machine());
    }
    for name in chosen {
        show(&tables::table(name, &selection), record.as_deref(), "")?;
    }
    Ok(())
}

fn show(table: &Table, record: Option<&Path>, heading: &str) -> Result<(), String> {
    print(&format!("{}\n{heading}{table}", table.name))?;
    let Some(folder) = record else { return Ok(()) };
    let path = folder.join(format!("{}.tsv", table.name));
    let earlier = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, format!("{heading}{}", table.recorded(&earlier)))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| format!("cannot print: {error}"))
}
