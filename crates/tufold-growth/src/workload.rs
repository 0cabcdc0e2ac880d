//! How much happens: how many roles a publish changes, how many of them a client wants. Nothing here has bytes.
//!
//! Two ways: expected, from a scenario alone; and counted, from a history, by hashing what it changes. The first is for
//! sizes that no history reaches; given the second, the predictor's requests are exact.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;

use crate::layout::{Form, LayoutSpec};
use crate::math::{Count, occupied, round};
use crate::scenario::{Client, ClientKind, DAY_S, Scenario};
use crate::tail::Tail;
use crate::trace::Start;

/// An experiment: so many publishes after the first, so far apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experiment {
    /// Time from one publish to the next.
    pub interval_s: u64,
    /// How many there have been.
    pub publishes: u64,
}

/// What some publishes change together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    /// Roles below the top-level one that are written, each counted once.
    pub(crate) roles: f64,
    /// Pages that change or come.
    pub(crate) pages: f64,
    /// Files that come.
    pub(crate) added: f64,
    /// Files that go.
    pub(crate) removed: f64,
    /// Projects that come.
    pub(crate) new_projects: f64,
}

/// What one client reads in a visit.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Reads {
    /// Roles that list what it looks up.
    pub(crate) needed: f64,
    /// Those that it has to fetch.
    pub(crate) fetched: f64,
    /// Those of them of which it holds no version: no edge leads there.
    pub(crate) unheld: f64,
    /// The edges of the ladder that lead to the others.
    pub(crate) edges: f64,
    /// Whether the top-level targets role, and the role `bins`, changed since its last visit: 0 or 1.
    pub(crate) top: f64,
    pub(crate) bins: f64,
}

/// The arithmetic of a scenario under an experiment.
pub(crate) struct Activity<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) experiment: Experiment,
    tail: Tail,
    files: f64,
    has_pages: f64,
    projects: f64,
    more_releases: f64,
    /// How many projects so many releases meet, and after how many draws so many are met: asked for again and again.
    distinct: Mutex<HashMap<u64, f64>>,
    draws: Mutex<HashMap<(u64, u64), f64>>,
}

impl<'s> Activity<'s> {
    pub(crate) fn new(scenario: &'s Scenario, experiment: Experiment) -> Self {
        let projects = scenario.index.projects.value;
        Self {
            scenario,
            experiment,
            tail: Tail::new(projects, scenario.publish.tail_exponent.value),
            files: scenario.paths.files.value.len() as f64,
            has_pages: f64::from(u8::from(scenario.paths.page.is_some())),
            projects: projects as f64,
            more_releases: Start::of(scenario).more_releases as f64,
            distinct: Mutex::default(),
            draws: Mutex::default(),
        }
    }

    /// Releases of old projects, first releases and removals in so many publishes.
    fn events(&self, publishes: f64) -> [f64; 3] {
        let publish = &self.scenario.publish;
        let days = publishes * self.experiment.interval_s as f64 / DAY_S as f64;
        let all = publish.releases_per_day.value * days;
        let (new, removed) = (publish.new_project_share.value, publish.removal_share.value);
        [all * (1.0 - new - removed), all * new, all * removed]
    }

    /// Whether all delegated roles were signed again after the publish `from`, up to `to`.
    pub(crate) fn resigns_any(&self, from: u64, to: u64) -> bool {
        self.resigned(from, to) > 0.0
    }

    /// Whether this publish signs all delegated roles again.
    pub(crate) fn is_resign(&self, publish: u64) -> bool {
        let every = self.scenario.expiry.resign_bins_every_s.value;
        let at = |publish: u64| publish * self.experiment.interval_s / every;
        at(publish) > at(publish - 1)
    }

    /// How many publishes after `from`, up to `to`, sign all delegated roles again.
    fn resigned(&self, from: u64, to: u64) -> f64 {
        let every = self.scenario.expiry.resign_bins_every_s.value;
        let at = |publish: u64| publish * self.experiment.interval_s / every;
        (at(to) - at(from)).min(to - from) as f64
    }

    /// Pages and files at the end.
    pub(crate) fn listed(&self, publishes: f64) -> (f64, f64) {
        let [released, new, removed] = self.events(publishes);
        let files = self.projects + self.more_releases + released + new - removed;
        ((self.projects + new) * self.has_pages, files * self.files)
    }

    /// Roles below the top-level one, `bins` not counted.
    pub(crate) fn roles(&self, layout: LayoutSpec, publishes: f64) -> f64 {
        match layout.form {
            Form::Flat => 0.0,
            Form::ProjectsListed | Form::ProjectsWildcard => {
                self.projects + self.events(publishes)[1]
            }
            Form::BinsPrefixes | Form::BinsSuccinct => 2_f64.powi(layout.bits().cast_signed()),
        }
    }

    /// What so many publishes change, signing again left out.
    pub(crate) fn changes(&self, layout: LayoutSpec, publishes: f64) -> Changes {
        let [released, new, removed] = self.events(publishes);
        let edited = self.distinct(released) + new + occupied(self.projects, removed);
        let pages = edited * self.has_pages;
        let (added, gone) = ((released + new) * self.files, removed * self.files);
        let roles = match layout.form {
            Form::Flat => 0.0,
            Form::ProjectsListed | Form::ProjectsWildcard => {
                edited.min(self.roles(layout, 0.0) + new)
            }
            // PEP 458's bins are cells, and what changes are balls.
            Form::BinsPrefixes | Form::BinsSuccinct => {
                occupied(self.roles(layout, 0.0), pages + added + gone)
            }
        };
        Changes { roles, pages, added, removed: gone, new_projects: new }
    }

    fn distinct(&self, releases: f64) -> f64 {
        let mut known = self.distinct.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(releases.to_bits()).or_insert_with(|| self.tail.distinct(releases))
    }

    /// How often a role was written by the publish `to` since `from`, the first writing not counted.
    pub(crate) fn writes(&self, layout: LayoutSpec, from: u64, to: u64) -> Count {
        let fixed = self.resigned(from, to);
        let roles = self.roles(layout, 0.0).max(1.0);
        let chance = (self.changes(layout, 1.0).roles / roles).min(1.0);
        Count { fixed, trials: (to - from) as f64 - fixed, chance }
    }

    /// How many publishes ago a client's last visit was.
    pub(crate) fn gap(&self, client: &Client) -> u64 {
        let gap = client.gap_s.as_ref().map_or(0, |gap| gap.value);
        (gap / self.experiment.interval_s).min(self.experiment.publishes)
    }

    /// Releases of a project that is resolved, on average.
    pub(crate) fn releases_of_dependencies(&self, client: &Client) -> f64 {
        self.over_dependencies(client, |share| 1.0 + self.more_releases * share)
    }

    /// Releases of a project that is resolved and was released in the last publishes.
    pub(crate) fn releases_of_changed_dependencies(&self, client: &Client, gap: u64) -> f64 {
        let [released, ..] = self.events(gap as f64);
        let chance = |share: f64| -(released * (-share).ln_1p()).exp_m1();
        let both = |share: f64| chance(share) * (1.0 + (self.more_releases + released) * share);
        self.over_dependencies(client, both) / self.over_dependencies(client, chance).max(1e-12)
    }

    /// Releases of a project that changes in so many publishes, on average.
    pub(crate) fn releases_of_changed(&self, publishes: f64) -> f64 {
        let [released, new, _] = self.events(publishes);
        let chance = |share: f64| -(released * (-share).ln_1p()).exp_m1();
        let changed = self.distinct(released);
        let releases = self.tail.sum_of_shares(|w| chance(w) * (1.0 + self.more_releases * w));
        (releases + new) / (changed + new).max(1e-12)
    }

    fn over_dependencies(&self, client: &Client, value: impl Fn(f64) -> f64) -> f64 {
        let (Some(count), Some(exponent)) = (&client.packages, &client.popularity_exponent) else {
            return 0.0;
        };
        let popular = Tail::new(self.scenario.index.projects.value, exponent.value);
        let key = (count.value, exponent.value.to_bits());
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = *draws.entry(key).or_insert_with(|| popular.draws_for(count.value as f64));
        drop(draws);
        popular.mean_over_draws(tries, self.tail, value)
    }

    /// What a client is expected to read.
    pub(crate) fn reads(&self, layout: LayoutSpec, client: &Client, ladder: Ladder) -> Reads {
        let end = self.experiment.publishes;
        let gap = if client.kind == ClientKind::Cold { end } else { self.gap(client) };
        let from = end - gap;
        let resigned = self.resigned(from, end) > 0.0;
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let roles = self.roles(layout, end as f64);
        let changes = self.changes(layout, gap as f64);
        let [released, new, _] = self.events(gap as f64);
        let is_new = client.kind == ClientKind::Cold;
        let top = match layout.form {
            Form::Flat | Form::ProjectsListed => gap > 0 && changes.added + changes.removed >= 1.0,
            Form::ProjectsWildcard => new >= 1.0,
            Form::BinsPrefixes | Form::BinsSuccinct => false,
        };
        let (top, bins) = match is_new {
            true => (1.0, f64::from(u8::from(layout.form == Form::BinsPrefixes))),
            false => (
                f64::from(u8::from(top)),
                f64::from(u8::from(resigned && layout.form == Form::BinsPrefixes)),
            ),
        };
        if client.kind == ClientKind::Mirror {
            let fetched = if resigned { roles } else { changes.roles };
            let edges = fetched;
            return Reads { needed: roles, fetched, unheld: 0.0, edges, top, bins };
        }
        let lookups = 1.0 + self.has_pages;
        let released = |share: f64| -(released * (-share).ln_1p()).exp_m1();
        let (needed, fetched, unheld) = match layout.form {
            Form::Flat => (0.0, 0.0, 0.0),
            Form::ProjectsListed | Form::ProjectsWildcard if is_new => {
                (packages, packages, packages)
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let rate = self.over_dependencies(client, released);
                (packages, if resigned { packages } else { packages * rate }, 0.0)
            }
            Form::BinsPrefixes | Form::BinsSuccinct => {
                let needed = occupied(roles, packages * lookups);
                let rate = if is_new { 0.0 } else { self.over_dependencies(client, released) };
                // A bin is fetched if the newest release of a dependency is in it, or if some lookup is and anything
                // else changed it: B (1 - (1 - 1/B)^released (1 - U (1 - (1 - 1/B)^others))).
                let others = changes.pages + changes.added + changes.removed;
                let by_others = if resigned { 1.0 } else { occupied(roles, others) / roles };
                let with = packages * lookups * rate;
                let without = packages * lookups - with;
                let hit = occupied(roles, with) / roles;
                let touched = by_others * occupied(roles, without) / roles;
                let fetched = roles * (1.0 - (1.0 - hit) * (1.0 - touched));
                // The file of a new release is where it wants to be, mostly in a bin that nobody asked for before.
                let unheld = occupied(roles, packages * rate) * (1.0 - needed / roles);
                if is_new {
                    (needed, needed, needed)
                } else {
                    (needed, fetched, unheld.min(fetched))
                }
            }
        };
        let edges = (fetched - unheld) * self.mean_path(layout, ladder, from, end);
        Reads { needed, fetched, unheld, edges, top, bins }
    }

    /// The mean number of edges from the version of a role at the publish `from` to that at `to`, if there are any.
    fn mean_path(&self, layout: LayoutSpec, ladder: Ladder, from: u64, to: u64) -> f64 {
        let behind = spread(self.writes(layout, from, to));
        let start = spread(self.writes(layout, 0, from));
        let (mut edges, mut chances) = (0.0, 0.0);
        for &(count, chance) in behind.iter().filter(|(count, _)| *count > 0) {
            for &(version, weight) in &start {
                let path = ladder.path(1 + version, 1 + version + count);
                // Beyond the ladder a reader fetches the file.
                edges += chance * weight * path.map_or(1.0, |path| path.len() as f64);
                chances += chance * weight;
            }
        }
        if chances > 0.0 { edges / chances } else { 1.0 }
    }
}

/// How many values stand for a count.
const LIKELY: usize = 24;

/// The likely values of a count, each with its chance: at most 24 of them.
fn spread(count: Count) -> Vec<(u64, f64)> {
    let fixed = round(count.fixed);
    match count.small() {
        Some(chances) => {
            let all = chances.iter().zip(0_u64..).map(|(&chance, k)| (fixed + k, chance));
            let mut likely: Vec<_> = all.filter(|(_, chance)| *chance > 1e-4).collect();
            if likely.len() > LIKELY {
                likely.sort_by(|a, b| b.1.total_cmp(&a.1));
                likely.truncate(LIKELY);
            }
            likely
        }
        None => {
            let middle = fixed + round(count.trials * count.chance);
            (middle.saturating_sub(16)..middle + 16).map(|value| (value, 1.0 / 32.0)).collect()
        }
    }
}
