//! Measures the rates of a scenario's paths on small repositories of its own seed.

use std::collections::BTreeSet;
use std::path::Path;

use tufold_delta::{Codec, EncodeOptions, Ladder, encode};
use tufold_meta::names::{DeltaName, meta_name};
use tufold_meta::{BitLength, MetaFile, Role, SPEC_VERSION, Snapshot, Time, Version};
use tufold_repo::targets::{Random, TargetList};
use tufold_repo::{Input, NewRepository, Publisher, Refresh};

use super::{Curve, DeltaRates, Rates, SIGNATURE_BYTES, cold_features, documents, rebin};
use crate::Error;
use crate::counts::SnapshotSteps;
use crate::ledger::Ledger;
use crate::math::{choice_bytes, entropy_bytes, floor, index, least_squares};
use crate::replay::{applied, keys, settings};
use crate::scenario::Scenario;
use crate::trace::{Synthetic, Trace};

/// Paths of one shape share their rates.
const STORED: [(&[&str], &str); 7] = [
    (&["pypi-2014"], include_str!("../../rates/pypi-2014.toml")),
    (&["pypi-today", "pypi-pep458"], include_str!("../../rates/pypi-today.toml")),
    (&["crates-io", "billion"], include_str!("../../rates/crates-io.toml")),
    (&["npm"], include_str!("../../rates/npm.toml")),
    (&["packagist"], include_str!("../../rates/packagist.toml")),
    (&["drupal"], include_str!("../../rates/drupal.toml")),
    (&["debian-sid"], include_str!("../../rates/debian-sid.toml")),
];

/// The seed of the measurements; a replay with it would judge the rates by themselves.
pub(super) const SEED: u64 = 977;

pub(super) fn stored(scenario: &str) -> Option<&'static str> {
    STORED.into_iter().find(|(names, _)| names.contains(&scenario)).map(|(_, text)| text)
}

/// One repository that is measured.
pub(super) struct Run {
    pub(super) layout: &'static str,
    pub(super) targets: u64,
    /// How much busier than the scenario it is, so that its few publishes change something.
    pub(super) changes_per_publish: f64,
    pub(super) publishes: u64,
    /// How many histories there are, each of its own seed: a small object is short or long by chance.
    pub(super) histories: u64,
}

const fn run(layout: &'static str, targets: u64, changes_per_publish: f64) -> Run {
    Run { layout, targets, changes_per_publish, publishes: 9, histories: 1 }
}

/// What changes little each time: the small objects.
const fn quiet(layout: &'static str, targets: u64, changes_per_publish: f64) -> Run {
    Run { histories: 4, ..run(layout, targets, changes_per_publish) }
}

/// Sizes that no grid replays: it goes by doublings of the scenario's own size, these are odd.
const RUNS: [Run; 21] = [
    run("bins-succinct:2048", 5_300, 6.0),
    run("bins-succinct:1024", 9_100, 100.0),
    run("bins-succinct:256", 5_300, 30.0),
    run("bins-succinct:128", 9_100, 2.0),
    run("bins-succinct:128", 9_100, 12.0),
    run("bins-succinct:16", 9_100, 40.0),
    run("bins-succinct:4", 37_000, 30.0),
    run("bins-succinct:256/hashes", 5_300, 30.0),
    run("bins-succinct:4096", 9_100, 1.5),
    run("projects-wildcard", 5_300, 40.0),
    quiet("projects-wildcard", 5_300, 1.5),
    quiet("projects-wildcard", 9_100, 4.0),
    run("projects-wildcard", 21_000, 8.0),
    run("projects-listed", 5_300, 40.0),
    run("projects-listed", 12_700, 8.0),
    quiet("projects-listed", 5_300, 2.0),
    quiet("projects-listed", 9_100, 4.0),
    run("projects-listed", 21_000, 4.0),
    run("projects-wildcard", 12_700, 3.0),
    // Long lists, of which small indexes have none, and many new projects at once: what a target costs among hundreds is not what it
    // costs among ten, nor the hundredth name what the first one costs.
    run("projects-wildcard", 290_000, 300.0),
    run("projects-listed", 43_000, 60.0),
];

/// How many steps [`measure`] takes.
pub const STEPS: u64 = RUNS.len() as u64 + rebin::STEPS + 1;

/// Rows of features and bytes.
type Rows = Vec<(Vec<f64>, f64)>;

#[derive(Default)]
struct Samples {
    role: Rows,
    project: Rows,
    bins_role: Rows,
    wildcard: Rows,
    listed: Rows,
    snapshot: Rows,
    project_snapshot: Rows,
    cold: Rows,
    cold_versions: Curve,
    bundle: Rows,
    wildcard_bundle: Rows,
    listed_bundle: Rows,
}

/// Measures the rates in repositories that are made in the folder `work`. `progress` is told what is being measured.
///
/// # Errors
/// Any of the publisher.
pub fn measure(scenario: &Scenario, work: &Path, progress: &dyn Fn(&str)) -> Result<Rates, Error> {
    let mut samples = Samples { cold_versions: cold_versions()?, ..Samples::default() };
    let has_projects = crate::census::Census::of(scenario)?.project_role.is_some();
    let mut names = Vec::new();
    for run in &RUNS {
        progress(run.layout);
        let is_project = run.layout.starts_with("projects");
        if is_project && !has_projects {
            continue;
        }
        for seed in SEED..SEED + run.histories {
            let folder = tempfile::tempdir_in(work).map_err(Error::io("make a folder in", work))?;
            let (ledger, _) = live(&scenario.scaled(run.targets), run, seed, folder.path())?;
            let public = folder.path().join("repo/public");
            edges(&public, &public.join("deltas"), &ledger, run, &mut samples)?;
        }
        let seeds =
            if run.histories > 1 { format!(" ({} seeds)", run.histories) } else { String::new() };
        names.push(format!("{} of {} targets{seeds}", run.layout, run.targets));
    }
    progress("documents");
    snapshots(&mut samples)?;
    let [gzip, zstd] = documents::whole(scenario, has_projects)?;
    let fit = |rows: &Rows| least_squares(rows);
    let bins_role = samples.bins_role.iter().map(|(_, bytes)| bytes).sum::<f64>();
    let delta = DeltaRates {
        role: fit(&samples.role),
        project: fit(&samples.project),
        bins_role: bins_role / samples.bins_role.len().max(1) as f64,
        wildcard: fit(&samples.wildcard),
        listed: fit(&samples.listed),
        snapshot: fit(&samples.snapshot),
        project_snapshot: fit(&samples.project_snapshot),
        cold: fit(&samples.cold),
        cold_versions: samples.cold_versions,
        bundle: fit(&samples.bundle),
        wildcard_bundle: fit(&samples.wildcard_bundle),
        listed_bundle: fit(&samples.listed_bundle),
    };
    let provenance = format!(
        "tufold grow {} --measure-rates FILE, tufold {}: seed {SEED} and the next, {}{}",
        scenario.name,
        env!("CARGO_PKG_VERSION"),
        names.join(", "),
        if has_projects { "" } else { " (the forms with a role a project left out)" }
    );
    let rebin = rebin::measure(scenario, &delta, work, progress)?;
    Ok(Rates { provenance, gzip, zstd, delta, rebin })
}

/// Lives through a short, busy history; gives it, and what is listed at its end.
pub(super) fn live(
    scenario: &Scenario,
    run: &Run,
    seed: u64,
    folder: &Path,
) -> Result<(Ledger, TargetList), Error> {
    let mut busy = scenario.clone();
    let days = busy.replay.interval_s.value as f64 / crate::scenario::DAY_S as f64;
    busy.publish.releases_per_day.value = run.changes_per_publish / days;
    let mut trace = Synthetic::new(&busy, seed);
    let layout = run.layout.parse::<crate::LayoutSpec>()?.to_layout()?;
    let repo = folder.join("repo");
    let ladder = Ladder::Direct { last: 4 };
    let (settings, start) = (settings(layout, ladder), Time::EPOCH);
    let new = NewRepository::prepare(&repo, settings, &keys(&folder.join("keys"), seed)?, start)?;
    let mut list = trace.start();
    let mut ledger = Ledger::new(layout, ladder, list.rows())?;
    let plan = new.plan(list.clone())?;
    new.commit(plan, &|_| ())?;
    for publish in 1..=run.publishes {
        let Some(changes) = trace.publish()? else { break };
        // The last publish signs everything again.
        let is_last = publish == run.publishes;
        ledger.publish(&changes, is_last)?;
        list = applied(&changes, &list, scenario)?;
        let publisher = Publisher::open(&repo)?;
        let mut refresh = BTreeSet::from([Refresh::Snapshot]);
        refresh.extend(is_last.then_some(Refresh::Bins));
        let now = start.plus_seconds(publish * 86_400);
        let plan = publisher.plan(Input::Changes(changes), &refresh, now, &|_| ())?;
        publisher.commit(plan, &|_| ())?;
    }
    Ok((ledger, list))
}

/// Every delta of a repository: what it holds by the history, and its length.
fn edges(
    public: &Path,
    folder: &Path,
    ledger: &Ledger,
    run: &Run,
    samples: &mut Samples,
) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(Error::io("read", folder))?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            edges(public, &path, ledger, run, samples)?;
            continue;
        }
        let name = path.strip_prefix(public).unwrap_or(&path).to_string_lossy().into_owned();
        let Some(name) = DeltaName::parse_path(&name) else { continue };
        let bytes = entry.metadata().map_err(Error::io("read", &path))?.len() as f64;
        edge(&name, bytes, ledger, run, samples);
    }
    Ok(())
}

fn edge(name: &DeltaName, bytes: f64, ledger: &Ledger, run: &Run, samples: &mut Samples) {
    let is_listed = run.layout == "projects-listed";
    let is_project = run.layout.starts_with("projects");
    let (from, to) = (name.from().map_or(0, Version::get), name.to().get());
    // The snapshot of a version is that of the publish before.
    let publish = |version: u64| index(version - 1);
    match name {
        DeltaName::Role { role, .. } if role == "targets" => {
            let (top, _) = ledger.top_step(from, to);
            let rows = if is_listed { &mut samples.listed } else { &mut samples.wildcard };
            rows.push((top.features(), bytes));
        }
        DeltaName::Role { role, .. } => {
            let Some(number) = ledger.number_of(role) else { return };
            let rows = if is_project { &mut samples.project } else { &mut samples.role };
            let step = ledger.step(number, from, to);
            if step.added + step.changed + step.removed == 0.0 {
                samples.bins_role.push((Vec::new(), bytes));
            }
            rows.push((step.features(), bytes));
        }
        DeltaName::Snapshot { from: None, .. } => {
            let step = ledger.cold_snapshot(publish(to));
            let roles = ledger.tally_at(publish(to)).files as f64;
            let mut features = cold_features(&samples.cold_versions, &step, roles);
            // All names of an index are of about one mean length, of which no two rates can be told.
            features[4] = 0.0;
            samples.cold.push((features, bytes));
        }
        DeltaName::Snapshot { from: Some(_), .. } => {
            let step = ledger.snapshot_step(publish(from), publish(to));
            let signature = SIGNATURE_BYTES * step.signed;
            let rows =
                if is_project { &mut samples.project_snapshot } else { &mut samples.snapshot };
            rows.push((step.features(), bytes - signature));
        }
        // No bins change in these runs.
        DeltaName::Bins { .. } => {}
        DeltaName::Mirror { .. } => {
            let bundle = ledger.bundle(publish(from), publish(to));
            let rows = match (is_project, is_listed) {
                (false, _) => &mut samples.bundle,
                (true, false) => &mut samples.wildcard_bundle,
                (true, true) => &mut samples.listed_bundle,
            };
            rows.push((bundle.features(), bytes));
        }
    }
}

/// Deltas of snapshots that are larger than those of the repositories.
fn snapshots(samples: &mut Samples) -> Result<(), Error> {
    let mut random = Random::of(&[SEED, 9]);
    for (bits, mean, rise) in [
        (7, 1.0, 0.02),
        (9, 3.0, 0.01),
        (9, 10.0, 0.2),
        (11, 30.0, 0.05),
        (11, 0.3, 0.3),
        (13, 100.0, 0.3),
        (13, 300.0, 2.0),
        (14, 30.0, 0.003),
    ] {
        let old: Vec<u64> = (0..1_u64 << bits).map(|_| 1 + draw(mean, &mut random)).collect();
        let rises: Vec<u64> = old.iter().map(|_| draw(rise, &mut random)).collect();
        let new: Vec<u64> = old.iter().zip(&rises).map(|(old, rise)| old + rise).collect();
        let before = made_snapshot(bits, &old);
        let after = made_snapshot(bits, &new);
        let delta = |base: Option<&[u8]>| columnar(base, &after);
        let whole =
            SnapshotSteps { count: 1.0, entropy: entropy(&new), ..SnapshotSteps::default() };
        let changed: Vec<u64> = rises.iter().copied().filter(|rise| *rise > 0).collect();
        let choice = choice_bytes(rises.len() as f64, changed.len() as f64);
        let step = SnapshotSteps { entropy: choice + entropy(&changed), ..whole.clone() };
        // Neither carries an envelope here, which takes a byte without signatures.
        let features = cold_features(&samples.cold_versions, &whole, new.len() as f64);
        samples.cold.push((features, delta(None)? + SIGNATURE_BYTES));
        samples.snapshot.push((step.features(), delta(Some(&before))? + 1.0));
    }
    Ok(())
}

fn columnar(base: Option<&[u8]>, new: &[u8]) -> Result<f64, Error> {
    let options = EncodeOptions { verify: false, ..EncodeOptions::default() };
    let delta = encode(Codec::Columnar, base, new, &options);
    delta
        .map(|delta| delta.len() as f64)
        .map_err(|error| Error::Form { file: "a snapshot".to_owned(), problem: error.to_string() })
}

fn entropy(values: &[u64]) -> f64 {
    let mut times = std::collections::BTreeMap::<u64, u64>::new();
    values.iter().for_each(|value| *times.entry(*value).or_default() += 1);
    entropy_bytes(times.values().copied())
}

/// What versions take in a snapshot from nothing, where they are Poisson's.
fn cold_versions() -> Result<Curve, Error> {
    const BITS: u32 = 15;
    let mut random = Random::of(&[SEED, 13]);
    let flat = columnar(None, &made_snapshot(BITS, &vec![1; 1 << BITS]))?;
    let mut curve = vec![(0.0, 0.0)];
    for mean in [
        0.003, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 6.0, 10.0, 30.0,
        100.0, 300.0, 1e3, 1e4,
    ] {
        let versions: Vec<u64> = (0..1_u64 << BITS).map(|_| 1 + draw(mean, &mut random)).collect();
        let all = versions.len() as f64;
        let bytes = columnar(None, &made_snapshot(BITS, &versions))? - flat;
        curve.push((8.0 * entropy(&versions) / all, bytes / all));
    }
    Ok(curve)
}

fn made_snapshot(bits: u32, versions: &[u64]) -> Vec<u8> {
    let Some(bits) = BitLength::new(bits) else { return Vec::new() };
    let meta = bits.bins().zip(versions).map(|(bin, &version)| {
        let file = MetaFile::version_only(Version::new(version).unwrap_or(Version::FIRST));
        (meta_name(&bits.role_name("bins", bin)), file)
    });
    let snapshot = Snapshot {
        spec_version: SPEC_VERSION.to_owned(),
        version: Version::FIRST,
        expires: Time::EPOCH,
        meta: meta.collect(),
        extra: Default::default(),
    };
    snapshot.to_canonical()
}

/// A draw from Poisson's distribution; from a normal one where that is as good.
pub(super) fn draw(mean: f64, random: &mut Random) -> u64 {
    if mean < 20.0 {
        return poisson(mean, random);
    }
    // The sum of twelve draws from 0 to 1.
    let unit = |random: &mut Random| random.below(1 << 30) as f64 / (1_u64 << 30) as f64;
    let normal: f64 = (0..12).map(|_| unit(random)).sum::<f64>() - 6.0;
    floor((mean + mean.sqrt() * normal).max(0.0))
}

fn poisson(mean: f64, random: &mut Random) -> u64 {
    let mut unit = random.below(1 << 53) as f64 / (1_u64 << 53) as f64;
    let (mut chance, mut value) = ((-mean).exp(), 0);
    while unit > chance && value < 200 {
        unit -= chance;
        value += 1;
        chance *= mean / value as f64;
    }
    value
}
