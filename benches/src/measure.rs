//! Times and peak memory, each in a process of its own, so that no earlier work has left memory behind.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tufold_delta::Codec;

use crate::contender::Contender;
use crate::tables::{Case, Plan, Selection, Table};
use crate::work::Work;

/// The first argument of a process that measures.
pub const CHILD: &str = "--measure-in-this-process";

/// A side is repeated for so long, and the fastest counts.
const REPEAT_SECONDS: f64 = 0.3;

const COLUMNS: [&str; 11] = [
    "case",
    "codec",
    "new_bytes",
    "sent_bytes",
    "encode_mb_per_s",
    "apply_mb_per_s",
    "encode_peak_bytes",
    "apply_peak_bytes",
    "peak_limit_bytes",
    "break_even_mbit_per_s",
    "note",
];

const FULL_ZSTD: Contender = Contender::Codec(Codec::FullZstd);

/// Measures the chosen codecs on the timed cases among the chosen ones, one after another.
pub fn run(plans: Vec<Plan>, selection: &Selection) -> Table {
    let chosen = plans.into_iter().filter(|plan| plan.timed && plan.name.contains(&selection.case));
    let rows = chosen.flat_map(|plan| rows(&plan, selection)).collect();
    Table { name: "times", columns: &COLUMNS, rows }
}

/// What was found of one codec.
struct Measures {
    sent_len_bytes: u64,
    encode: Side,
    apply: Side,
}

/// Encoding or applying.
#[derive(Clone, Copy)]
struct Side {
    seconds: f64,
    /// Above what was in use before; `None` where the system does not say.
    peak_bytes: Option<u64>,
}

fn rows(plan: &Plan, selection: &Selection) -> Vec<Vec<String>> {
    let case = (plan.make)();
    let full = measure(&case, FULL_ZSTD);
    let megabytes = case.work.new_len_bytes() as f64 / 1e6;
    let peak_limit = 6 * case.work.larger_len_bytes() + (8 << 20);
    let contenders = Contender::ALL.into_iter().filter(|contender| {
        selection.contenders.is_empty() || selection.contenders.contains(contender)
    });
    contenders
        .map(|contender| {
            let found = if contender.is_slow() && plan.large && !selection.all {
                Err("not run: slow on documents of this size (--all runs it)".to_owned())
            } else {
                measure(&case, contender)
            };
            let field = |f: &dyn Fn(&Measures) -> String| found.as_ref().map_or(String::new(), f);
            let peak = |side: Side| side.peak_bytes.map_or(String::new(), |peak| peak.to_string());
            vec![
                plan.name.clone(),
                contender.to_string(),
                case.work.new_len_bytes().to_string(),
                field(&|m| m.sent_len_bytes.to_string()),
                field(&|m| format!("{:.1}", megabytes / m.encode.seconds)),
                field(&|m| format!("{:.1}", megabytes / m.apply.seconds)),
                field(&|m| peak(m.encode)),
                field(&|m| peak(m.apply)),
                peak_limit.to_string(),
                field(&|m| full.as_ref().map_or(String::new(), |full| break_even(m, full))),
                found.as_ref().err().cloned().unwrap_or_default(),
            ]
        })
        .collect()
}

/// The line on which fetching and applying the delta takes as long as fetching and unpacking the files in zstd.
fn break_even(delta: &Measures, full: &Measures) -> String {
    let saved_bits = (full.sent_len_bytes as f64 - delta.sent_len_bytes as f64) * 8.0;
    let more_seconds = delta.apply.seconds - full.apply.seconds;
    match (saved_bits > 0.0, more_seconds > 0.0) {
        (true, true) => format!("{:.0}", saved_bits / more_seconds / 1e6),
        (true, false) => "any line".to_owned(),
        (false, _) => "-".to_owned(),
    }
}

fn measure(case: &Case, contender: Contender) -> Result<Measures, String> {
    let folder = tempfile::tempdir().map_err(text)?;
    case.work_of(contender).write(folder.path()).map_err(text)?;
    let encode = spawn("encode", contender, folder.path())?;
    let deltas = read_deltas(folder.path()).map_err(text)?;
    let apply = spawn("apply", contender, folder.path())?;
    Ok(Measures { sent_len_bytes: case.sent_len_bytes(&deltas), encode, apply })
}

fn spawn(side: &str, contender: Contender, folder: &Path) -> Result<Side, String> {
    let program = std::env::current_exe().map_err(text)?;
    let mut command = Command::new(program);
    command.args([CHILD, side, &contender.to_string()]).arg(folder);
    let output = command.output().map_err(text)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = printed.split_whitespace();
    let seconds = fields.next().and_then(|field| field.parse().ok());
    let seconds = seconds.ok_or_else(|| format!("{printed:?} is no measurement"))?;
    Ok(Side { seconds, peak_bytes: fields.next().and_then(|field| field.parse().ok()) })
}

/// What the process does that `CHILD` starts: the line that it prints.
pub fn child(side: &str, contender: &str, folder: &Path) -> Result<String, String> {
    let contender: Contender = contender.parse()?;
    let work = Work::read(folder).map_err(text)?;
    let measured = match side {
        "encode" => {
            let (deltas, measured) = timed(|| work.encode(contender))?;
            for (i, delta) in deltas.iter().enumerate() {
                fs::write(folder.join(format!("{i:06}.delta")), delta).map_err(text)?;
            }
            measured
        }
        _ => {
            let deltas = read_deltas(folder).map_err(text)?;
            let (rebuilt, measured) = timed(|| work.apply(contender, &deltas))?;
            if rebuilt != work.results() {
                return Err("it rebuilds other bytes".to_owned());
            }
            measured
        }
    };
    let peak = measured.peak_bytes.map_or(String::new(), |peak| peak.to_string());
    Ok(format!("{} {peak}", measured.seconds))
}

fn read_deltas(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "delta") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// The first run shows the memory, the fastest the time.
fn timed<T>(work: impl Fn() -> Result<T, String>) -> Result<(T, Side), String> {
    let before = start_of_peak();
    let started = Instant::now();
    let result = work()?;
    let mut seconds = started.elapsed().as_secs_f64();
    let peak_bytes = before.and_then(|before| Some(status_bytes("VmHWM:")?.saturating_sub(before)));
    while started.elapsed().as_secs_f64() < REPEAT_SECONDS {
        let start = Instant::now();
        std::hint::black_box(work()?);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Ok((result, Side { seconds, peak_bytes }))
}

/// Sets the kernel's high-water mark back to what is in use, and says how much that is.
fn start_of_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status_bytes("VmRSS:")
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Where and when times were measured, in lines that start with `#`.
pub fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let output = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let date = output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default();
    let commit = output("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    format!("# {count} x {model}, {date}, commit {commit}\n")
}
