//! Measures what gzip and zstd make of whole documents, which are made up from names of the scenario.

use std::collections::BTreeMap;

use tufold_delta::Ladder;
use tufold_meta::{
    BitLength, Digest, Hashes, MetaFile, SPEC_VERSION, Selector, Targets, Terminating, Time,
    Version,
};
use tufold_repo::layout::Delegation;
use tufold_repo::targets::{Random, Target};

use super::measure::{SEED, draw};
use super::{Curve, WholeRates};
use crate::Error;
use crate::math::{entropy_bytes, index};
use crate::replay::{gzip_len, zstd_len};
use crate::scenario::Scenario;
use crate::sizes;
use crate::tail::Tail;
use crate::trace::{Synthetic, Trace};

/// The length of a file in each coding.
fn coded(file: &[u8]) -> [f64; 2] {
    [gzip_len(file) as f64, zstd_len(file) as f64]
}

fn each(mut value: impl FnMut(usize) -> f64) -> [f64; 2] {
    [value(0), value(1)]
}

/// Points of one curve in each coding.
#[derive(Default)]
struct Curves([Curve; 2]);

impl Curves {
    fn push(&mut self, x: f64, bytes: [f64; 2]) {
        self.0.iter_mut().zip(bytes).for_each(|(curve, bytes)| curve.push((x, bytes)));
    }
}

/// The rates of gzip and of zstd.
pub(super) fn whole(scenario: &Scenario, has_projects: bool) -> Result<[WholeRates; 2], Error> {
    let rows = Synthetic::new(&scenario.scaled(SCENARIO_TARGETS), SEED).start().into_rows();
    let timestamp =
        coded(&sizes::file(&sizes::made_timestamp(30, 30, 30_000, Some(Ladder::default())))?);
    let succinct = coded(&sizes::file(&sizes::succinct(10)?)?);
    let every = Selector::PathHashPrefixes((0..16).map(|digit| format!("{digit:x}")).collect());
    let top = [("bins".to_owned(), every, Terminating::Yes)];
    let prefixes = coded(&sizes::file(&sizes::delegator(top.into_iter())?)?);
    let empty = coded(&snapshot_file(&[])?);
    let mut rates = each_rates(|at| WholeRates {
        timestamp: timestamp[at],
        succinct: succinct[at],
        prefixes: prefixes[at],
        snapshot: empty[at],
        ..WholeRates::default()
    });
    let set =
        |rates: &mut [WholeRates; 2], curves: Curves, field: fn(&mut WholeRates) -> &mut Curve| {
            rates.iter_mut().zip(curves.0).for_each(|(rates, curve)| *field(rates) = curve);
        };
    set(&mut rates, bins_role()?, |rates| &mut rates.bins_role);
    let (curves, entry) = bins(&rows)?;
    set(&mut rates, curves, |rates| &mut rates.bin);
    rates.iter_mut().zip(entry).for_each(|(rates, entry)| rates.bin_entry = entry);
    for bins in BINS {
        // A hashed bin takes as much among 12,288 as among more.
        for has_hashes in [false, true].into_iter().take(if bins > 12_288 { 1 } else { 2 }) {
            let Curves(curves) = snapshots(scenario, bins, has_hashes, empty)?;
            for (rates, curve) in rates.iter_mut().zip(curves) {
                let curves = if has_hashes {
                    &mut rates.snapshot_hashes
                } else {
                    &mut rates.snapshot_versions
                };
                curves.push((bins as f64, curve));
            }
        }
    }
    set(&mut rates, lengths(scenario)?, |rates| &mut rates.snapshot_lengths);
    if has_projects {
        let rows = Synthetic::new(&scenario.scaled(PROJECTS_TARGETS), SEED).start().into_rows();
        let (curves, entry) = projects(&rows)?;
        set(&mut rates, curves, |rates| &mut rates.project);
        rates.iter_mut().zip(entry).for_each(|(rates, entry)| rates.project_entry = entry);
        set(&mut rates, tops(&rows, Delegation::ProjectsWildcard)?, |rates| &mut rates.wildcard);
        set(&mut rates, tops(&rows, Delegation::ProjectsListed)?, |rates| &mut rates.listed);
        let names = names(scenario);
        set(&mut rates, project_snapshots(&names, empty)?, |rates| &mut rates.snapshot_project);
        let versions = project_versions(scenario, &names)?;
        set(&mut rates, versions, |rates| &mut rates.snapshot_project_versions);
        let hashes = project_hashes(&names)?;
        rates.iter_mut().zip(hashes).for_each(|(rates, more)| rates.snapshot_project_hashes = more);
    }
    Ok(rates)
}

fn each_rates(value: impl Fn(usize) -> WholeRates) -> [WholeRates; 2] {
    [value(0), value(1)]
}

/// How many bins the snapshots have; no layout has so many.
///
/// zstd changes its ways at 16, 128 and 256 KiB, so some lie on either side.
const BINS: [u64; 24] = [
    12, 48, 112, 192, 384, 500, 600, 768, 960, 1000, 1536, 1900, 2100, 3072, 4000, 4600, 8300,
    9200, 12_288, 20_480, 28_672, 40_960, 49_152, 98_304,
];

/// How large the index is whose targets and names are compressed.
const SCENARIO_TARGETS: u64 = 37_000;

/// The same where each project has a role: long lists, and the list of all projects, are other for zstd than short ones.
const PROJECTS_TARGETS: u64 = 290_000;

fn targets(rows: impl Iterator<Item = Target>) -> Targets {
    Targets {
        spec_version: SPEC_VERSION.to_owned(),
        version: Version::FIRST,
        expires: Time::EPOCH,
        targets: rows.map(|row| (row.path.as_str().to_owned(), row.file)).collect(),
        delegations: None,
        extra: Default::default(),
    }
}

/// A bin in the role `bins`: these documents have no chance in them.
fn bins_role() -> Result<Curves, Error> {
    let mut curves = Curves::default();
    for bits in (1..=16).filter_map(BitLength::new) {
        let bin = |bin| {
            let prefixes = Selector::PathHashPrefixes(bits.hash_prefixes(bin).collect());
            (bits.role_name("bins", bin), prefixes, Terminating::No)
        };
        let file = coded(&sizes::file(&sizes::delegator(bits.bins().map(bin))?)?);
        let count = bits.bin_count() as f64;
        curves.push(f64::from(bits.bits()), file.map(|bytes| bytes / count));
    }
    Ok(curves)
}

/// Whole roles: how many targets each lists, the bytes of those, and its own in each coding.
#[derive(Default)]
struct Roles(Vec<(f64, f64, [f64; 2])>);

impl Roles {
    fn push(&mut self, rows: Vec<Target>) -> Result<(), Error> {
        let entry = |row: &Target| sizes::target_entry(row.path.as_str(), &row.file);
        let (count, bytes) = (rows.len() as f64, rows.iter().map(entry).sum::<u64>() as f64);
        self.0.push((count, bytes, coded(&sizes::file(&targets(rows.into_iter()))?)));
        Ok(())
    }

    /// The means of roles that list about as much, and how far a byte more of what is listed leads from them.
    fn curves(&self, bucket: impl Fn(usize) -> usize) -> (Curves, [(f64, f64); 2]) {
        let mut sums: BTreeMap<usize, (f64, f64, [f64; 2])> = BTreeMap::new();
        for (count, _, coded) in &self.0 {
            let sum = sums.entry(bucket(index(crate::math::round(*count)))).or_default();
            *sum = (sum.0 + 1.0, sum.1 + count, each(|at| sum.2[at] + coded[at]));
        }
        let mut curves = Curves::default();
        sums.values().for_each(|(n, count, sum)| curves.push(count / n, sum.map(|sum| sum / n)));
        let all = |of: fn(&(f64, f64, [f64; 2])) -> f64| self.0.iter().map(of).sum::<f64>();
        let entry_bytes = all(|role| role.1) / all(|role| role.0).max(1.0);
        let slope = |at: usize| {
            let (mut both, mut square) = (0.0, 0.0);
            for (count, bytes, coded) in self.0.iter().filter(|role| role.0 > 0.0) {
                let more = bytes - entry_bytes * count;
                // Long roles deviate more, as the square root of what they list.
                both +=
                    more * (coded[at] - crate::math::interpolate(&curves.0[at], *count)) / count;
                square += more * more / count;
            }
            if square > 0.0 { both / square } else { 0.0 }
        };
        let entry = [(entry_bytes, slope(0)), (entry_bytes, slope(1))];
        (curves, entry)
    }
}

/// Bins of many sizes.
fn bins(rows: &[Target]) -> Result<(Curves, [(f64, f64); 2]), Error> {
    let (mut roles, mut random) = (Roles::default(), Random::of(&[SEED, 8]));
    for count in [0_usize, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384] {
        for _ in 0..(4_096 / count.max(1)).clamp(2, 256) {
            let mut chosen = BTreeMap::new();
            while chosen.len() < count.min(rows.len()) {
                let at = index(random.below(rows.len() as u64));
                chosen.insert(at, rows[at].clone());
            }
            roles.push(chosen.into_values().collect())?;
        }
    }
    Ok(roles.curves(|count| count))
}

/// The targets of each project, by the name of its role.
fn by_project(rows: &[Target], form: Delegation) -> BTreeMap<String, Vec<Target>> {
    let mut projects: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    for row in rows {
        projects.entry(form.role_of(row.path.as_str())).or_default().push(row.clone());
    }
    projects
}

/// Projects as they are.
fn projects(rows: &[Target]) -> Result<(Curves, [(f64, f64); 2]), Error> {
    let mut roles = Roles::default();
    for rows in by_project(rows, Delegation::ProjectsWildcard).into_values() {
        roles.push(rows)?;
    }
    Ok(roles.curves(|count| {
        // Halves of a doubling.
        let half = usize::from(count * count >= 2 << (2 * count.max(1).ilog2()));
        if count < 12 { count } else { 16 * (2 * count.ilog2() as usize + half) }
    }))
}

/// The top-level role of projects, by the bytes of its delegations.
fn tops(rows: &[Target], form: Delegation) -> Result<Curves, Error> {
    let projects = by_project(rows, form);
    let mut curves = Curves::default();
    let empty = sizes::listing_targets(1)? as f64 - 1.0;
    for part in [512, 128, 64, 32, 16, 8, 4, 2, 1] {
        // Every so manieth, so that names are as far from each other as they are in a smaller index.
        let some = projects.iter().step_by(part).map(|(role, rows)| {
            let paths = rows.iter().map(|row| row.path.as_str());
            let selector = form.project_selector(paths).unwrap_or(Selector::Paths(Vec::new()));
            (role.clone(), selector, Terminating::Yes)
        });
        let file = sizes::file(&sizes::delegator(some)?)?;
        curves.push(file.len() as f64 - empty, coded(&file));
    }
    Ok(curves)
}

fn snapshot_file(roles: &[(String, MetaFile)]) -> Result<Vec<u8>, Error> {
    sizes::snapshot_file(roles.iter().map(|(role, file)| (role.as_str(), file.clone())))
}

/// The bits that one of these versions takes.
fn bits_each(versions: &[u64]) -> f64 {
    let mut times = BTreeMap::<u64, u64>::new();
    versions.iter().for_each(|version| *times.entry(*version).or_default() += 1);
    8.0 * entropy_bytes(times.values().copied()) / versions.len().max(1) as f64
}

/// Versions of bins that were written so often on average: files fall on all alike, but a popular project's page comes
/// again and again in its bin.
fn versions(scenario: &Scenario, bins: u64, mean: f64, random: &mut Random) -> Vec<u64> {
    let files = scenario.paths.files.value.len() as f64;
    let pages = f64::from(u8::from(scenario.paths.page.is_some()));
    if pages == 0.0 || mean >= OFTEN {
        return (0..bins).map(|_| 1 + draw(mean, random)).collect();
    }
    let of_files = mean * files / (files + pages);
    let mut versions: Vec<u64> = (0..bins).map(|_| 1 + draw(of_files, random)).collect();
    let tail = Tail::new(bins, scenario.publish.tail_exponent.value);
    let releases = (mean - of_files) * bins as f64;
    for project in 1..=bins {
        let edits = draw(releases * tail.share(project), random).min(PUBLISHES);
        versions[index(random.below(bins))] += edits;
    }
    versions
}

/// A bin that is written so often has versions of more digits anyway.
const OFTEN: f64 = 10.0;
/// A page changes but once a publish, and a month has so many.
const PUBLISHES: u64 = 30;
/// zstd makes up to a fifth more or less of the same versions in another order, so each mean is drawn so often.
const DRAWS: u64 = 6;
/// Of larger snapshots one draw tells as much as many.
const DRAWN_BINS: u64 = 24_576;

/// A bin in snapshots with such versions.
fn snapshots(
    scenario: &Scenario,
    bins: u64,
    has_hashes: bool,
    empty: [f64; 2],
) -> Result<Curves, Error> {
    let mut curves = Curves::default();
    let Some(bits) = BitLength::from_bin_count(bins.next_power_of_two()) else { return Ok(curves) };
    let draws = if has_hashes || bins > DRAWN_BINS { 1 } else { DRAWS };
    for mean in [0.0, 0.03, 0.1, 0.3, 0.6, 1.0, 1.7, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e5] {
        let (mut told, mut sum) = (0.0, [0.0; 2]);
        for seed in 0..draws {
            let mut random = Random::of(&[SEED, 7, bins, seed]);
            let versions = versions(scenario, bins, mean, &mut random);
            let roles: Vec<_> = (bits.bins().zip(&versions))
                .map(|(bin, &version)| {
                    let mut file = sizes::version_only(version);
                    if has_hashes {
                        hashed(&mut file, 11_000 + random.below(4_000), &mut random);
                    }
                    (bits.role_name("bins", bin), file)
                })
                .collect();
            let file = coded(&snapshot_file(&roles)?);
            told += bits_each(&versions) / draws as f64;
            sum = each(|at| sum[at] + (file[at] - empty[at]) / (draws * bins) as f64);
        }
        curves.push(told, sum);
    }
    // Of few bins, chance may bring more different versions to a lower mean.
    for curve in &mut curves.0 {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        curve.dedup_by(|a, b| a.0 - b.0 < 1e-6);
    }
    Ok(curves)
}

/// What a bin's length adds to a snapshot with hashes, by its digits: the lengths of bins that list so many targets on
/// average, beside those in [`snapshots`].
fn lengths(scenario: &Scenario) -> Result<Curves, Error> {
    let (bins, mut curves) = (4_600_u64, Curves::default());
    let Some(bits) = BitLength::from_bin_count(bins.next_power_of_two()) else { return Ok(curves) };
    let entry = crate::census::Census::of(scenario)?.file_entry;
    let empty = sizes::empty_targets(1, None)? as f64;
    let mut random = Random::of(&[SEED, 14]);
    let file = |lengths: Vec<u64>, random: &mut Random| {
        let roles: Vec<_> = (bits.bins().zip(lengths))
            .map(|(bin, length)| {
                let mut file = sizes::version_only(1);
                hashed(&mut file, length, random);
                (bits.role_name("bins", bin), file)
            })
            .collect();
        Ok::<_, Error>(coded(&snapshot_file(&roles)?))
    };
    let usual = (0..bins).map(|_| 11_000 + random.below(4_000)).collect();
    let usual = file(usual, &mut random)?;
    for mean in [0.3, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 36.0, 44.0, 61.0, 250.0, 1_000.0] {
        // Entries differ in length too, so that no two bins have the same.
        let mut length = || {
            let entries = draw(mean, &mut random) as f64;
            let more = random.below(1 << 20) as f64 / f64::from(1 << 20);
            crate::math::round(empty + entry * (entries + entries.sqrt() * (more - 0.5) / 2.0))
        };
        let lengths: Vec<u64> = (0..bins).map(|_| length()).collect();
        let digits: u64 = lengths.iter().map(|length| crate::math::digits(*length)).sum();
        let file = file(lengths, &mut random)?;
        curves.push(digits as f64 / bins as f64, each(|at| (file[at] - usual[at]) / bins as f64));
    }
    for curve in &mut curves.0 {
        curve.dedup_by(|a, b| a.0 - b.0 < 1e-6);
    }
    Ok(curves)
}

/// As a snapshot with hashes says it of some role.
fn hashed(file: &mut MetaFile, length: u64, random: &mut Random) {
    file.length = Some(length);
    file.hashes = Some(Hashes::sha256_only(Digest::from_bytes(random.bytes())));
}

/// Names of projects' roles.
fn names(scenario: &Scenario) -> Vec<String> {
    let name = |project| {
        let release = crate::trace::made_release(scenario, SEED, project, 1).into_iter().next();
        release.map(|target| Delegation::ProjectsWildcard.role_of(target.path.as_str()))
    };
    (0..32_768).filter_map(name).collect()
}

/// A project in snapshots of which all versions are 1.
fn project_snapshots(names: &[String], empty: [f64; 2]) -> Result<Curves, Error> {
    let mut curves = Curves::default();
    for count in [32, 128, 512, 2048, 8192, 32_768] {
        let roles: Vec<_> =
            names.iter().take(count).map(|name| (name.clone(), sizes::version_only(1))).collect();
        let file = coded(&snapshot_file(&roles)?);
        let count = roles.len() as f64;
        curves.push(count, each(|at| (file[at] - empty[at]) / count));
    }
    Ok(curves)
}

/// What versions of projects add to that: a heavy tail, as releases have it.
fn project_versions(scenario: &Scenario, names: &[String]) -> Result<Curves, Error> {
    let names = &names[..2048.min(names.len())];
    let tail = Tail::new(names.len() as u64, scenario.publish.tail_exponent.value);
    let mut curves = Curves::default();
    let mut flat = [0.0; 2];
    for mean in [0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0] {
        let mut random = Random::of(&[SEED, 10]);
        let releases = mean * names.len() as f64;
        let versions: Vec<u64> = (1..=names.len() as u64)
            .map(|rank| 1 + draw(releases * tail.share(rank), &mut random))
            .collect();
        let roles: Vec<_> = (names.iter().zip(&versions))
            .map(|(name, &version)| (name.clone(), sizes::version_only(version)))
            .collect();
        let file = coded(&snapshot_file(&roles)?);
        if mean == 0.0 {
            flat = file;
        }
        let count = names.len() as f64;
        curves.push(bits_each(&versions), each(|at| (file[at] - flat[at]) / count));
    }
    Ok(curves)
}

/// What lengths and hashes add to that.
fn project_hashes(names: &[String]) -> Result<[f64; 2], Error> {
    let names = &names[..2048.min(names.len())];
    let mut random = Random::of(&[SEED, 11]);
    let mut roles: Vec<_> =
        names.iter().map(|name| (name.clone(), sizes::version_only(1))).collect();
    let flat = coded(&snapshot_file(&roles)?);
    roles.iter_mut().for_each(|(_, file)| {
        let length = 11_000 + random.below(4_000);
        hashed(file, length, &mut random);
    });
    let file = coded(&snapshot_file(&roles)?);
    Ok(each(|at| (file[at] - flat[at]) / roles.len().max(1) as f64))
}
