//! How much happens: how many roles a publish changes, how many of them a client wants. Nothing here has bytes.
//!
//! This is what to expect from a scenario alone, for sizes that no history reaches; `ledger.rs` counts a history.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::layout::{Form, LayoutSpec};
use crate::math::{Count, occupied, round};
use crate::scenario::{Client, DAY_S, Scenario};
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

/// The arithmetic of a scenario under an experiment.
pub(crate) struct Activity<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) experiment: Experiment,
    tail: Tail,
    files: f64,
    has_pages: f64,
    projects: f64,
    more_releases: f64,
    /// Sums over all projects, which each layout asks for again.
    known: Mutex<HashMap<Sum, f64>>,
}

/// A sum over all projects, by what it depends on; numbers that are not whole by their bits.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Sum {
    Distinct(u64),
    Draws(u64, u64),
    Releases(u64, u64),
    ReleasesOfChanged(u64, u64, u64),
    Released(u64, u64, u64),
    ReleasesOfAllChanged(u64),
    Digits(u64),
    Entropy(u64, u64),
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
            known: Mutex::default(),
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

    /// A sum that was computed before, or is now.
    fn known(&self, sum: Sum, compute: impl FnOnce() -> f64) -> f64 {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&value) = known().get(&sum) {
            return value;
        }
        let value = compute();
        known().insert(sum, value);
        value
    }

    /// How many projects so many releases meet.
    fn distinct(&self, releases: f64) -> f64 {
        self.known(Sum::Distinct(releases.to_bits()), || self.tail.distinct(releases))
    }

    /// How often a role was written by the publish `to` since `from`, the first writing not counted.
    pub(crate) fn writes(&self, layout: LayoutSpec, from: u64, to: u64) -> Count {
        let fixed = self.resigned(from, to);
        let roles = self.roles(layout, 0.0).max(1.0);
        let chance = (self.changes(layout, 1.0).roles / roles).min(1.0);
        Count { fixed, trials: (to - from) as f64 - fixed, chance }
    }

    /// How many publishes ago a client's last visit was, if it found something now: whoever comes more often than there are
    /// publishes mostly finds nothing, which costs two requests and is not counted.
    pub(crate) fn gap(&self, client: &Client) -> u64 {
        let gap = client.gap_s.as_ref().map_or(0, |gap| gap.value);
        (gap / self.experiment.interval_s).max(1).min(self.experiment.publishes)
    }

    /// How many publishes a client has missed that finds the one after the experiment's.
    pub(crate) fn missed(&self, client: &Client) -> u64 {
        let gap = client.gap_s.as_ref().map_or(0, |gap| gap.value);
        (gap / self.experiment.interval_s).max(1).min(self.experiment.publishes + 1) - 1
    }

    /// How many visits of a client find something in a day.
    pub(crate) fn visits_per_day(&self, client: &Client) -> f64 {
        let of_publishes = |gap: u64| (gap as f64 / self.experiment.interval_s as f64).min(1.0);
        let share = client.gap_s.as_ref().map_or(1.0, |gap| of_publishes(gap.value));
        client.visits_per_day.value * share
    }

    /// Releases of a project that is resolved, on average.
    pub(crate) fn releases_of_dependencies(&self, client: &Client) -> f64 {
        let (packages, exponent) = key(client);
        self.known(Sum::Releases(packages, exponent), || {
            self.over_dependencies(client, |share| 1.0 + self.more_releases * share)
        })
    }

    /// Releases of a project that is resolved and was released in the last publishes.
    pub(crate) fn releases_of_changed_dependencies(&self, client: &Client, gap: u64) -> f64 {
        let [released, ..] = self.events(gap as f64);
        let chance = |share: f64| -(released * (-share).ln_1p()).exp_m1();
        let both = |share: f64| chance(share) * (1.0 + (self.more_releases + released) * share);
        let (packages, exponent) = key(client);
        let sum = self.known(Sum::ReleasesOfChanged(packages, exponent, gap), || {
            self.over_dependencies(client, both)
        });
        sum / self.released_dependencies(client, gap).max(1e-12)
    }

    /// Releases of a project that changes in so many publishes, on average.
    pub(crate) fn releases_of_changed(&self, publishes: f64) -> f64 {
        let [released, new, _] = self.events(publishes);
        let chance = |share: f64| -(released * (-share).ln_1p()).exp_m1();
        let changed = self.distinct(released);
        let releases = self.known(Sum::ReleasesOfAllChanged(publishes.to_bits()), || {
            self.tail.sum_of_shares(|w| chance(w) * (1.0 + self.more_releases * w))
        });
        (releases + new) / (changed + new).max(1e-12)
    }

    fn over_dependencies(&self, client: &Client, value: impl Fn(f64) -> f64) -> f64 {
        let (Some(count), Some(exponent)) = (&client.packages, &client.popularity_exponent) else {
            return 0.0;
        };
        let popular = Tail::new(self.scenario.index.projects.value, exponent.value);
        let sum = Sum::Draws(count.value, exponent.value.to_bits());
        let tries = self.known(sum, || popular.draws_for(count.value as f64));
        popular.mean_over_draws(tries, self.tail, value)
    }

    /// Gives how many of a client's packages are of a popularity, and which share of the releases those have.
    pub(crate) fn each_dependency(&self, client: &Client, mut give: impl FnMut(f64, f64)) {
        let (Some(count), Some(exponent)) = (&client.packages, &client.popularity_exponent) else {
            return;
        };
        let popular = Tail::new(self.scenario.index.projects.value, exponent.value);
        let sum = Sum::Draws(count.value, exponent.value.to_bits());
        let tries = self.known(sum, || popular.draws_for(count.value as f64));
        popular.each_drawn(tries, self.tail, &mut give);
    }

    /// Releases of a client's packages in so many publishes.
    pub(crate) fn releases_for(&self, client: &Client, publishes: u64) -> f64 {
        let [released, ..] = self.events(publishes as f64);
        let (mut releases, mut packages) = (0.0, 0.0);
        self.each_dependency(client, |count, share| {
            packages += count;
            releases += count * released * share;
        });
        releases * client.packages.as_ref().map_or(0.0, |count| count.value as f64)
            / f64::max(packages, f64::MIN_POSITIVE)
    }

    /// Pages that a project has.
    pub(crate) fn pages_each(&self) -> f64 {
        self.has_pages
    }

    /// Which part of a client's packages was released in the last publishes.
    pub(crate) fn released_dependencies(&self, client: &Client, gap: u64) -> f64 {
        let [released, ..] = self.events(gap as f64);
        let (packages, exponent) = key(client);
        self.known(Sum::Released(packages, exponent, gap), || {
            self.over_dependencies(client, |share| -(released * (-share).ln_1p()).exp_m1())
        })
    }

    /// How often a project of this share was written by the publish `to` since `from`, the first writing not counted:
    /// at most once a publish.
    pub(crate) fn project_writes(&self, share: f64, from: u64, to: u64) -> Count {
        let [released, _, removed] = self.events(1.0);
        let fixed = self.resigned(from, to);
        let mean = released * share + removed / self.projects;
        Count { fixed, trials: (to - from) as f64 - fixed, chance: -(-mean).exp_m1() }
    }

    /// The mean digits of the version of a project's role.
    pub(crate) fn project_version_digits(&self, publish: u64) -> f64 {
        self.known(Sum::Digits(publish), || {
            let mut sum = 0.0;
            self.tail.each_share(|projects, share| {
                let writes = self.project_writes(share, 0, publish);
                sum += projects * writes.mean_digits_of_version();
            });
            sum / self.projects
        })
    }

    /// The bytes that tell how often each project's role was written between two publishes.
    pub(crate) fn project_versions_entropy(&self, from: u64, to: u64) -> f64 {
        self.known(Sum::Entropy(from, to), || self.entropy_of_project_versions(from, to))
    }

    fn entropy_of_project_versions(&self, from: u64, to: u64) -> f64 {
        let mut chances: BTreeMap<u64, f64> = BTreeMap::new();
        self.tail.each_share(|projects, share| {
            for (count, chance) in self.project_writes(share, from, to).likely() {
                *chances.entry(count).or_default() += projects * chance;
            }
        });
        let all: f64 = chances.values().sum();
        chances.values().map(|n| n * (all / n.max(1e-300)).log2()).sum::<f64>() / 8.0
    }
}

/// What tells the packages of a client from those of others: how many, and how they follow popularity.
fn key(client: &Client) -> (u64, u64) {
    let packages = client.packages.as_ref().map_or(0, |packages| packages.value);
    (packages, client.popularity_exponent.as_ref().map_or(0, |e| e.value.to_bits()))
}

/// How many values stand for a count.
const LIKELY: usize = 24;

impl Count {
    /// The likely values, each with its chance: at most 32 of them.
    pub(crate) fn likely(self) -> Vec<(u64, f64)> {
        let (count, fixed) = (self, round(self.fixed));
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
}
