//! Mercury (Kuppusamy, Diaz and Cappos, USENIX ATC 2017): what a month of PyPI in 2014 cost four designs.
//!
//! The log that drove the paper is not public, so its figures are modelled: real names of projects, and the paper's
//! counts of projects and changes. A file's cost is the paper's own: its JSON Patch (RFC 6902) from the version that the
//! user holds, as text or in bzip2, whichever is smaller. Mercury sends one list of versions; Mercury-hash one of versions
//! and hashes. TUF sends hashes, and the metadata of each project that changed, as versions stand in those files only;
//! TUF-version sends of them just signature and version.

use std::io::Write;

use rayon::prelude::*;
use tufold_meta::Digest;
use tufold_repo::targets::Random;

use super::{Line, Lines, documents};
use crate::tail::Tail;
use crate::{Error, Scenario, math};

const TABLE: &str = "Mercury, evaluation: cost of a first visit and after a month";

/// Projects on 21 March 2014, when the log begins.
pub const PROJECTS_AT_START: usize = 58_328;

/// Projects on 19 April 2014, when it ends.
pub const PROJECTS_AT_END: usize = 59_486;

/// Projects that were made or changed in between.
pub const PROJECTS_CHANGED: usize = 3_612;

/// How often they were.
pub const CHANGES: u64 = 10_980;

/// The average package, in bytes.
pub const PACKAGE: f64 = 660_000.0;

/// One project at the end of the month.
struct Project<'n> {
    name: &'n str,
    /// 1 plus the changes of the month; all versions are 1 at the start.
    version: u64,
    is_new: bool,
}

/// The two ends of the month.
struct Month<'n> {
    projects: Vec<Project<'n>>,
}

impl<'n> Month<'n> {
    /// Takes as many names from everywhere in the list, and lets the changes fall on projects by rank, as in the scenario
    /// pypi-2014.
    fn new(names: &[&'n str], tail_exponent: f64) -> Result<Self, Error> {
        if names.len() < PROJECTS_AT_END {
            return Err(Error::Form {
                file: "the list of names".to_owned(),
                problem: format!("it has {}, Mercury's index {PROJECTS_AT_END}", names.len()),
            });
        }
        let mut projects: Vec<Project<'n>> = (0..PROJECTS_AT_END)
            .map(|at| names[at * names.len() / PROJECTS_AT_END])
            .map(|name| Project { name, version: 1, is_new: false })
            .collect();
        // In which order projects were made and changed has nothing to do with their names.
        let mut order: Vec<usize> = (0..projects.len()).collect();
        order.sort_by_cached_key(|&at| *Digest::of(projects[at].name.as_bytes()).as_bytes());
        let new = PROJECTS_AT_END - PROJECTS_AT_START;
        for &at in &order[..new] {
            projects[at].is_new = true;
        }
        let table = Tail::new(PROJECTS_CHANGED as u64, tail_exponent).table();
        let mut random = Random::of(&[2014]);
        for &at in &order[new..PROJECTS_CHANGED] {
            projects[at].version += 1;
        }
        for _ in PROJECTS_CHANGED as u64..CHANGES {
            let at = order[math::index(table.draw(&mut random))];
            projects[at].version += 1;
        }
        projects.sort_unstable_by_key(|project| project.name);
        Ok(Self { projects })
    }

    /// What changed, in the order of a hash table, as a comparison of two Python dictionaries lists it.
    fn changed(&self) -> Vec<&Project<'n>> {
        let mut changed: Vec<_> =
            self.projects.iter().filter(|project| project.is_new || project.version > 1).collect();
        changed.sort_by_cached_key(|project| *Digest::of(project.name.as_bytes()).as_bytes());
        changed
    }

    /// The patch from nothing to the snapshot.
    fn first(&self, value: impl Fn(&Project<'_>) -> String) -> String {
        let meta: Vec<String> = (self.projects.iter())
            .map(|project| format!("\"packages/{}.json\": {}", project.name, value(project)))
            .collect();
        let (signature, meta) = (signature(&[0]), meta.join(", "));
        format!(
            "[{{\"op\": \"add\", \"path\": \"/signatures\", \"value\": [{signature}]}}, {{\"op\": \"add\", \"path\": \
             \"/signed\", \"value\": {{\"_type\": \"Snapshot\", \"meta\": {{{meta}}}}}}}]"
        )
    }

    /// The patch from the snapshot at the start to that at the end.
    fn later(&self, value: impl Fn(&Project<'_>) -> String) -> String {
        let sig = hex(&[1], 64);
        let mut patch = format!(
            "[{{\"op\": \"replace\", \"path\": \"/signatures/0/sig\", \"value\": \"{sig}\"}}"
        );
        for project in self.changed() {
            let op = if project.is_new { "add" } else { "replace" };
            let (name, value) = (project.name, value(project));
            patch += &format!(
                ", {{\"op\": \"{op}\", \"path\": \"/signed/meta/packages~1{name}.json\", \"value\": {value}}}"
            );
        }
        patch + "]"
    }
}

/// So many random bytes in hex; the numbers name them.
fn hex(names: &[u64], bytes: usize) -> String {
    let mut random = Random::of(names);
    let mut text = String::with_capacity(2 * bytes);
    while text.len() < 2 * bytes {
        text += &format!("{:016x}", random.next());
    }
    text.truncate(2 * bytes);
    text
}

/// A signature by the one key that signs everything.
fn signature(names: &[u64]) -> String {
    format!(
        "{{\"keyid\": \"{}\", \"method\": \"ed25519\", \"sig\": \"{}\"}}",
        hex(&[0], 32),
        hex(names, 64)
    )
}

/// The length of `text` in bzip2.
fn bzip2(text: &str) -> Result<u64, Error> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let io = |source| Error::Io { action: "compress", path: "a JSON patch".into(), source };
    Ok(written.map_err(io)?.len() as u64)
}

/// What a file costs: as text or in bzip2, whichever is smaller.
fn cost(patch: &str) -> Result<u64, Error> {
    Ok(bzip2(patch)?.min(patch.len() as u64))
}

/// A number for each project, for its hash.
fn number(project: &Project<'_>) -> u64 {
    Digest::of(project.name.as_bytes())
        .as_bytes()
        .iter()
        .take(8)
        .fold(0, |n, &b| n << 8 | u64::from(b))
}

/// Mercury: a project's version.
fn version(project: &Project<'_>) -> String {
    project.version.to_string()
}

/// Mercury-hash: its metadata's SHA-256, too.
fn version_and_hash(project: &Project<'_>) -> String {
    let sha256 = hex(&[number(project), project.version], 32);
    format!("{{\"hashes\": {{\"sha256\": \"{sha256}\"}}, \"version\": {}}}", project.version)
}

/// TUF: the SHA-256 only.
fn hash(project: &Project<'_>) -> String {
    format!("\"{}\"", hex(&[number(project), project.version], 32))
}

/// A file of a project as its metadata lists it.
fn file(project: &Project<'_>, at: u64) -> (String, String) {
    let (name, number) = (project.name, number(project));
    let path = format!("packages/source/{}/{name}/{name}-0.{at}.tar.gz", &name[..1]);
    let length = Random::of(&[number, at]).below(1_000_000);
    let sha256 = hex(&[number, at, 1], 32);
    (path, format!("{{\"hashes\": {{\"sha256\": \"{sha256}\"}}, \"length\": {length}}}"))
}

/// The metadata of a project with so many files.
fn metadata(project: &Project<'_>, files: u64) -> String {
    let targets: Vec<String> = (0..files)
        .map(|at| file(project, at))
        .map(|(path, file)| format!("\"{path}\": {file}"))
        .collect();
    format!(
        "{{\"signatures\": [{}], \"signed\": {{\"_type\": \"Targets\", \"targets\": {{{}}}, \"version\": {}}}}}",
        signature(&[number(project), 2]),
        targets.join(", "),
        project.version
    )
}

/// What TUF-version keeps of it.
fn metadata_version(project: &Project<'_>) -> String {
    let signature = signature(&[number(project), 2]);
    format!("{{\"signatures\": [{signature}], \"signed\": {{\"version\": {}}}}}", project.version)
}

/// The patch of a project's metadata: signature and version.
fn patch_version(project: &Project<'_>) -> String {
    let sig = hex(&[number(project), 3], 64);
    format!(
        "[{{\"op\": \"replace\", \"path\": \"/signatures/0/sig\", \"value\": \"{sig}\"}}, {{\"op\": \"replace\", \
         \"path\": \"/signed/version\", \"value\": {}}}]",
        project.version
    )
}

/// The same with a file for each change of the month.
fn patch(project: &Project<'_>) -> String {
    let mut patch = patch_version(project);
    patch.pop();
    for at in 1..project.version {
        let (path, file) = file(project, 1_000 + at);
        let path = path.replace('/', "~1");
        patch += &format!(
            ", {{\"op\": \"add\", \"path\": \"/signed/targets/{path}\", \"value\": {file}}}"
        );
    }
    patch + "]"
}

/// All projects' files in one go. bzip2 works in blocks of 900 kB, so blocks can be done side by side.
fn together(
    projects: &[Project<'_>],
    file: impl Fn(&Project<'_>) -> String + Sync,
) -> Result<u64, Error> {
    let compress = |some: &[Project<'_>]| {
        bzip2(&some.iter().map(|project| file(project) + ", ").collect::<String>())
    };
    projects.par_chunks(1_000).map(compress).sum()
}

/// Each changed project's file by itself.
fn one_by_one(
    changed: &[&Project<'_>],
    whole: impl Fn(&Project<'_>) -> String + Sync,
    patch: impl Fn(&Project<'_>) -> String + Sync,
) -> Result<u64, Error> {
    let file =
        |project: &&Project<'_>| if project.is_new { whole(project) } else { patch(project) };
    changed.par_iter().map(|project| cost(&file(project))).sum()
}

pub(super) fn lines(names: &[&str]) -> Result<Lines, Error> {
    let scenario = Scenario::load("pypi-2014")?;
    let month = Month::new(names, scenario.publish.tail_exponent.value)?;
    let changed = month.changed();
    let index = &scenario.index;
    let files = (index.targets.value - index.projects.value) / index.projects.value;
    let kb = |bytes: u64| bytes as f64 / 1e3;
    let line = |name: &str, published: f64, bytes: u64| {
        Line::new(name, "kB", TABLE).modelled(Some(published), kb(bytes))
    };
    let mercury = (cost(&month.first(version))?, cost(&month.later(version))?);
    let mercury_hash =
        (cost(&month.first(version_and_hash))?, cost(&month.later(version_and_hash))?);
    let hashes = (cost(&month.first(hash))?, cost(&month.later(hash))?);
    let tuf_version = (
        hashes.0 + together(&month.projects, metadata_version)?,
        hashes.1 + one_by_one(&changed, metadata_version, patch_version)?,
    );
    let whole = |project: &Project<'_>| metadata(project, files);
    let tuf = (
        hashes.0 + together(&month.projects, whole)?,
        hashes.1 + one_by_one(&changed, |project| metadata(project, 1), patch)?,
    );
    let versions = month.real(documents::SnapshotForm::Versions)?;
    let with_hashes = month.real(documents::SnapshotForm::Hashes)?;
    let share = |bytes: u64| (bytes as f64 / PACKAGE * 1_000.0).round() / 10.0;
    let lines = vec![
        line("Mercury, first visit", 319.0, mercury.0).real(kb(versions.0)),
        line("Mercury, after a month", 23.0, mercury.1).real(kb(versions.1)),
        Line::new("Mercury, first visit, of a package", "%", TABLE)
            .modelled(Some(48.0), share(mercury.0))
            .real(share(versions.0)),
        Line::new("Mercury, after a month, of a package", "%", TABLE)
            .modelled(Some(3.5), share(mercury.1))
            .real(share(versions.1)),
        line("Mercury-hash, first visit", 2_400.0, mercury_hash.0).real(kb(with_hashes.0)),
        line("Mercury-hash, after a month", 156.0, mercury_hash.1).real(kb(with_hashes.1)),
        line("TUF-version, first visit", 7_600.0, tuf_version.0),
        line("TUF-version, after a month", 1_100.0, tuf_version.1),
        line("TUF, first visit", 20_000.0, tuf.0),
        line("TUF, after a month", 2_100.0, tuf.1),
    ];
    let notes = vec![
        format!(
            "modelled: {PROJECTS_AT_START} to {PROJECTS_AT_END} projects with real names, {PROJECTS_CHANGED} of them \
             changed {CHANGES} times; {files} files a project and the tail of changes from the scenario pypi-2014; bzip2"
        ),
        "real: tufold's snapshot of as many project roles, signed, as its compact first snapshot and as its columnar \
         delta over the month"
            .to_owned(),
        "the paper's log is not public, so nothing here is exact".to_owned(),
    ];
    Ok((lines, notes))
}

impl Month<'_> {
    /// What tufold sends for the snapshot at the end: from nothing, and from the one at the start.
    fn real(&self, form: documents::SnapshotForm) -> Result<(u64, u64), Error> {
        let role = |project: &Project<'_>| format!("project-{}", project.name);
        let start = self.projects.iter().filter(|project| !project.is_new);
        let start = documents::written_snapshot(1, start.map(|project| (role(project), 1)), form);
        let end = self.projects.iter().map(|project| (role(project), project.version));
        let end = documents::written_snapshot(2, end, form);
        Ok((documents::delta(None, &end)?, documents::delta(Some(&start), &end)?))
    }
}
