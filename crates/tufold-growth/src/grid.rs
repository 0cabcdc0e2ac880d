//! An index that doubles, layout by layout: replayed as far as it fits, predicted at each size, and both compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tufold_repo::targets::TargetList;

use crate::Error;
use crate::cost::{Costs, Provenance, Row};
use crate::counts::Counts;
use crate::layout::{Bins, LayoutSpec, Snapshots};
use crate::plan::cheapest_bits;
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::rebins::{self, RebinRow, Step};
use crate::replay::{COUNTING, ReplayOptions, Replayed, experiment, recount, replay, replay_trace};
use crate::scenario::Scenario;
use crate::survey::CodecCost;
use crate::trace::Lists;

/// What to run.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The layouts; `auto` bins are chosen at each size.
    pub layouts: Vec<LayoutSpec>,
    /// Targets of the smallest index.
    pub from: u64,
    /// How often it doubles.
    pub doublings: u32,
    /// The largest index that is replayed; 0 for none.
    pub replay_to: u64,
    /// How a replay is done.
    pub options: ReplayOptions,
    /// Where repositories are made.
    pub work: PathBuf,
    /// Where finished cells are noted, so that a later run need not do them again.
    pub resume: Option<PathBuf>,
    /// Measure nothing anew: what is not noted is predicted only.
    pub noted_only: bool,
}

/// An event of a grid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// So many replays are to be done.
    Start(u64),
    /// This one is under way: its name, the publish that is done, and of how many.
    Publish(String, u64, u64),
    /// It is done.
    Cell,
    /// All are.
    Finish,
}

/// What came of a grid.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Growth {
    /// The scenario with its sources.
    pub scenario: Scenario,
    /// Every cell; what was replayed is there twice.
    pub rows: Vec<Row>,
    /// Every time that the bins double along with the index, where their number is chosen at each size.
    #[serde(default)]
    pub rebins: Vec<RebinRow>,
    /// Each number that was measured and predicted.
    pub agreement: Vec<Deviation>,
    /// The deviations in brief.
    pub summary: Agreement,
    /// The seed of the histories.
    pub seed: u64,
    /// Where the rates are from.
    pub rates: String,
}

/// One number, measured and predicted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Deviation {
    /// The layout.
    pub layout: String,
    /// Targets at the start.
    pub targets: u64,
    /// What was measured, as in `developer gzip bytes`.
    pub what: String,
    /// Measured.
    pub measured: f64,
    /// Predicted from what the history did.
    pub predicted: f64,
    /// Predicted from the scenario alone.
    pub expected: f64,
}

/// Deviations in brief, in percent.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Agreement {
    /// Numbers of bytes that were compared.
    pub bytes: usize,
    /// The median of their deviations, and the worst.
    pub median_percent: f64,
    /// See `median_percent`.
    pub worst_percent: f64,
    /// The same by the scenario alone, which does not know who was drawn.
    pub expected_median_percent: f64,
    /// See `expected_median_percent`.
    pub expected_worst_percent: f64,
    /// Numbers of requests of plain clients that were compared, and those that differ.
    pub requests: usize,
    /// See `requests`.
    pub requests_that_differ: usize,
}

/// What was measured, as the checkpoint file has it.
#[derive(Deserialize, Serialize)]
struct Cell {
    key: String,
    #[serde(flatten)]
    found: Found,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Found {
    Replayed(Box<Replayed>),
    Codecs(Vec<CodecCost>),
}

/// Runs a grid.
///
/// # Errors
/// Any of a replay; [`Error::Form`] for a checkpoint file that is not one.
pub fn grow(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Growth, Error> {
    let ladder = grid.options.ladder;
    let mut cells = Cells::of(grid)?;
    let sizes = (0..=grid.doublings).map(|doubling| grid.from << doubling);
    let (mut rows, mut agreement) = (Vec::new(), Vec::new());
    let mut chosen: BTreeMap<usize, Vec<(u64, LayoutSpec)>> = BTreeMap::new();
    let replays = sizes.clone().filter(|&targets| targets <= grid.replay_to).count() as u64;
    let layouts = grid.layouts.iter().filter(|l| l.snapshot != Snapshots::Merkle).count() as u64;
    progress(Event::Start(replays * layouts));
    for targets in sizes {
        let scaled = scenario.scaled(targets);
        let experiment = experiment(&scaled);
        let predictor = Predictor::new(&scaled, experiment, rates.clone(), ladder)?;
        for (place, &layout) in grid.layouts.iter().enumerate() {
            let settled = settled(&predictor, layout)?;
            if layout.bins == Bins::Auto {
                chosen.entry(place).or_default().push((targets, settled));
            }
            let row = |provenance, costs| Row {
                scenario: scenario.name.clone(),
                doubling: doublings(scenario.index.targets.value, targets),
                layout: layout.to_string(),
                bins: settled.bin_count(),
                ladder: ladder.to_string(),
                targets,
                interval_s: experiment.interval_s,
                publishes: experiment.publishes,
                provenance,
                costs,
            };
            let is_made = layout.snapshot != Snapshots::Merkle;
            let expected = predictor.predict(settled)?;
            if is_made && targets <= grid.replay_to {
                let key = cells.key("", &scaled, settled)?;
                let replayed = cells.replayed(key, &mut || {
                    let name = format!("{settled}, {targets} targets");
                    let step = |at, of| progress(Event::Publish(name.clone(), at, of));
                    replay(&scaled, settled, grid.options, &grid.work, &step)
                })?;
                let again = &|| recount(&scaled, (settled, None), grid.options);
                let replayed = cells.counted(replayed, again)?;
                progress(Event::Cell);
                if let Some(replayed) = replayed {
                    let predicted = predictor.price(settled, &replayed.counted)?;
                    let costs = [&replayed.costs, &predicted, &expected];
                    compare(&settled.to_string(), targets, costs, &mut agreement);
                    rows.push(row(Provenance::Measured, replayed.costs));
                }
            }
            let how = if is_made { Provenance::Predicted } else { Provenance::PredictedOnly };
            rows.push(row(how, expected));
        }
    }
    let steps: Vec<Step> = chosen.into_values().flat_map(|sizes| steps(&sizes)).collect();
    let replays = steps.iter().filter(|step| step.is_replayed(grid)).count() as u64;
    progress(Event::Start(replays));
    let (rebins, more) = rebins::rows(scenario, rates, grid, &steps, &mut cells, progress)?;
    agreement.extend(more);
    progress(Event::Finish);
    Ok(Growth { rebins, ..grown(scenario, rates, grid, rows, agreement) })
}

/// Each time that another number of bins costs least once the index has doubled.
fn steps(sizes: &[(u64, LayoutSpec)]) -> Vec<Step> {
    let pairs = sizes.windows(2).filter(|pair| {
        let is_made = pair[0].1.snapshot != Snapshots::Merkle;
        is_made && pair[0].1.bits() < pair[1].1.bits()
    });
    pairs.map(|pair| Step { targets: pair[0].0, from: pair[0].1, to: pair[1].1 }).collect()
}

fn grown(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    rows: Vec<Row>,
    agreement: Vec<Deviation>,
) -> Growth {
    let summary = summary(&agreement);
    let (seed, rates) = (grid.options.seed, rates.provenance.clone());
    let (scenario, rebins) = (scenario.clone(), Vec::new());
    Growth { scenario, rows, rebins, agreement, summary, seed, rates }
}

/// Lives through a real history, which is given as lists of targets, such as two of Debian's: each list after the first is a
/// publish. Of `scenario` count its clients and the time between publishes; of `grid` all but its sizes and what is
/// noted.
///
/// # Errors
/// Any of a replay; [`Error::Nothing`] with fewer than two lists.
pub fn grow_lists(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    lists: &[TargetList],
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Growth, Error> {
    let few = || Error::Nothing(format!("a history needs two lists, not {}", lists.len()));
    let first = lists.first().filter(|_| lists.len() > 1).ok_or_else(few)?;
    let targets = first.rows().len() as u64;
    let mut scaled = scenario.scaled(targets);
    scaled.replay.publishes.value = lists.len() as u64 - 1;
    let experiment = experiment(&scaled);
    let predictor = Predictor::new(&scaled, experiment, rates.clone(), grid.options.ladder)?;
    let is_made = |layout: &&LayoutSpec| layout.snapshot != Snapshots::Merkle;
    progress(Event::Start(grid.layouts.iter().filter(is_made).count() as u64));
    let (mut rows, mut agreement) = (Vec::new(), Vec::new());
    for &layout in grid.layouts.iter().filter(is_made) {
        let settled = settled(&predictor, layout)?;
        let name = format!("{settled}, {targets} targets");
        let step = |at, of| progress(Event::Publish(name.clone(), at, of));
        let mut trace = Lists::new(lists.to_vec()).ok_or_else(few)?;
        let replayed = replay_trace(&scaled, &mut trace, settled, grid.options, &grid.work, &step)?;
        progress(Event::Cell);
        let predicted = predictor.price(settled, &replayed.counted)?;
        // A form with a role a project may have no expectation: paths of a list need not be the scenario's.
        let expected = predictor.predict(settled).unwrap_or_else(|_| predicted.clone());
        compare(
            &settled.to_string(),
            targets,
            [&replayed.costs, &predicted, &expected],
            &mut agreement,
        );
        for (provenance, costs) in
            [(Provenance::Measured, replayed.costs), (Provenance::Predicted, predicted)]
        {
            rows.push(Row {
                scenario: scenario.name.clone(),
                doubling: doublings(scenario.index.targets.value, targets),
                layout: layout.to_string(),
                bins: settled.bin_count(),
                ladder: grid.options.ladder.to_string(),
                targets,
                interval_s: experiment.interval_s,
                publishes: experiment.publishes,
                provenance,
                costs,
            });
        }
    }
    progress(Event::Finish);
    Ok(grown(scenario, rates, grid, rows, agreement))
}

/// The layout with as many bins as cost least, unless it says how many.
fn settled(predictor: &Predictor<'_>, layout: LayoutSpec) -> Result<LayoutSpec, Error> {
    Ok(match layout.bins {
        Bins::Auto => layout.with_bits(cheapest_bits(predictor, layout)?),
        Bins::None | Bins::Bits(_) => layout,
    })
}

/// How often `from` doubles to become `to`, about.
pub(crate) fn doublings(from: u64, to: u64) -> i32 {
    let log = (to as f64 / from as f64).log2();
    let rounded = crate::math::round(log.abs());
    let whole = i32::try_from(rounded).unwrap_or(i32::MAX);
    if log < 0.0 { -whole } else { whole }
}

/// A replay that is noted under a key.
pub(crate) struct Noted {
    key: String,
    /// Its counts may be those of an older tufold.
    pub(crate) replayed: Replayed,
}

/// What is done already, and the file that it is noted in.
pub(crate) struct Cells<'g> {
    grid: &'g Grid,
    done: BTreeMap<String, Found>,
}

impl<'g> Cells<'g> {
    pub(crate) fn of(grid: &'g Grid) -> Result<Self, Error> {
        let done = grid.resume.as_deref().map(read_cells).transpose()?.unwrap_or_default();
        Ok(Self { grid, done })
    }

    /// What decides a replay; `more` is what the layout does not say.
    pub(crate) fn key(
        &self,
        more: &str,
        scenario: &Scenario,
        layout: LayoutSpec,
    ) -> Result<String, Error> {
        let text = serde_json::to_vec(scenario).map_err(|error| Error::Form {
            file: scenario.name.clone(),
            problem: error.to_string(),
        })?;
        let ReplayOptions { ladder, seed, visitors } = self.grid.options;
        let digest = tufold_meta::Digest::of(&text);
        let more = if more.is_empty() { String::new() } else { format!(" {more}") };
        Ok(format!("{layout}{more} {ladder} {seed} {visitors} {digest}"))
    }

    /// The replay that was noted under a key, or is done now and noted. `None` if it is not noted and nothing is to be done
    /// anew.
    pub(crate) fn replayed(
        &mut self,
        key: String,
        replay: &mut dyn FnMut() -> Result<Replayed, Error>,
    ) -> Result<Option<Noted>, Error> {
        let found = self.found(key.clone(), &mut || Ok(Found::Replayed(Box::new(replay()?))))?;
        Ok(match found {
            Some(Found::Replayed(replayed)) => Some(Noted { key, replayed: *replayed }),
            Some(Found::Codecs(_)) | None => None,
        })
    }

    /// The same as it is counted now. What was noted before that is counted anew by `recount`, and noted again; the last note
    /// of a key counts.
    pub(crate) fn counted(
        &self,
        noted: Option<Noted>,
        recount: &dyn Fn() -> Result<Counts, Error>,
    ) -> Result<Option<Replayed>, Error> {
        let Some(Noted { key, mut replayed }) = noted else { return Ok(None) };
        if replayed.counting != COUNTING {
            replayed.counted = recount()?;
            replayed.counting = COUNTING;
            if let Some(file) = &self.grid.resume {
                note(file, &Cell { key, found: Found::Replayed(Box::new(replayed.clone())) })?;
            }
        }
        Ok(Some(replayed))
    }

    /// The same of codecs.
    pub(crate) fn codecs(
        &mut self,
        key: String,
        encode: &mut dyn FnMut() -> Result<Vec<CodecCost>, Error>,
    ) -> Result<Vec<CodecCost>, Error> {
        Ok(match self.found(key, &mut || Ok(Found::Codecs(encode()?)))? {
            Some(Found::Codecs(codecs)) => codecs,
            Some(Found::Replayed(_)) | None => Vec::new(),
        })
    }

    fn found(
        &mut self,
        key: String,
        measure: &mut dyn FnMut() -> Result<Found, Error>,
    ) -> Result<Option<Found>, Error> {
        if let Some(found) = self.done.remove(&key) {
            return Ok(Some(found));
        }
        if self.grid.noted_only {
            return Ok(None);
        }
        let found = measure()?;
        if let Some(file) = &self.grid.resume {
            note(file, &Cell { key, found: found.clone() })?;
        }
        Ok(Some(found))
    }
}

fn read_cells(file: &Path) -> Result<BTreeMap<String, Found>, Error> {
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    // A run that was killed may have left half a line, which is done again.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let cell: Cell = serde_json::from_str(line).map_err(|error| Error::Form {
                file: file.display().to_string(),
                problem: format!("line {}: {error}", at + 1),
            })?;
            Ok((cell.key, cell.found))
        })
        .collect()
}

fn note(file: &Path, cell: &Cell) -> Result<(), Error> {
    use std::io::Write;
    let open = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let mut out = open.map_err(Error::io("write", file))?;
    let line = serde_json::to_string(cell).map_err(|error| Error::Form {
        file: file.display().to_string(),
        problem: error.to_string(),
    })?;
    writeln!(out, "{line}").map_err(Error::io("write", file))
}

/// Notes each number that both have.
pub(crate) fn compare(layout: &str, targets: u64, costs: [&Costs; 3], out: &mut Vec<Deviation>) {
    let numbers = costs.map(numbers);
    for (at, (what, measured)) in numbers[0].iter().enumerate() {
        out.push(Deviation {
            layout: layout.to_owned(),
            targets,
            what: what.clone(),
            measured: *measured,
            predicted: numbers[1][at].1,
            expected: numbers[2][at].1,
        });
    }
}

/// The numbers of a cell that are compared.
fn numbers(costs: &Costs) -> Vec<(String, f64)> {
    let mut rows = Vec::new();
    for client in &costs.clients {
        let name = &client.client;
        rows.push((format!("{name} plain bytes"), client.plain.bytes));
        rows.push((format!("{name} gzip bytes"), client.gzip.bytes));
        rows.push((format!("{name} zstd bytes"), client.zstd.bytes));
        rows.push((format!("{name} requests"), client.plain.requests));
        let delta = client.delta.unwrap_or_default();
        rows.push((format!("{name} delta bytes"), delta.bytes));
        rows.push((format!("{name} delta requests"), delta.requests));
    }
    rows.push(("publish metadata bytes".to_owned(), costs.publisher.metadata_bytes));
    rows.push(("publish delta bytes".to_owned(), costs.publisher.delta_bytes));
    rows.push(("stored bytes".to_owned(), costs.storage.current_bytes));
    rows
}

impl Deviation {
    /// How far the prediction is off, in percent.
    pub fn percent(&self) -> f64 {
        100.0 * (self.predicted / self.measured.max(1e-9) - 1.0).abs()
    }

    /// The same of the prediction from the scenario alone.
    pub fn expected_percent(&self) -> f64 {
        100.0 * (self.expected / self.measured.max(1e-9) - 1.0).abs()
    }

    /// Whether it is of bytes, and not of requests.
    pub fn is_bytes(&self) -> bool {
        self.what.ends_with("bytes")
    }
}

/// Deviations in brief.
pub fn summary(rows: &[Deviation]) -> Agreement {
    let sorted = |percent: &dyn Fn(&Deviation) -> f64| {
        let mut all: Vec<f64> = rows.iter().filter(|row| row.is_bytes()).map(percent).collect();
        all.sort_by(f64::total_cmp);
        let median = all.get(all.len() / 2).copied().unwrap_or(0.0);
        (all.len(), median, all.last().copied().unwrap_or(0.0))
    };
    let (bytes, median_percent, worst_percent) = sorted(&Deviation::percent);
    let (_, expected_median_percent, expected_worst_percent) = sorted(&Deviation::expected_percent);
    let requests = rows.iter().filter(|row| !row.is_bytes());
    let differ = requests.clone().filter(|row| (row.predicted - row.measured).abs() > 1e-6);
    Agreement {
        bytes,
        median_percent,
        worst_percent,
        expected_median_percent,
        expected_worst_percent,
        requests: requests.clone().count(),
        requests_that_differ: differ.count(),
    }
}
