//! `tufold grow`: what an index costs as it doubles.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tufold_growth::{
    Event, Grid, Growth, LayoutSpec, Provenance, RATES_STEPS, Rates, ReplayOptions, Row, Run,
    Scenario, Work, grow, grow_lists, measure_rates, picture, report, scenario_names, survey,
};

use tufold_repo::targets::{Source, read_targets};

use crate::bars;
use crate::interrupt;
use crate::output::{Exit, Out, count};

mod tables;

/// The layouts of the study.
const STUDY_LAYOUTS: &str = "bins-succinct:auto,bins-prefixes:16384,bins-succinct:16384/hashes,bins-succinct:16384/merkle,projects-wildcard";

/// Simulate an index that doubles: what its metadata costs everyone, layout by layout
///
/// Small sizes are replayed: the real publisher writes, the real client visits, and the bytes are counted. All sizes are
/// predicted by closed forms of exact lengths. Where both exist they are compared. SCENARIO is the name of one that comes with
/// tufold, or a file of that form.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold grow
  tufold grow --report report.html --json=costs.json --csv tables
  tufold grow npm --doublings 10 --layouts bins-succinct:auto,bins-succinct:16384,projects-wildcard
  tufold grow pypi-pep458 --replay-to 0 --layouts bins-prefixes:16384,bins-succinct:16384
  tufold grow pypi-today --from 62500 --doublings 7 --replay-to 8000000 --resume cells.jsonl
  tufold grow debian-sid --trace datasets/debian-forky-amd64.tsv.zst,datasets/debian-sid-amd64.tsv.zst --layouts bins-succinct:1024
  tufold grow --study --report study.html --csv study --picture study.svg --resume cells.jsonl
  tufold grow drupal --sources
  tufold grow mine.toml --measure-rates mine.rates.toml
  tufold grow mine.toml --rates mine.rates.toml --csv tables")]
pub(crate) struct Args {
    /// The scenario
    #[arg(default_value = "pypi-today")]
    scenario: String,
    /// The recorded study: from 62,500 targets by doublings to 8 M in replay and to 4 G predicted, in five layouts
    #[arg(long)]
    study: bool,
    /// How often the index doubles after the smallest size
    #[arg(long, value_name = "K", default_value = "12", default_value_if("study", "true", "16"), value_parser = clap::value_parser!(u32).range(..=40))]
    doublings: u32,
    /// Targets of the smallest index
    #[arg(
        long,
        value_name = "N",
        default_value = "8000",
        default_value_if("study", "true", "62500")
    )]
    from: u64,
    /// The layouts, as `FORM[:BINS][/SNAPSHOT]`: flat, projects-listed, projects-wildcard, bins-prefixes or bins-succinct; a
    /// power of two or auto; versions, hashes or merkle
    #[arg(
        long,
        value_name = "LAYOUTS",
        value_delimiter = ',',
        default_value = "bins-succinct:auto,bins-prefixes:1024,bins-succinct:1024/hashes,bins-succinct:1024/merkle,projects-wildcard",
        default_value_if("study", "true", STUDY_LAYOUTS)
    )]
    layouts: Vec<LayoutSpec>,
    /// The largest index that is replayed; 0 only predicts
    #[arg(
        long,
        value_name = "N",
        default_value = "32000",
        default_value_if("study", "true", "8000000")
    )]
    replay_to: u64,
    /// Which deltas are kept: pow2:N, climb:N, chain:N, direct:N or tiered:N
    #[arg(long, value_name = "LADDER", default_value = "pow2:1024")]
    ladder: tufold_delta::Ladder,
    /// Visitors of each kind in a replay
    #[arg(long, value_name = "N", default_value_t = 12)]
    visitors: u64,
    /// What the history's random draws start from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where the repositories of replays are made [default: /dev/shm up to 100,000 targets, else the
    /// system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// A file of finished replays: what it holds is not done again
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Replay nothing anew: what the file of finished replays does not hold is predicted only
    #[arg(long, requires = "resume")]
    noted_only: bool,
    /// A real history instead of one that is made up: two lists of targets or more, as `init --targets` takes them; each after
    /// the first is a publish. SCENARIO says who visits. Nothing is predicted beyond it
    #[arg(long, value_name = "LIST,LIST", value_delimiter = ',', conflicts_with_all = ["resume", "measure_rates"])]
    trace: Vec<PathBuf>,
    /// Rates of codecs for a scenario of one's own
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Measure the rates of codecs for this scenario's paths instead, and write them here
    #[arg(long, value_name = "FILE", conflicts_with = "rates")]
    measure_rates: Option<PathBuf>,
    /// Print the scenario's figures with their sources instead
    #[arg(long)]
    sources: bool,
    /// Write a report with interactive plots: one HTML file that needs no other
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Draw what a month costs over the size of the index, as an SVG that follows the reader's theme
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Write tables into this folder: clients.csv, publishers.csv, rebins.csv, agreement.csv; with --report also ladders.csv, codecs.csv,
    /// bins.csv, months.csv and gaps.csv
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let scenario = Scenario::load(&args.scenario)?;
    if args.sources {
        return sources(&scenario, out);
    }
    let scratch = Work::new(&args.work.unwrap_or_else(|| folder_for(args.replay_to)))?;
    remove_when_interrupted(scratch.path().to_owned());
    let work = scratch.path().to_owned();
    if let Some(file) = &args.measure_rates {
        let bar = bars::steps("measuring rates", RATES_STEPS);
        let rates = measure_rates(&scenario, &work, &|_| bar.inc(1))?;
        write(file, rates.to_toml().as_bytes())?;
        out.result(&rates, |out| writeln!(out, "measured {}", rates.provenance))?;
        return Ok(Exit::Yes);
    }
    let rates = match &args.rates {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            Rates::parse(&file.display().to_string(), &text)?
        }
        None => Rates::of(&scenario.name)?,
    };
    let grid = Grid {
        layouts: args.layouts,
        from: args.from,
        doublings: args.doublings,
        replay_to: args.replay_to,
        options: ReplayOptions { ladder: args.ladder, seed: args.seed, visitors: args.visitors },
        work,
        resume: args.resume,
        noted_only: args.noted_only,
    };
    let bar = bars::steps("replaying", 0);
    let progress = |event| match event {
        Event::Start(cells) => {
            bar.reset();
            bar.set_length(cells);
        }
        Event::Publish(cell, at, of) => bar.set_message(format!("{cell}: publish {at} of {of}")),
        Event::Cell => bar.inc(1),
        Event::Finish => bar.finish_and_clear(),
    };
    let growth = if args.trace.is_empty() {
        grow(&scenario, &rates, &grid, &progress)?
    } else {
        let mut lists = Vec::new();
        for file in &args.trace {
            lists.push(read_targets(Source::open(file)?, &|_| ())?);
        }
        grow_lists(&scenario, &rates, &grid, &lists, &progress)?
    };
    let is_surveyed = args.report.is_some() || args.picture.is_some();
    let surveyed = match is_surveyed {
        true => Some(survey(&scenario, &rates, &grid, &progress)?),
        false => None,
    };
    if let Some((file, surveyed)) = args.report.as_ref().zip(surveyed.as_ref()) {
        write(file, report(&growth, surveyed, &this_run())?.to_html().as_bytes())?;
    }
    if let Some((file, surveyed)) = args.picture.as_ref().zip(surveyed.as_ref()) {
        write(file, picture(surveyed).unwrap_or_default().as_bytes())?;
    }
    if let Some(folder) = &args.csv {
        tables::write(&growth, surveyed.as_ref(), folder)?;
    }
    out.result(&growth, |out| table(&growth, out))?;
    Ok(Exit::Yes)
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

/// Ctrl-C removes what replays have made; what was noted for --resume stays.
fn remove_when_interrupted(folder: PathBuf) {
    interrupt::end_with(move || {
        // The replay goes on writing meanwhile.
        for _ in 0..100 {
            if std::fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                break;
            }
        }
        std::process::exit(130);
    });
}

/// What a report says of how it was made.
fn this_run() -> Run {
    let words = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    Run {
        command: format!("tufold {words}"),
        commit: option_env!("TUFOLD_COMMIT").map(str::to_owned),
        machine: machine(),
    }
}

/// The processor and how many threads it runs, where the system says it.
fn machine() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism().ok()?;
    Some(format!("{}, {threads} threads", model?.1))
}

/// Replays write and sync many small files: small ones do so in memory, where there is a folder for that.
fn folder_for(targets: u64) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let is_small = targets <= IN_MEMORY_TARGETS && memory.is_dir();
    if is_small { memory } else { std::env::temp_dir() }
}

/// A replay of so many targets takes some hundred megabytes of files.
const IN_MEMORY_TARGETS: u64 = 100_000;

fn sources(scenario: &Scenario, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let figures = scenario.figures();
    out.result(&figures, |out| {
        writeln!(out, "{}: {}", scenario.name, scenario.title)?;
        for [key, value, source] in &figures {
            writeln!(out, "{key:38} {value:>14}  {source}")?;
        }
        let others: Vec<_> = scenario_names().collect();
        writeln!(out, "scenarios: {}", others.join(", "))
    })?;
    Ok(Exit::Yes)
}

/// Bytes in the unit that fits, in a column.
pub(crate) fn short(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.3} {name}", bytes / unit),
        None => format!("{bytes:.0} B"),
    }
}

const fn mark(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Measured => "measured",
        Provenance::Predicted => "predicted",
        Provenance::PredictedOnly => "predicted only",
    }
}

fn table(growth: &Growth, out: &mut dyn Write) -> std::io::Result<()> {
    let scenario = &growth.scenario;
    let Some(first) = growth.rows.first() else { return Ok(()) };
    writeln!(
        out,
        "{}: a publish every {} h, {} publishes, {}, seed {}",
        scenario.title,
        first.interval_s as f64 / 3600.0,
        first.publishes,
        first.ladder,
        growth.seed
    )?;
    writeln!(out, "Bytes of one visit: whole files, whole files in gzip, and with deltas.")?;
    let mut layouts: Vec<&str> = Vec::new();
    for row in &growth.rows {
        if !layouts.contains(&row.layout.as_str()) {
            layouts.push(&row.layout);
        }
    }
    for layout in layouts {
        writeln!(out, "\n{layout}")?;
        write!(out, "{:>16} {:>8} {:<14}", "targets", "bins", "")?;
        for client in &scenario.client {
            write!(
                out,
                " | {:>10} {:>10} {:>10}",
                format!("{} plain", client.name),
                "gzip",
                "deltas"
            )?;
        }
        writeln!(out, " | {:>10} {:>10} {:>6}", "publish", "deltas", "roles")?;
        for row in growth.rows.iter().filter(|row| row.layout == layout) {
            write_row(row, out)?;
        }
    }
    rebins(growth, out)?;
    let s = &growth.summary;
    if s.bytes > 0 {
        writeln!(
            out,
            "\nPredicted against measured, {} numbers of bytes: {:.2} % off in the median, {:.2} % at worst; requests: {} of {} differ.",
            s.bytes, s.median_percent, s.worst_percent, s.requests_that_differ, s.requests
        )?;
        writeln!(
            out,
            "From the scenario alone, not knowing which packages were drawn: {:.2} % in the median, {:.2} % at worst.",
            s.expected_median_percent, s.expected_worst_percent
        )?;
    }
    Ok(())
}

/// The bins that double along with the index.
fn rebins(growth: &Growth, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(first) = growth.rebins.first() else { return Ok(()) };
    writeln!(
        out,
        "\nWhen the bins double along with the index: the publish that makes new bins of the old ones, and the next visit of each client"
    )?;
    write!(out, "{:>16} {:>8} {:<14}", "targets", "bins", "")?;
    for client in &first.row.costs.clients {
        let plain = format!("{} plain", client.client);
        write!(out, " | {plain:>10} {:>10} {:>10}", "gzip", "deltas")?;
    }
    writeln!(out, " | {:>10} {:>10} {:>6}", "publish", "deltas", "roles")?;
    for rebin in &growth.rebins {
        write_row(&rebin.row, out)?;
    }
    Ok(())
}

fn write_row(row: &Row, out: &mut dyn Write) -> std::io::Result<()> {
    let bins = row.bins.map_or("-".to_owned(), count);
    write!(out, "{:>16} {:>8} {:<14}", count(row.targets), bins, mark(row.provenance))?;
    for client in &row.costs.clients {
        let delta = client.delta.map_or("-".to_owned(), |delta| short(delta.bytes));
        // As wide as its head, which has the client's name.
        let width = (client.client.len() + " plain".len()).max(10);
        write!(
            out,
            " | {:>width$} {:>10} {:>10}",
            short(client.plain.bytes),
            short(client.gzip.bytes),
            delta
        )?;
    }
    let publisher = &row.costs.publisher;
    writeln!(
        out,
        " | {:>10} {:>10} {:>6.0}",
        short(publisher.metadata_bytes),
        short(publisher.delta_bytes),
        publisher.roles
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Args;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn only_the_study_has_its_sizes() {
        for (words, sizes) in [
            (&["grow"][..], (8_000, 12, 32_000, 5)),
            (&["grow", "--study"], (62_500, 16, 8_000_000, 5)),
            (
                &["grow", "--study", "--from", "1000", "--layouts", "flat"],
                (1_000, 16, 8_000_000, 1),
            ),
        ] {
            let Args { from, doublings, replay_to, layouts, .. } =
                Command::try_parse_from(words).unwrap().args;
            assert_eq!((from, doublings, replay_to, layouts.len()), sizes, "{words:?}");
        }
    }
}
