//! Measures the rates of a scenario's paths on small repositories of its own seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tufold_delta::{Codec, EncodeOptions, Ladder, choice_bits, empirical_bits, encode};
use tufold_meta::names::{DeltaName, meta_name, versioned_file_name};
use tufold_meta::{
    Digest, Hashes, MetaFile, Role, SPEC_VERSION, Snapshot, Targets, Time, Version, canonical_parts,
};
use tufold_repo::targets::Random;
use tufold_repo::{Input, KeyRequest, NewRepository, Publisher, Refresh};

use super::{DeltaRates, GzipRates, Rates, role_features};
use crate::Error;
use crate::math::{floor, index, least_squares};
use crate::replay::{gzip_len, settings};
use crate::scenario::Scenario;
use crate::sizes;
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
const SEED: u64 = 977;

/// What a gzip file of a snapshot has besides its entries (`Predictor` adds it again).
const SNAPSHOT_GZIP_BYTES: f64 = 290.0;

pub(super) fn stored(scenario: &str) -> Option<&'static str> {
    STORED.into_iter().find(|(names, _)| names.contains(&scenario)).map(|(_, text)| text)
}

/// One repository that is measured.
struct Run {
    layout: &'static str,
    targets: u64,
    /// How much busier than the scenario it is, so that its few publishes change something.
    changes_per_publish: f64,
    publishes: u64,
}

/// Sizes that no grid replays: it goes by doublings of the scenario's own size, these are odd.
const RUNS: [Run; 8] = [
    Run { layout: "bins-succinct:128", targets: 9_100, changes_per_publish: 12.0, publishes: 8 },
    Run { layout: "bins-succinct:16", targets: 9_100, changes_per_publish: 40.0, publishes: 8 },
    Run { layout: "bins-succinct:1024", targets: 9_100, changes_per_publish: 100.0, publishes: 8 },
    Run {
        layout: "bins-succinct:256/hashes",
        targets: 5_300,
        changes_per_publish: 30.0,
        publishes: 6,
    },
    Run { layout: "bins-prefixes:512", targets: 2_900, changes_per_publish: 5.0, publishes: 1 },
    Run { layout: "bins-prefixes:4096", targets: 2_900, changes_per_publish: 5.0, publishes: 1 },
    Run { layout: "projects-wildcard", targets: 5_300, changes_per_publish: 40.0, publishes: 8 },
    Run { layout: "projects-listed", targets: 5_300, changes_per_publish: 40.0, publishes: 8 },
];

/// Rows of features and bytes.
type Rows = Vec<(Vec<f64>, f64)>;

#[derive(Default)]
struct Samples {
    role: Rows,
    project: Rows,
    wildcard: Rows,
    listed: Rows,
    snapshot: Rows,
    cold: Rows,
    bundle: Rows,
    project_bundle: Rows,
}

/// Measures the rates in repositories that are made in the folder `work`. `progress` is told what is being measured.
///
/// # Errors
/// Any of the publisher.
pub fn measure(scenario: &Scenario, work: &Path, progress: &dyn Fn(&str)) -> Result<Rates, Error> {
    let (mut gzip, mut samples) = (GzipRates::default(), Samples::default());
    let mut has_projects = false;
    for run in &RUNS {
        progress(run.layout);
        let folder = tempfile::tempdir_in(work).map_err(Error::io("make a folder in", work))?;
        let small = scenario.scaled(run.targets);
        let is_project = run.layout.starts_with("projects");
        if is_project && crate::census::Census::of(&small)?.project_role.is_none() {
            continue;
        }
        has_projects |= is_project;
        live(&small, run, folder.path())?;
        Held::new(folder.path()).measure(run, &mut gzip, &mut samples)?;
    }
    progress("documents");
    snapshots(&mut gzip);
    deltas_of_snapshots(&mut samples)?;
    bins(&scenario.scaled(9_100), &mut gzip)?;
    let fit = |rows: &Rows| least_squares(rows);
    let delta = DeltaRates {
        role: fit(&samples.role),
        project: fit(&samples.project),
        wildcard: fit(&samples.wildcard),
        listed: fit(&samples.listed),
        snapshot: fit(&samples.snapshot),
        cold: fit(&samples.cold),
        bundle: fit(&samples.bundle),
        project_bundle: fit(&samples.project_bundle),
    };
    let names: Vec<String> =
        RUNS.iter().map(|run| format!("{} of {} targets", run.layout, run.targets)).collect();
    let provenance = format!(
        "tufold grow {} --measure-rates FILE: seed {SEED}, {}{}",
        scenario.name,
        names.join(", "),
        if has_projects { "" } else { " (the forms with a role a project left out)" }
    );
    Ok(Rates { provenance, gzip, delta })
}

/// Lives through a short, busy history.
fn live(scenario: &Scenario, run: &Run, folder: &Path) -> Result<(), Error> {
    let mut busy = scenario.clone();
    let days = busy.replay.interval_s.value as f64 / crate::scenario::DAY_S as f64;
    busy.publish.releases_per_day.value = run.changes_per_publish / days;
    let mut trace = Synthetic::new(&busy, SEED);
    let layout = run.layout.parse::<crate::LayoutSpec>()?.to_layout()?;
    let repo = folder.join("repo");
    let (settings, start) = (settings(layout, Ladder::Direct { last: 3 }), Time::EPOCH);
    let new = NewRepository::prepare(&repo, settings, &KeyRequest::default(), start)?;
    let plan = new.plan(trace.start())?;
    new.commit(plan, &|_| ())?;
    for publish in 1..=run.publishes {
        let Some(changes) = trace.publish()? else { break };
        let publisher = Publisher::open(&repo)?;
        // The last publish signs everything again.
        let mut refresh = BTreeSet::from([Refresh::Snapshot]);
        refresh.extend((publish > 2 && publish == run.publishes).then_some(Refresh::Bins));
        let now = start.plus_seconds(publish * 86_400);
        let plan = publisher.plan(Input::Changes(changes), &refresh, now, &|_| ())?;
        publisher.commit(plan, &|_| ())?;
    }
    Ok(())
}

/// The files of a repository.
struct Held {
    public: std::path::PathBuf,
}

impl Held {
    fn new(folder: &Path) -> Self {
        Self { public: folder.join("repo/public") }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.public.join(name);
        std::fs::read(&path).map_err(Error::io("read", &path))
    }

    fn targets(&self, role: &str, version: u64) -> Result<Targets, Error> {
        let version = Version::new(version).unwrap_or(Version::FIRST);
        let name = format!("metadata/{}", versioned_file_name(role, version));
        parse(&name, &self.bytes(&name)?)
    }

    fn snapshot(&self, version: u64) -> Result<Snapshot, Error> {
        let name = format!("metadata/{version}.snapshot.json");
        parse(&name, &self.bytes(&name)?)
    }

    fn measure(&self, run: &Run, gzip: &mut GzipRates, samples: &mut Samples) -> Result<(), Error> {
        let is_project = run.layout.starts_with("projects");
        let newest = run.publishes + 1;
        let snapshot = self.snapshot(newest)?;
        let top_version = snapshot.meta[&meta_name("targets")].version.get();
        let top = gzip_len(&self.bytes(&format!("metadata/{top_version}.targets.json"))?) as f64;
        gzip.timestamp = gzip_len(&self.bytes("metadata/timestamp.json")?) as f64;
        let listed = gzip_len(&self.bytes(&format!("metadata/{newest}.snapshot.json"))?) as f64;
        let roles = snapshot.meta.len() as f64;
        let count = (roles - 1.0).max(1.0);
        match run.layout {
            "projects-wildcard" => {
                gzip.wildcard = self.top_curve(count, top)?;
                gzip.snapshot_project = (listed - SNAPSHOT_GZIP_BYTES) / count;
                // A digest in hex takes a little more than half of its digits.
                gzip.snapshot_project_hashes = gzip.snapshot_project + 41.0;
                gzip.project = self.projects_curve(&snapshot)?;
            }
            "projects-listed" => gzip.listed = self.top_curve(count, top)?,
            layout if layout.starts_with("bins-prefixes") => {
                gzip.prefixes = top;
                let bins = snapshot.meta[&meta_name("bins")].version;
                let file = self.bytes(&format!("metadata/{bins}.bins.json"))?;
                let prefixes = sizes::prefixes_of_bin((count - 1.0).log2());
                let each = (gzip_len(&file) as f64 - SNAPSHOT_GZIP_BYTES) / (count - 1.0);
                gzip.bins_role.push((prefixes, each));
                gzip.bins_role.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
            _ => gzip.succinct = top,
        }
        if !run.layout.starts_with("bins-prefixes") {
            self.edges(&self.public.join("deltas"), is_project, run, samples)?;
        }
        Ok(())
    }

    /// A line through a short document and the one at hand.
    fn top_curve(&self, count: f64, bytes: f64) -> Result<Vec<(f64, f64)>, Error> {
        Ok(vec![(0.0, 0.62 * sizes::listing_targets(1)? as f64), (count, bytes)])
    }

    /// The mean of projects with about as many targets.
    fn projects_curve(&self, snapshot: &Snapshot) -> Result<Vec<(f64, f64)>, Error> {
        let mut sums: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
        for (name, file) in &snapshot.meta {
            let Some(role) = name.strip_suffix(".json").filter(|role| *role != "targets") else {
                continue;
            };
            let file = format!("metadata/{}", versioned_file_name(role, file.version));
            let bytes = self.bytes(&file)?;
            let count = parse::<Targets>(&file, &bytes)?.targets.len();
            let bucket = if count < 8 { count } else { 8 * count.ilog2() as usize };
            let sum = sums.entry(u32::try_from(bucket).unwrap_or(u32::MAX)).or_default();
            *sum = (sum.0 + 1.0, sum.1 + count as f64, sum.2 + gzip_len(&bytes) as f64);
        }
        let means = sums.values().map(|(n, count, bytes)| (count / n, bytes / n));
        Ok(means.collect())
    }

    fn edges(
        &self,
        folder: &Path,
        is_project: bool,
        run: &Run,
        samples: &mut Samples,
    ) -> Result<(), Error> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let mut entries =
            entries.collect::<Result<Vec<_>, _>>().map_err(Error::io("read", folder))?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            if path.is_dir() {
                self.edges(&path, is_project, run, samples)?;
                continue;
            }
            let name =
                path.strip_prefix(&self.public).unwrap_or(&path).to_string_lossy().into_owned();
            let Some(name) = DeltaName::parse_path(&name) else { continue };
            let bytes = entry.metadata().map_err(Error::io("read", &path))?.len() as f64;
            self.edge(&name, bytes, is_project, run, samples)?;
        }
        Ok(())
    }

    fn edge(
        &self,
        name: &DeltaName,
        bytes: f64,
        is_project: bool,
        run: &Run,
        samples: &mut Samples,
    ) -> Result<(), Error> {
        let (from, to) = (name.from().map_or(0, Version::get), name.to().get());
        match name {
            DeltaName::Role { role, .. } if role == "targets" => {
                let (old, new) = (self.targets(role, from)?, self.targets(role, to)?);
                let count = |targets: &Targets| match &targets.delegations {
                    Some(d) => match &d.roles {
                        tufold_meta::DelegatedRoles::List(roles) => {
                            let paths = roles.iter().map(|role| match &role.selector {
                                tufold_meta::Selector::Paths(paths) => paths.len() as f64,
                                _ => 0.0,
                            });
                            (roles.len() as f64, paths.sum::<f64>())
                        }
                        _ => (0.0, 0.0),
                    },
                    None => (0.0, 0.0),
                };
                let (old, new) = (count(&old), count(&new));
                let projects = new.0 - old.0;
                if run.layout == "projects-wildcard" {
                    samples.wildcard.push((vec![1.0, projects], bytes));
                } else {
                    // A release adds its paths, a removal takes as many: of both only the difference shows.
                    let paths = new.1 - old.1;
                    samples.listed.push((vec![1.0, paths.max(0.0)], bytes));
                }
            }
            DeltaName::Role { role, .. } => {
                let row = difference(&self.targets(role, from)?, &self.targets(role, to)?);
                let features = role_features(row[0], row[1], row[2]).to_vec();
                if is_project { &mut samples.project } else { &mut samples.role }
                    .push((features, bytes));
            }
            DeltaName::Snapshot { from: None, .. } => {
                let new = self.snapshot(to)?;
                let versions: Vec<i64> =
                    new.meta.values().map(|file| file.version.get().cast_signed()).collect();
                let names = if is_project { versions.len() as f64 } else { 0.0 };
                let digests = new.meta.values().filter(|file| file.hashes.is_some()).count() as f64;
                let entropy = empirical_bits(&versions) / 8.0;
                samples.cold.push((vec![1.0, entropy, names, digests], bytes));
            }
            DeltaName::Snapshot { from: Some(_), .. } => {
                let (entropy, digests, names, _) = self.versions(from, to)?;
                let signature = if to == from + 1 { 65.0 } else { 0.0 };
                samples.snapshot.push((vec![1.0, entropy, digests, names], bytes - signature));
            }
            DeltaName::Mirror { .. } => {
                let (_, _, _, roles) = self.versions(from, to)?;
                let mut sum = [0.0; 3];
                for (role, old, new) in &roles {
                    let old = self.targets(role, *old)?;
                    let row = difference(&old, &self.targets(role, *new)?);
                    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                let [added, pages, removed] = sum;
                let mut features = vec![1.0, roles.len() as f64];
                features.extend(&role_features(added, pages, removed)[1..]);
                if is_project { &mut samples.project_bundle } else { &mut samples.bundle }
                    .push((features, bytes));
            }
        }
        Ok(())
    }

    /// The entropy of what a snapshot's versions did, new digests and roles, and which roles changed.
    fn versions(&self, from: u64, to: u64) -> Result<Rises, Error> {
        let (old, new) = (self.snapshot(from)?, self.snapshot(to)?);
        let (mut roles, mut names, mut digests, mut rises) = (Vec::new(), 0.0, 0.0, Vec::new());
        for (name, file) in &new.meta {
            let role = name.trim_end_matches(".json");
            match old.meta.get(name) {
                None => names += 1.0,
                Some(held) if held.version == file.version => continue,
                Some(held) => {
                    rises.push((file.version.get() - held.version.get()).cast_signed());
                    if role != "targets" && role != "bins" {
                        roles.push((role.to_owned(), held.version.get(), file.version.get()));
                    }
                }
            }
            digests += f64::from(u8::from(file.hashes.is_some()));
        }
        let bits = choice_bits(old.meta.len() as u64, rises.len() as u64) + empirical_bits(&rises);
        Ok((bits / 8.0, digests, names, roles))
    }
}

/// Entropy in bytes, new digests, new roles, and the changed roles with their old and new versions.
type Rises = (f64, f64, f64, Vec<(String, u64, u64)>);

/// Targets that are added, changed and removed.
fn difference(old: &Targets, new: &Targets) -> [f64; 3] {
    let (mut added, mut changed) = (0.0, 0.0);
    for (path, file) in &new.targets {
        match old.targets.get(path) {
            None => added += 1.0,
            Some(held) if held != file => changed += 1.0,
            Some(_) => {}
        }
    }
    let removed = old.targets.keys().filter(|path| !new.targets.contains_key(*path)).count();
    [added, changed, removed as f64]
}

/// What a document says; the publisher wrote it a moment ago.
fn parse<T: Role>(file: &str, bytes: &[u8]) -> Result<T, Error> {
    let problem = |error: &dyn std::fmt::Display| Error::Form {
        file: file.to_owned(),
        problem: error.to_string(),
    };
    let (signed, _) = canonical_parts(bytes).map_err(|error| problem(&error))?;
    serde_json::from_slice(&signed).map_err(|error| problem(&error))
}

/// gzip of snapshots whose versions are Poisson's, and of those with hashes.
fn snapshots(gzip: &mut GzipRates) {
    let curve = |bits: u32| {
        let means = [0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5];
        means.map(|mean: f64| (mean.ln_1p(), snapshot_bytes(bits, mean, false))).to_vec()
    };
    gzip.snapshot3 = curve(11);
    gzip.snapshot4 = curve(13);
    gzip.snapshot_hashes = snapshot_bytes(11, 30.0, true);
}

/// Bytes of a bin in such a snapshot.
fn snapshot_bytes(bits: u32, mean: f64, with_hashes: bool) -> f64 {
    let mut random = Random::of(&[SEED, 7, u64::from(bits)]);
    let versions: Vec<u64> = (0..1_u64 << bits).map(|_| 1 + draw(mean, &mut random)).collect();
    let snapshot = made_snapshot(bits, &versions, with_hashes, &mut random);
    (gzip_len(&snapshot) as f64 + 150.0 - SNAPSHOT_GZIP_BYTES) / versions.len() as f64
}

/// Deltas of snapshots that are larger than those of the repositories.
fn deltas_of_snapshots(samples: &mut Samples) -> Result<(), Error> {
    let mut random = Random::of(&[SEED, 9]);
    for (bits, mean, rise) in [(9, 3.0, 0.01), (11, 30.0, 0.05), (13, 100.0, 0.3), (13, 300.0, 2.0)]
    {
        let old: Vec<u64> = (0..1_u64 << bits).map(|_| 1 + draw(mean, &mut random)).collect();
        let rises: Vec<u64> = old.iter().map(|_| draw(rise, &mut random)).collect();
        let new: Vec<u64> = old.iter().zip(&rises).map(|(old, rise)| old + rise).collect();
        let before = made_snapshot(bits, &old, false, &mut random);
        let after = made_snapshot(bits, &new, false, &mut random);
        let delta = |base: Option<&[u8]>| {
            let options = EncodeOptions { verify: false, ..EncodeOptions::default() };
            let delta = encode(Codec::Columnar, base, &after, &options);
            delta.map(|delta| delta.len() as f64).map_err(|error| Error::Form {
                file: "a snapshot".to_owned(),
                problem: error.to_string(),
            })
        };
        let bits_of = |values: &[u64]| {
            let values: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
            empirical_bits(&values) / 8.0
        };
        // Neither carries its 66 bytes of signature here.
        samples.cold.push((vec![1.0, bits_of(&new), 0.0, 0.0], delta(None)? + 66.0));
        samples.snapshot.push((vec![1.0, bits_of(&rises), 0.0, 0.0], delta(Some(&before))? + 1.0));
    }
    Ok(())
}

fn made_snapshot(bits: u32, versions: &[u64], with_hashes: bool, random: &mut Random) -> Vec<u8> {
    let digits = index(u64::from(bits.div_ceil(4)));
    let meta = versions.iter().enumerate().map(|(bin, &version)| {
        let mut file = MetaFile::version_only(Version::new(version).unwrap_or(Version::FIRST));
        if with_hashes {
            file.length = Some(11_000 + random.below(4_000));
            file.hashes = Some(Hashes::sha256_only(Digest::from_bytes(random.bytes())));
        }
        (meta_name(&format!("bins-{bin:0digits$x}")), file)
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
fn draw(mean: f64, random: &mut Random) -> u64 {
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

/// gzip of bins of many sizes.
fn bins(scenario: &Scenario, gzip: &mut GzipRates) -> Result<(), Error> {
    let rows = Synthetic::new(scenario, SEED).start().into_rows();
    let mut random = Random::of(&[SEED, 8]);
    for count in [0_usize, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 8192] {
        let samples = (2048 / count.max(1)).clamp(1, 64);
        let mut sum = 0;
        for _ in 0..samples {
            let mut chosen = BTreeMap::new();
            while chosen.len() < count.min(rows.len()) {
                let row = &rows[index(random.below(rows.len() as u64))];
                chosen.insert(row.path.as_str().to_owned(), row.file.clone());
            }
            let targets = Targets {
                spec_version: SPEC_VERSION.to_owned(),
                version: Version::FIRST,
                expires: Time::EPOCH,
                targets: chosen,
                delegations: None,
                extra: Default::default(),
            };
            let hex = |random: &mut Random, bytes: u64| -> String {
                (0..bytes).map(|_| format!("{:02x}", random.below(256))).collect()
            };
            let mut file = format!(
                r#"{{"signatures":[{{"keyid":"{}","sig":"{}"}}],"signed":"#,
                hex(&mut random, 32),
                hex(&mut random, 64)
            )
            .into_bytes();
            targets.write(&mut file);
            file.push(b'}');
            sum += gzip_len(&file);
        }
        gzip.bin.push((count as f64, sum as f64 / samples as f64));
    }
    Ok(())
}
