//! The tables: exact bytes of each case and codec, beside the floor and beside what is fetched without deltas.

pub mod bins;
pub mod debian;
pub mod ladder;
pub mod snapshots;

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use tufold_delta::{Codec, Floor, FloorKind};

use crate::contender::Contender;
use crate::samples;
use crate::work::Work;

/// The tables.
pub const NAMES: [&str; 5] = ["snapshots", "bins", "debian", "ladder-paths", "ladder-costs"];

/// One of them.
pub fn table(name: &'static str, selection: &Selection) -> Table {
    match (name, plans(name)) {
        (_, Some(plans)) => run(name, plans, selection),
        ("ladder-paths", _) => ladder::paths(selection.quick),
        _ => ladder::costs(),
    }
}

/// The cases of a table that compares codecs.
pub fn plans(name: &str) -> Option<Vec<Plan>> {
    match name {
        "snapshots" => Some(snapshots::plans()),
        "bins" => Some(bins::plans()),
        "debian" => Some(debian::plans()),
        _ => None,
    }
}

/// A table with a heading.
pub struct Table {
    /// Its record is called after it.
    pub name: &'static str,
    /// What the rows hold.
    pub columns: &'static [&'static str],
    /// As many texts each as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A line for each row, with tabs between the fields.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.join("\t")).collect()
    }

    /// The record with these rows: they take the places of those with the same first two fields, or come last.
    pub fn recorded(&self, earlier: &str) -> String {
        let heading = self.columns.join("\t");
        let mut lines: Vec<String> = Vec::new();
        if earlier.lines().any(|line| line == heading) {
            let rows = earlier.lines().filter(|line| !line.starts_with('#') && *line != heading);
            lines.extend(rows.map(str::to_owned));
        }
        let key = |line: &str| line.split('\t').take(2).map(str::to_owned).collect::<Vec<_>>();
        for new in self.lines() {
            match lines.iter_mut().find(|line| key(line) == key(&new)) {
                Some(line) => *line = new,
                None => lines.push(new),
            }
        }
        [heading].into_iter().chain(lines).map(|line| line + "\n").collect()
    }
}

/// For people: each column as wide as its longest field.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let fields = self.rows.iter().map(|row| row[column].len());
            fields.chain([self.columns[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let heading = self.columns.iter().map(|&name| name.to_owned()).collect();
        for row in [&heading].into_iter().chain(&self.rows) {
            let fields = row.iter().zip(&widths).map(|(field, &width)| format!("{field:width$}"));
            writeln!(f, "{}", fields.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// What is run of a table.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only the cases that a test can afford.
    pub quick: bool,
    /// The slow codecs on the large documents too.
    pub all: bool,
    /// Only these codecs, if there are any.
    pub contenders: Vec<Contender>,
    /// Only cases whose names hold this text.
    pub case: String,
}

/// A case that can be made.
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Whether a test can afford it.
    pub quick: bool,
    /// Whether the documents are so large that only `columnar` and `full-zstd` run without `--all`.
    pub large: bool,
    /// Whether it stands in the table of times.
    pub timed: bool,
    /// Makes it.
    pub make: Box<dyn Fn() -> Case + Send + Sync>,
}

/// What each codec is held to in one case.
pub struct Case {
    /// What is carried.
    pub work: Work,
    /// Signatures that travel beside the deltas.
    pub signatures_len_bytes: u64,
    /// For all documents together, signatures included.
    pub floor: Floor,
    /// The most that the deltas and signatures may take, where there is such a bound.
    pub limit: Option<f64>,
}

impl From<samples::cases::Case> for Case {
    fn from(case: samples::cases::Case) -> Self {
        Self::of_samples(vec![case])
    }
}

impl Case {
    /// Several pairs of one kind, taken together.
    pub fn of_samples(cases: Vec<samples::cases::Case>) -> Self {
        let bytes = cases.iter().map(|case| case.floor.bytes).sum();
        Self {
            signatures_len_bytes: samples::cases::SIGNATURE_BYTES * cases.len() as u64,
            floor: Floor { kind: cases[0].floor.kind, bytes },
            limit: cases.iter().map(|case| case.most).sum(),
            work: Work::Documents(cases.into_iter().map(|case| (case.base, case.new)).collect()),
        }
    }

    /// What a codec carries: without a base it is the files themselves.
    pub fn work_of(&self, contender: Contender) -> Work {
        match contender {
            Contender::Codec(Codec::FullZstd | Codec::FullGzip) => self.whole(),
            _ => self.work.clone(),
        }
    }

    /// The baseline: each changed file is fetched whole.
    pub fn whole(&self) -> Work {
        let files = self.work.results();
        Work::Documents(files.into_iter().map(|file| (None, file.to_vec())).collect())
    }

    /// What is sent: deltas and signatures.
    pub fn sent_len_bytes(&self, deltas: &[Vec<u8>]) -> u64 {
        let deltas: u64 = deltas.iter().map(|delta| delta.len() as u64).sum();
        deltas + self.signatures_len_bytes
    }
}

const COLUMNS: [&str; 12] = [
    "case",
    "codec",
    "documents",
    "bytes",
    "floor",
    "floor_bytes",
    "ratio",
    "excess_bytes",
    "limit_bytes",
    "bins_only_raw_bytes",
    "bins_only_zstd_bytes",
    "note",
];

/// Runs the chosen codecs on the chosen cases.
fn run(name: &'static str, plans: Vec<Plan>, selection: &Selection) -> Table {
    let chosen: Vec<Plan> = plans
        .into_iter()
        .filter(|plan| plan.name.contains(&selection.case) && (plan.quick || !selection.quick))
        .collect();
    let rows = chosen.par_iter().flat_map_iter(|plan| rows(plan, selection)).collect();
    Table { name, columns: &COLUMNS, rows }
}

const FULL_ZSTD: Contender = Contender::Codec(Codec::FullZstd);

fn rows(plan: &Plan, selection: &Selection) -> Vec<Vec<String>> {
    let case = (plan.make)();
    let is_chosen = |contender: &Contender| {
        selection.contenders.is_empty() || selection.contenders.contains(contender)
    };
    // The baseline is needed in any case.
    let mut sent = BTreeMap::new();
    for (place, contender) in Contender::ALL.into_iter().enumerate() {
        if contender == FULL_ZSTD || is_chosen(&contender) {
            let found = if contender.is_slow() && plan.large && !selection.all {
                Err("not run: slow on documents of this size (--all runs it)".to_owned())
            } else {
                let deltas = case.work_of(contender).encode(contender);
                deltas.map(|deltas| case.sent_len_bytes(&deltas))
            };
            sent.insert(place, (contender, found));
        }
    }
    let whole_zstd = sent.values().find(|(contender, _)| *contender == FULL_ZSTD);
    let whole_zstd = whole_zstd.and_then(|(_, found)| found.as_ref().ok()).copied();
    let whole_raw = case.work.new_len_bytes() + case.signatures_len_bytes;
    let documents = case.work.results().len();
    sent.into_values()
        .filter(|(contender, _)| is_chosen(contender))
        .map(|(contender, found)| {
            let number =
                |f: &dyn Fn(u64) -> String| found.as_ref().map_or(String::new(), |&n| f(n));
            vec![
                plan.name.clone(),
                contender.to_string(),
                documents.to_string(),
                number(&|bytes| bytes.to_string()),
                floor_name(case.floor.kind).to_owned(),
                format!("{:.1}", case.floor.bytes),
                number(&|bytes| format!("{:.4}", case.floor.ratio(bytes))),
                number(&|bytes| format!("{:.1}", case.floor.excess_bytes(bytes))),
                case.limit.map_or(String::new(), |limit| format!("{limit:.1}")),
                whole_raw.to_string(),
                whole_zstd.map_or(String::new(), |bytes| bytes.to_string()),
                found.err().unwrap_or_default(),
            ]
        })
        .collect()
}

fn floor_name(kind: FloorKind) -> &'static str {
    match kind {
        FloorKind::Strict => "strict",
        FloorKind::Uniform => "uniform",
        FloorKind::Oracle => "oracle",
    }
}
