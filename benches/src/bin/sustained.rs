//! Publishing at the pace of a busy index.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tufold_benches::floor::{Time, timed};
use tufold_benches::measure::machine;
use tufold_benches::options::Options;
use tufold_benches::{new_repository, now, quiet};
use tufold_meta::{Digest, TargetFile, TargetPath};
use tufold_repo::check::{Strictness, check};
use tufold_repo::settings::parse_ladder;
use tufold_repo::targets::{Change, ChangeList, Random, Source, Synth, Target, read_projects};
use tufold_repo::{Input, Publisher, Repository};

const HELP: &str = "Publishing at the pace of a busy index: does it keep up, and does memory stay flat?

sustained [--seconds N] [--targets N] [--bins N] [--releases N] [--deltas LADDER] [--folder DIR] [--record FILE]

Makes a repository and then, every second, publishes the releases of that second: two new files and the project's page each, signed
and synced. Each publish opens the repository anew, as a command does. By default 300 seconds at 1,000,000 targets in 16,384
bins, 20 releases in every second (Packagist's peak) and no deltas, in a folder below target/.
Ends with an error if it does not keep up, if memory grows from the first third to the last, or if the repository is not sound.

Examples:
  sustained
  sustained --deltas pow2:1024
  sustained --seconds 20 --targets 100000 --bins 1024
  sustained --record benches/record/sustained.tsv";

/// How many rows a record has.
const SHOWN: usize = 30;

/// One publish.
struct Sample {
    second: u64,
    /// How long after its second it began.
    late: Duration,
    took: Time,
    changes: usize,
    resident_kib: u64,
}

fn main() {
    let Some(mut options) = Options::of_process() else { return println!("{HELP}") };
    let mut number = |name: &str, default: u64| options.number(name).unwrap_or(default);
    let (seconds, targets) = (number("--seconds", 300), number("--targets", 1_000_000));
    let (bins, releases) = (number("--bins", 16_384), number("--releases", 20));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = options.take("--folder").map_or_else(|| root.join("target"), PathBuf::from);
    let deltas = options.take("--deltas").unwrap_or_else(|| "off".to_owned());
    let ladder = parse_ladder(&deltas).expect("a ladder");
    let record = options.take("--record").map(PathBuf::from);
    options.rest(0);

    let dir = tempfile::tempdir_in(folder).expect("a folder");
    let repo = dir.path().join("repo");
    let projects = Source::open(&root.join("datasets/pypi-projects.tsv.zst")).expect("a list");
    let projects = read_projects(projects, &|_| ()).expect("a list");
    new_repository(&repo, Synth::new(&projects, targets, 1).targets(), bins);
    eprintln!("made {targets} targets in {bins} bins; publishing for {seconds} seconds");
    let names: Vec<&str> = projects.rows().iter().map(|project| &*project.name).collect();
    let start = Instant::now();
    let mut samples = Vec::new();
    for second in 0..seconds {
        let due = start + Duration::from_secs(second + 1);
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        let late = due.elapsed();
        let list = changes(&names, second, releases);
        let changes = list.rows().len();
        let ((), took) = timed(|| {
            let mut publisher = Publisher::open(&repo).expect("a repository");
            publisher.set_ladder(ladder);
            let (input, time) = (Input::Changes(list), now().plus_seconds(second + 1));
            let plan = publisher.plan(input, &BTreeSet::new(), time, &quiet).expect("a plan");
            publisher.commit(plan, &quiet).expect("a publish");
        });
        samples.push(Sample { second, late, took, changes, resident_kib: resident_kib() });
    }
    let summary = summary(&samples, &format!("{targets} targets, {bins} bins, deltas {deltas}"));
    print!("{summary}");
    if let Some(path) = record {
        let commented: String = summary.lines().map(|line| format!("# {line}\n")).collect();
        fs::write(path, machine() + &commented + &table(&samples)).expect("room for a record");
    }
    let repository = Repository::open(&repo).expect("a repository");
    let time = now().plus_seconds(seconds);
    let report = check(&repository, time, Strictness::Usual, &quiet).expect("a report");
    assert!(report.is_sound(), "{:#?}", report.findings);
    println!("check: {} targets, sound", report.targets);
    let (first, last) = (third(&samples, 0), third(&samples, 2));
    assert!(last <= first + first / 20 + (8 << 10), "memory grew from {first} to {last} KiB");
    assert!(
        samples.last().is_none_or(|sample| sample.late < Duration::from_secs(1)),
        "it does not keep up"
    );
}

fn summary(samples: &[Sample], what: &str) -> String {
    let sorted = |pick: &dyn Fn(&Sample) -> Duration| {
        let mut all: Vec<_> = samples.iter().map(pick).collect();
        all.sort_unstable();
        move |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1e3
    };
    let wall = sorted(&|sample| sample.took.wall);
    let cpu = sorted(&|sample| sample.took.cpu);
    let late = sorted(&|sample| sample.late);
    let changes: usize = samples.iter().map(|sample| sample.changes).sum();
    let began_late = samples.iter().filter(|sample| sample.late > Duration::from_millis(100));
    let most = samples.iter().map(|sample| sample.resident_kib).max().unwrap_or(0);
    format!(
        "{} publishes of {changes} changes, {what}; load at the end {}
a publish: p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms; CPU p50 {:.0} ms
began more than 100 ms late: {}; the latest {:.0} ms
memory: {} KiB at most in the first third, {} KiB in the last, {most} KiB over all
",
        samples.len(),
        fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        wall(50),
        wall(99),
        wall(100),
        cpu(50),
        began_late.count(),
        late(100),
        third(samples, 0),
        third(samples, 2),
    )
}

/// The most memory in a third of the run, in KiB.
fn third(samples: &[Sample], nth: usize) -> u64 {
    let part = samples.len() / 3;
    let part = samples.iter().skip(nth * part).take(part.max(1));
    part.map(|sample| sample.resident_kib).max().unwrap_or(0)
}

/// Every so many publishes, so that a record stays short.
fn table(samples: &[Sample]) -> String {
    let mut text = "second\tchanges\twall_ms\tcpu_ms\tlate_ms\tresident_kib\n".to_owned();
    for sample in samples.iter().step_by(samples.len().div_ceil(SHOWN).max(1)) {
        let Sample { second, late, took, changes, resident_kib } = sample;
        let [wall, cpu, late] = [took.wall, took.cpu, *late].map(|time| time.as_secs_f64() * 1e3);
        text += &format!("{second}\t{changes}\t{wall:.0}\t{cpu:.0}\t{late:.0}\t{resident_kib}\n");
    }
    text
}

/// What is released in one second.
fn changes(names: &[&str], second: u64, releases: u64) -> ChangeList {
    let mut rows = BTreeMap::new();
    for release in 0..releases {
        let mut random = Random::of(&[second, release]);
        let at = usize::try_from(random.below(names.len() as u64)).expect("an index");
        let name = names[at];
        let stem = name.replace('-', "_");
        let mut put = |path: String| {
            let path = TargetPath::new(&path).expect("a target path");
            let file = TargetFile::new(random.below(1 << 24), Digest::of(path.as_str().as_bytes()));
            rows.insert(path.as_str().to_owned(), Change::Put(Target { path, file }));
        };
        for kind in ["-py3-none-any.whl", ".tar.gz"] {
            let hex = Digest::of(format!("{second} {release} {kind}").as_bytes()).to_string();
            let (a, b, c) = (&hex[..2], &hex[2..4], &hex[4..]);
            put(format!("packages/{a}/{b}/{c}/{stem}-{second}.{release}{kind}"));
        }
        put(format!("simple/{name}/index.html"));
    }
    ChangeList::from_rows(rows.into_values().collect()).expect("paths that differ")
}

/// What the process holds, in KiB; 0 where the system does not say.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
