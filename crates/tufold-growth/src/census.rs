//! How long the targets of a scenario are, by a sample: what no closed form has, for names are what they are.

use tufold_meta::{Selector, Terminating};
use tufold_repo::layout::Delegation;
use tufold_repo::targets::Random;

use crate::Error;
use crate::scenario::Scenario;
use crate::sizes;
use crate::tail::Tail;
use crate::trace::{Start, made_page, made_release};

/// How many projects are looked at.
const SAMPLE: u64 = 4_096;

/// A seed of its own: no history has it.
const SEED: u64 = 0x005a_3e1e;

/// Mean bytes of what a scenario lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Census {
    /// The entry of a page, with its comma; 0 without pages.
    pub(crate) page_entry: f64,
    /// The entry of a file.
    pub(crate) file_entry: f64,
    /// The name of a project's role; `None` where a project's targets do not share one.
    pub(crate) project_role: Option<f64>,
    /// The delegation to a project by patterns.
    pub(crate) wildcard: f64,
    /// The same without its pattern.
    pub(crate) listed: f64,
    /// What a page's path adds to a list of paths.
    pub(crate) page_path: f64,
    /// What a file's path adds.
    pub(crate) file_path: f64,
    /// Projects, and releases beside the first of each.
    pub(crate) projects: f64,
    pub(crate) more_releases: f64,
}

impl Census {
    pub(crate) fn of(scenario: &Scenario) -> Result<Self, Error> {
        let start = Start::of(scenario);
        let projects = scenario.index.projects.value;
        let more = start.more_releases as f64;
        let tail = Tail::new(projects, scenario.publish.tail_exponent.value);
        let files = scenario.paths.files.value.len() as f64;
        let (mut random, size) = (Random::of(&[SEED]), SAMPLE as f64);
        let mut census = Self {
            page_entry: 0.0,
            file_entry: 0.0,
            project_role: Some(0.0),
            wildcard: 0.0,
            listed: 0.0,
            page_path: 0.0,
            file_path: 0.0,
            projects: projects as f64,
            more_releases: more,
        };
        for _ in 0..SAMPLE {
            // A project, each as likely: its page and its role.
            let project = random.below(projects);
            let releases = 1 + crate::math::floor(more * tail.share(project + 1));
            if let Some(page) = made_page(scenario, SEED, project, releases, 0) {
                let path = page.path.as_str();
                census.page_entry += sizes::target_entry(path, &page.file) as f64 / size;
                census.page_path += (path.len() + 3) as f64 / size;
            }
            census.add_role(scenario, project, size)?;
            // A release, each as likely: its files.
            let is_first = random.below(projects + start.more_releases) < projects;
            let (project, release) = if is_first {
                (random.below(projects), 1)
            } else {
                let project = tail.draw_about(&mut random);
                let others = crate::math::floor(more * tail.share(project + 1)).max(1);
                (project, 2 + random.below(others))
            };
            for target in made_release(scenario, SEED, project, release) {
                let path = target.path.as_str();
                let entry = sizes::target_entry(path, &target.file);
                census.file_entry += entry as f64 / size / files;
                census.file_path += (path.len() + 3) as f64 / size / files;
            }
        }
        Ok(census)
    }

    fn add_role(&mut self, scenario: &Scenario, project: u64, size: f64) -> Result<(), Error> {
        let mut targets = made_release(scenario, SEED, project, 1);
        targets.extend(made_page(scenario, SEED, project, 1, 0));
        let paths = || targets.iter().map(|target| target.path.as_str());
        let form = Delegation::ProjectsWildcard;
        let mut roles = paths().map(|path| form.role_of(path));
        let role = roles.next().unwrap_or_default();
        if roles.any(|other| other != role) {
            self.project_role = None;
        }
        let selector = form.project_selector(paths()).unwrap_or(Selector::Paths(Vec::new()));
        let none = Selector::Paths(Vec::new());
        self.wildcard += sizes::delegation(&role, selector, Terminating::Yes)? as f64 / size;
        self.listed += sizes::delegation(&role, none, Terminating::Yes)? as f64 / size;
        self.project_role = self.project_role.map(|mean| mean + role.len() as f64 / size);
        Ok(())
    }
}
