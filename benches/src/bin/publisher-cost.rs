//! What a publisher's work costs beside its floor, in one run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tufold_benches::floor::{Documents, Floor, Time, timed};
use tufold_benches::measure::machine;
use tufold_benches::options::Options;
use tufold_benches::{new_repository, now, quiet};
use tufold_repo::check::{Strictness, check};
use tufold_repo::targets::{ChangeList, Intake, Projects, Source, Synth, read_projects};
use tufold_repo::{Input, Memory, Publisher, Refresh, Repository};

const HELP: &str = "What a publisher's work costs beside its floor, in one run

publisher-cost [--size TARGETS/BINS]… [--rounds N] [--folder DIR] [--json] [--record FILE]

Each round makes a repository of each size from a list in a file, publishes the changes of 250 releases (some 1,000), signs all
bins again and checks; and after each of these does the floor of the same work in a folder beside it. Medians of wall and CPU time.
By default three rounds of 100000/1024 and 1000000/16384 in a folder below target/. RAYON_NUM_THREADS sets the threads of both.

Examples:
  publisher-cost
  publisher-cost --size 10000/256 --rounds 1
  publisher-cost --record benches/record/publisher-cost.tsv";

fn main() {
    let Some(mut options) = Options::of_process() else { return println!("{HELP}") };
    let mut sizes: Vec<(u64, u64)> = std::iter::from_fn(|| options.take("--size"))
        .map(|text| {
            let sizes = text
                .split_once('/')
                .and_then(|(targets, bins)| Some((targets.parse().ok()?, bins.parse().ok()?)));
            sizes.unwrap_or_else(|| panic!("--size is {text}, not TARGETS/BINS"))
        })
        .collect();
    if sizes.is_empty() {
        sizes = vec![(100_000, 1_024), (1_000_000, 16_384)];
    }
    let rounds = options.number("--rounds").unwrap_or(3);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = options.take("--folder").map_or_else(|| root.join("target"), PathBuf::from);
    let record = options.take("--record").map(PathBuf::from);
    let is_json = options.flag("--json");
    options.rest(0);

    let projects = Source::open(&root.join("datasets/pypi-projects.tsv.zst")).expect("a list");
    let projects = read_projects(projects, &|_| ()).expect("a list");
    let mut costs = Vec::new();
    for (targets, bins) in sizes {
        costs.extend(measure(&projects, targets, bins, rounds, &folder));
    }
    let table = table(&costs, rounds);
    if let Some(path) = record {
        fs::write(path, machine() + &table).expect("room for a record");
    }
    match is_json {
        true => println!("{}", serde_json::to_string_pretty(&costs).expect("JSON")),
        false => print!("{table}"),
    }
}

/// One work and its floor: medians.
#[derive(Debug, Serialize)]
struct Cost {
    targets: u64,
    bins: u64,
    work: &'static str,
    files: usize,
    bytes: u64,
    wall_s: f64,
    cpu_s: f64,
    floor_wall_s: f64,
    floor_cpu_s: f64,
    wall_ratio: f64,
    cpu_ratio: f64,
}

/// The times of one work and of its floor in each round, and what it wrote or read.
struct Rounds {
    work: &'static str,
    files: usize,
    bytes: u64,
    times: Vec<(Time, Time)>,
}

fn measure(
    projects: &Projects,
    targets: u64,
    bins: u64,
    rounds: usize,
    folder: &Path,
) -> Vec<Cost> {
    let synth = Synth::new(projects, targets, 1);
    let (list, changes) = (synth.targets(), synth.releases(250));
    let paths: Vec<&str> = list.rows().iter().map(|target| target.path.as_str()).collect();
    let dir = tempfile::tempdir_in(folder).expect("a folder");
    let file = dir.path().join("list.tsv");
    {
        let mut out = std::io::BufWriter::new(fs::File::create(&file).expect("a file"));
        list.write(&mut out).expect("room for a list");
    }
    let mut all: Vec<Rounds> = Vec::new();
    for round in 0..rounds {
        let scene = Scene {
            repo: dir.path().join(format!("repo-{round}")),
            metadata: dir.path().join(format!("floor-{round}")),
            list: &file,
            floor: Floor::new(),
        };
        let mut note = |work, documents: &Documents, found: Time, floor: Time| {
            let at = all.iter().position(|rounds| rounds.work == work).unwrap_or_else(|| {
                let (files, bytes) = (documents.count(), documents.len_bytes());
                all.push(Rounds { work, files, bytes, times: Vec::new() });
                all.len() - 1
            });
            all[at].times.push((found, floor));
        };
        scene.round(&paths, bins, &changes, &mut note);
        for done in [&scene.repo, &scene.metadata] {
            fs::remove_dir_all(done).expect("a folder");
        }
        eprintln!("{targets} targets, {bins} bins: round {} of {rounds} done", round + 1);
    }
    all.iter().map(|rounds| rounds.cost(targets, bins)).collect()
}

struct Scene<'s> {
    repo: PathBuf,
    metadata: PathBuf,
    list: &'s Path,
    floor: Floor,
}

impl Scene<'_> {
    fn round(
        &self,
        paths: &[&str],
        bins: u64,
        changes: &ChangeList,
        note: &mut dyn FnMut(&'static str, &Documents, Time, Time),
    ) {
        let Self { repo, metadata, list, floor } = self;
        let public = repo.join("public");
        let ((), found) = timed(|| {
            let source = Source::open(list).expect("a list");
            let folder = repo.parent().expect("a folder");
            let list = Intake::read(source, Memory::default(), folder, &|_| ()).expect("a list");
            new_repository(repo, list, bins);
        });
        let first = Documents::of(&public);
        let ((), least) = timed(|| floor.init(list, paths, &first, metadata));
        note("init", &first, found, least);

        let (report, found) = timed(|| {
            let repository = Repository::open(repo).expect("a repository");
            check(&repository, now(), Strictness::Strict, &quiet).expect("a report")
        });
        assert!(report.is_sound() && report.targets == paths.len() as u64);
        let signatures = floor.signatures(&first);
        let ((), least) = timed(|| floor.check(&first, &signatures, paths, metadata));
        note("check", &first, found, least);

        let publish = |input: Input, refresh: &BTreeSet<Refresh>| {
            let publisher = Publisher::open(repo).expect("a repository");
            let plan = publisher.plan(input, refresh, now(), &quiet).expect("a plan");
            publisher.commit(plan, &quiet).expect("a publish")
        };
        let input = Input::Changes(changes.clone());
        let (published, found) = timed(|| publish(input, &BTreeSet::new()));
        assert_eq!(counted(published.summary.counts), changes.rows().len() as u64);
        let second = Documents::but(&public, &first);
        let ((), least) = timed(|| floor.publish(&second, metadata));
        note("publish of 250 releases", &second, found, least);

        let old = Documents::of(&public);
        let again = BTreeSet::from([Refresh::Bins]);
        let (published, found) = timed(|| publish(Input::Nothing, &again));
        assert_eq!(published.summary.resigned, bins);
        let third = Documents::but(&public, &old);
        let ((), least) = timed(|| floor.publish(&third, metadata));
        note("sign all bins again", &third, found, least);
    }
}

fn counted(counts: tufold_repo::Counts) -> u64 {
    counts.added + counts.changed + counts.removed
}

impl Rounds {
    fn cost(&self, targets: u64, bins: u64) -> Cost {
        let median = |pick: &dyn Fn(&(Time, Time)) -> f64| {
            let mut all: Vec<f64> = self.times.iter().map(pick).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let wall_s = median(&|(found, _)| found.wall.as_secs_f64());
        let cpu_s = median(&|(found, _)| found.cpu.as_secs_f64());
        let floor_wall_s = median(&|(_, floor)| floor.wall.as_secs_f64());
        let floor_cpu_s = median(&|(_, floor)| floor.cpu.as_secs_f64());
        Cost {
            targets,
            bins,
            work: self.work,
            files: self.files,
            bytes: self.bytes,
            wall_s,
            cpu_s,
            floor_wall_s,
            floor_cpu_s,
            wall_ratio: wall_s / floor_wall_s,
            cpu_ratio: cpu_s / floor_cpu_s,
        }
    }
}

fn table(costs: &[Cost], rounds: usize) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let threads = rayon::current_num_threads();
    let mut text = format!(
        "# medians of {rounds} rounds, {threads} threads; load at the end {}\n\
         targets\tbins\twork\tfiles\tbytes\twall_s\tcpu_s\tfloor_wall_s\tfloor_cpu_s\twall_ratio\tcpu_ratio\n",
        load.trim()
    );
    for cost in costs {
        let Cost { targets, bins, work, files, bytes, .. } = cost;
        text += &format!("{targets}\t{bins}\t{work}\t{files}\t{bytes}");
        for seconds in [cost.wall_s, cost.cpu_s, cost.floor_wall_s, cost.floor_cpu_s] {
            text += &format!("\t{seconds:.3}");
        }
        text += &format!("\t{:.2}\t{:.2}\n", cost.wall_ratio, cost.cpu_ratio);
    }
    text
}
