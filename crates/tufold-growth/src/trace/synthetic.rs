//! A history that is made up after a scenario, the same on every machine.
//!
//! Nothing is kept but how many releases the projects have that changed: any target follows from the seed, the project
//! and the release.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use tufold_meta::{Digest, TargetFile, TargetPath};
use tufold_repo::targets::{Change, ChangeList, Random, Target, TargetList};

use super::Trace;
use crate::Error;
use crate::math;
use crate::scenario::Scenario;
use crate::shape::{self, Filling};
use crate::tail::{Table, Tail};

/// A history after a scenario.
pub struct Synthetic {
    scenario: Scenario,
    seed: u64,
    /// Releases that are spread by rank, beside the first one of each project.
    more_releases: u64,
    table: Table,
    changed: HashMap<u64, Releases>,
    new_projects: u64,
    targets: u64,
    /// What each kind of event is still owed.
    owed: [f64; 3],
    random: Random,
}

/// The releases of a project that are listed.
#[derive(Clone, Copy, Debug)]
struct Releases {
    oldest: u64,
    newest: u64,
    /// How often its page changed.
    edits: u64,
}

impl Synthetic {
    /// The history of `scenario` with the replay's interval between publishes.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let projects = scenario.index.projects.value;
        let model = Start::of(scenario);
        Self {
            scenario: scenario.clone(),
            seed,
            more_releases: model.more_releases,
            table: Tail::new(projects, scenario.publish.tail_exponent.value).table(),
            changed: HashMap::new(),
            new_projects: 0,
            targets: model.targets,
            owed: [0.0; 3],
            random: Random::of(&[seed, 3]),
        }
    }

    /// How many targets there are now.
    pub fn targets(&self) -> u64 {
        self.targets
    }

    /// Files of a release.
    fn files(&self) -> u64 {
        self.scenario.paths.files.value.len() as u64
    }

    fn releases(&self, project: u64) -> Releases {
        self.changed.get(&project).copied().unwrap_or_else(|| self.at_start(project))
    }

    /// The first release, and a share of the others by rank. A new project has the first only.
    fn at_start(&self, project: u64) -> Releases {
        let before = |rank| math::floor(self.table.before(rank) * self.more_releases as f64);
        let started = project < self.scenario.index.projects.value;
        let at = math::index(project);
        let more = if started { before(at + 1) - before(at) } else { 0 };
        Releases { oldest: 1, newest: 1 + more, edits: 0 }
    }

    fn release_targets(&self, project: u64, release: u64) -> Vec<Target> {
        made_release(&self.scenario, self.seed, project, release)
    }

    fn page(&self, project: u64, releases: Releases) -> Option<Target> {
        let listed = releases.newest + 1 - releases.oldest;
        made_page(&self.scenario, self.seed, project, listed, releases.edits)
    }

    fn release(&mut self, project: u64, changes: &mut Changes) {
        let mut releases = self.releases(project);
        releases.newest += 1;
        changes.put(self.release_targets(project, releases.newest));
        self.targets += self.files();
        self.edit(project, releases, changes);
    }

    fn first_release(&mut self, changes: &mut Changes) {
        let project = self.scenario.index.projects.value + self.new_projects;
        self.new_projects += 1;
        let releases = self.releases(project);
        changes.put(self.release_targets(project, releases.newest));
        self.targets += self.scenario.targets_of_first_release();
        self.edit(project, releases, changes);
    }

    /// Takes away the oldest release of some project that has two.
    fn removal(&mut self, changes: &mut Changes) {
        let projects = self.scenario.index.projects.value;
        for _ in 0..64 {
            let project = self.random.below(projects);
            let mut releases = self.releases(project);
            if releases.newest > releases.oldest {
                changes.remove(self.release_targets(project, releases.oldest));
                releases.oldest += 1;
                self.targets -= self.files();
                self.edit(project, releases, changes);
                return;
            }
        }
    }

    fn edit(&mut self, project: u64, mut releases: Releases, changes: &mut Changes) {
        releases.edits += 1;
        changes.put(self.page(project, releases).into_iter().collect());
        self.changed.insert(project, releases);
    }
}

impl Trace for Synthetic {
    fn start(&self) -> TargetList {
        let projects = self.scenario.index.projects.value;
        let rows = (0..projects).into_par_iter().flat_map_iter(|project| {
            let releases = self.at_start(project);
            let files = (1..=releases.newest).flat_map(move |r| self.release_targets(project, r));
            files.chain(self.page(project, releases))
        });
        // Names are unique, and a release has each template once.
        TargetList::from_rows(rows.collect()).unwrap_or_default()
    }

    fn publish(&mut self) -> Result<Option<ChangeList>, Error> {
        let publish = &self.scenario.publish;
        let days = self.scenario.replay.interval_s.value as f64 / crate::scenario::DAY_S as f64;
        let events = publish.releases_per_day.value * days;
        let shares = [
            1.0 - publish.new_project_share.value - publish.removal_share.value,
            publish.new_project_share.value,
            publish.removal_share.value,
        ];
        let mut changes = Changes::default();
        for (kind, share) in shares.into_iter().enumerate() {
            self.owed[kind] += events * share;
            let due = math::floor(self.owed[kind]);
            self.owed[kind] -= due as f64;
            for _ in 0..due {
                match kind {
                    0 => {
                        let project = self.table.draw(&mut self.random);
                        self.release(project, &mut changes);
                    }
                    1 => self.first_release(&mut changes),
                    _ => self.removal(&mut changes),
                }
            }
        }
        let rows: Vec<Change> = changes.0.into_values().flatten().collect();
        Ok(Some(ChangeList::from_rows(rows).unwrap_or_default()))
    }

    fn packages(&self) -> u64 {
        self.scenario.index.projects.value
    }

    fn lookups(&self, package: u64) -> Vec<String> {
        let newest = self.releases(package).newest;
        let page = made_page(&self.scenario, self.seed, package, 1, 0);
        let file = self.release_targets(package, newest).into_iter().next();
        page.into_iter().chain(file).map(|target| target.path.as_str().to_owned()).collect()
    }
}

/// The changes of one publish by path; `None` where something was added and taken away again.
#[derive(Default)]
struct Changes(BTreeMap<String, Option<Change>>);

impl Changes {
    fn put(&mut self, targets: Vec<Target>) {
        for target in targets {
            self.0.insert(target.path.as_str().to_owned(), Some(Change::Put(target)));
        }
    }

    fn remove(&mut self, targets: Vec<Target>) {
        for target in targets {
            let path = target.path.as_str().to_owned();
            let was_added = matches!(self.0.get(&path), Some(Some(Change::Put(_))));
            let change = (!was_added).then_some(Change::Remove(target.path));
            self.0.insert(path, change);
        }
    }
}

/// How a scenario starts.
pub(crate) struct Start {
    /// Targets, a few less than asked for where releases have several files.
    pub(crate) targets: u64,
    /// Releases beside the first one of each project.
    pub(crate) more_releases: u64,
}

impl Start {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let (targets, projects) = (scenario.index.targets.value, scenario.index.projects.value);
        let files = scenario.paths.files.value.len() as u64;
        let pages = if scenario.paths.page.is_some() { projects } else { 0 };
        let releases = (targets.saturating_sub(pages) / files).max(projects);
        Self { targets: pages + releases * files, more_releases: releases - projects }
    }
}

/// The files of a release.
pub(crate) fn made_release(s: &Scenario, seed: u64, project: u64, release: u64) -> Vec<Target> {
    let name = shape::name(project, seed);
    let made = |(at, template): (usize, &shape::Template)| {
        let mut random = Random::of(&[seed, 4, project, release, at as u64]);
        let path = template.fill(&mut Filling { name: &name, release, random: &mut random });
        // From 1 KiB to 1 MiB, each doubling as likely.
        let bits = 10 + random.below(10);
        target(&path, (1 << bits) + random.below(1 << bits), &mut random)
    };
    s.paths.files.value.iter().enumerate().map(made).collect()
}

/// The page of a project that lists so many releases, after so many edits; its path never changes.
pub(crate) fn made_page(
    scenario: &Scenario,
    seed: u64,
    project: u64,
    listed: u64,
    edits: u64,
) -> Option<Target> {
    let page = scenario.paths.page.as_ref()?;
    let (name, mut random) = (shape::name(project, seed), Random::of(&[seed, 6, project]));
    let path = page.value.fill(&mut Filling { name: &name, release: 1, random: &mut random });
    let mut random = Random::of(&[seed, 5, project, edits]);
    Some(target(&path, 300 + 400 * listed, &mut random))
}

fn target(path: &str, length: u64, random: &mut Random) -> Target {
    let sha256 = Digest::from_bytes(random.bytes());
    // Templates were tried when they were read, and names hold nothing that a path cannot.
    let path = TargetPath::new(path).expect("a template filled with a name is a path");
    Target { path, file: TargetFile::new(length, sha256) }
}
