//! Index models: TOML files in which each figure stands with its source.
//!
//! ```
//! let scenario = tufold_growth::Scenario::load("pypi-pep458")?;
//! assert_eq!(scenario.index.targets.value, 2_273_539);
//! assert!(scenario.index.targets.source.contains("PEP 458"));
//! # Ok::<(), tufold_growth::Error>(())
//! ```

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Error;
use crate::shape::Template;

mod bundled;
pub use bundled::names;

/// Seconds of a day.
pub const DAY_S: u64 = 86_400;

/// A figure and where it comes from. A source that begins with `assumed` is none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Figure<T> {
    /// The figure, in the unit that its key ends in.
    pub value: T,
    /// Where it comes from.
    pub source: String,
}

/// An index, how it grows, and who visits it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, which is that of its file.
    pub name: String,
    /// What it stands for, in one line.
    pub title: String,
    /// What is listed.
    pub index: Index,
    /// How targets are called.
    pub paths: Paths,
    /// How often something is published, and what.
    pub publish: Publishing,
    /// What is signed again, and when.
    pub expiry: Expiry,
    /// Who visits.
    pub client: Vec<Client>,
    /// The experiment that is small enough to run.
    pub replay: Replay,
}

/// What is listed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Targets today.
    pub targets: Figure<u64>,
    /// Projects today.
    pub projects: Figure<u64>,
    /// In which time the number of targets doubles.
    pub doubling_time_days: Figure<f64>,
    /// The average file that a client downloads.
    pub average_download_bytes: Figure<u64>,
}

/// How targets are called. In a template stand `{name}`, `{stem}` (the name with `_` for `-`), `{initial}`, `{version}` and
/// `{hexN}` for N random hex digits.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// The files of a release.
    pub files: Figure<Vec<Template>>,
    /// The target that each project has once and that each of its releases changes, if there is one.
    pub page: Option<Figure<Template>>,
}

/// How often something is published, and what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Publishing {
    /// Time from one publish to the next.
    pub interval_s: Figure<u64>,
    /// Releases, new projects' first ones and removals included.
    pub releases_per_day: Figure<f64>,
    /// Releases and files fall on projects by rank to the power of minus this; a multiple of a quarter.
    pub tail_exponent: Figure<f64>,
    /// The part of them that is the first release of a new project.
    pub new_project_share: Figure<f64>,
    /// The part of them that takes an old release away.
    pub removal_share: Figure<f64>,
}

/// What is signed again, and when.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// Every delegated role is signed again each time so much time has passed.
    pub resign_bins_every_s: Figure<u64>,
}

/// What a client is like.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// It holds nothing but the root: a CI job.
    Cold,
    /// It was here before, for the same packages: a developer back after a gap.
    Returning,
    /// It holds all metadata, and wants all of it.
    Mirror,
}

/// Clients of one kind.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What they are called in tables.
    pub name: String,
    /// What they hold.
    pub kind: ClientKind,
    /// How long ago the last visit was. A cold client has none.
    pub gap_s: Option<Figure<u64>>,
    /// How many packages it resolves. A mirror resolves none.
    pub packages: Option<Figure<u64>>,
    /// Packages are chosen by rank to the power of minus this; a multiple of a quarter.
    pub popularity_exponent: Option<Figure<f64>>,
    /// Visits of all such clients in a day.
    pub visits_per_day: Figure<f64>,
}

/// The experiment that is small enough to run: some publishes, further apart than in life.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Time from one publish to the next.
    pub interval_s: Figure<u64>,
    /// How many.
    pub publishes: Figure<u64>,
}

impl Scenario {
    /// The scenario in the file `name`, or the one of this name that comes with tufold.
    pub fn load(name: &str) -> Result<Self, Error> {
        if let Some(text) = bundled::text(name) {
            return Self::parse(&format!("datasets/scenarios/{name}.toml"), text);
        }
        let path = Path::new(name);
        if !path.exists() {
            let known = names().collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownScenario { name: name.to_owned(), known });
        }
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(name, &text)
    }

    /// Reads a scenario. `file` is what errors call it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let scenario: Self = toml::from_str(text).map_err(|error| Error::Form {
            file: file.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })?;
        scenario.check(file, text)?;
        Ok(scenario)
    }

    fn check(&self, file: &str, text: &str) -> Result<(), Error> {
        let check = |is_good: bool, key: &str, value: &dyn fmt::Display, expected| match is_good {
            true => Ok(()),
            false => Err(Error::Value {
                file: file.to_owned(),
                line: line_of(text, key),
                key: key.to_owned(),
                value: value.to_string(),
                expected,
            }),
        };
        let share = |key: &str, figure: &Figure<f64>| {
            check((0.0..=1.0).contains(&figure.value), key, &figure.value, "a number from 0 to 1")
        };
        let above_0 = |key: &str, value: f64| {
            check(value.is_finite() && value > 0.0, key, &value, "a number above 0")
        };
        let quarters = |key: &str, figure: &Figure<f64>| {
            let good = (0.0..=3.0).contains(&figure.value) && (figure.value * 4.0).fract() == 0.0;
            check(good, key, &figure.value, "a multiple of 0.25 from 0 to 3")
        };
        let Self { index, paths, publish, .. } = self;
        let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        check(self.name == stem, "name", &self.name, "the name of the file without .toml")?;
        check(!paths.files.value.is_empty(), "paths.files", &"[]", "one template or more")?;
        let (targets, projects) = (index.targets.value, index.projects.value);
        let fewest = projects.saturating_mul(self.targets_of_first_release());
        check(
            (1..=1 << 44).contains(&targets) && targets >= fewest,
            "index.targets",
            &targets,
            "a number up to 2^44 that gives each project its first release",
        )?;
        check(projects > 0, "index.projects", &projects, "1 or more")?;
        above_0("index.doubling_time_days", index.doubling_time_days.value)?;
        above_0("index.average_download_bytes", index.average_download_bytes.value as f64)?;
        above_0("publish.interval_s", publish.interval_s.value as f64)?;
        above_0("publish.releases_per_day", publish.releases_per_day.value)?;
        quarters("publish.tail_exponent", &publish.tail_exponent)?;
        share("publish.new_project_share", &publish.new_project_share)?;
        share("publish.removal_share", &publish.removal_share)?;
        let sum = publish.new_project_share.value + publish.removal_share.value;
        check(sum <= 1.0, "publish.removal_share", &sum, "at most 1 with new_project_share")?;
        above_0("expiry.resign_bins_every_s", self.expiry.resign_bins_every_s.value as f64)?;
        above_0("replay.interval_s", self.replay.interval_s.value as f64)?;
        check(
            (1..=10_000).contains(&self.replay.publishes.value),
            "replay.publishes",
            &self.replay.publishes.value,
            "a number from 1 to 10000",
        )?;
        for client in &self.client {
            let key = |field: &str| format!("client.{}.{field}", client.name);
            let (has_gap, has_packages) = (client.gap_s.is_some(), client.packages.is_some());
            let cold = client.kind == ClientKind::Cold;
            let mirror = client.kind == ClientKind::Mirror;
            check(has_gap != cold, &key("gap_s"), &has_gap, "there, except for cold clients")?;
            let needs_packages =
                has_packages != mirror && client.popularity_exponent.is_some() != mirror;
            check(
                needs_packages,
                &key("packages"),
                &has_packages,
                "there with popularity_exponent, except for mirrors",
            )?;
            if let Some(exponent) = &client.popularity_exponent {
                quarters(&key("popularity_exponent"), exponent)?;
            }
            if let Some(packages) = &client.packages {
                let expected = "from 1 to the number of projects";
                let good = (1..=projects).contains(&packages.value);
                check(good, &key("packages"), &packages.value, expected)?;
            }
            let visits = client.visits_per_day.value;
            let expected = "0 or more";
            check(visits.is_finite() && visits >= 0.0, &key("visits_per_day"), &visits, expected)?;
        }
        Ok(())
    }

    /// How many targets the first release of a project adds.
    pub fn targets_of_first_release(&self) -> u64 {
        self.paths.files.value.len() as u64 + u64::from(self.paths.page.is_some())
    }

    /// The same index with `targets` targets: projects and releases grow along, and so do clients.
    #[must_use]
    pub fn scaled(&self, targets: u64) -> Self {
        let mut scaled = self.clone();
        let factor = targets as f64 / self.index.targets.value as f64;
        let projects = crate::math::round(self.index.projects.value as f64 * factor);
        let most_packages = self.client.iter().filter_map(|client| client.packages.as_ref());
        let fewest = most_packages.map(|packages| packages.value).max().unwrap_or(1).max(1);
        scaled.index.targets.value = targets;
        scaled.index.projects.value = projects.max(fewest);
        scaled.publish.releases_per_day.value *= factor;
        for client in &mut scaled.client {
            client.visits_per_day.value *= factor;
        }
        scaled
    }

    /// Every figure: its key, its value, and where it comes from.
    pub fn figures(&self) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        let value = serde_json::to_value(self).unwrap_or_default();
        collect("", &value, &mut rows);
        rows
    }
}

/// The line of a key in a scenario's text, from 1; of the table that it should be in, if it is not there.
fn line_of(text: &str, key: &str) -> usize {
    fn inside<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        table.iter().find(|(found, _)| found.get_ref() == name).map(|(_, value)| value)
    }
    let place = || {
        let root = DeTable::parse(text).ok()?;
        let (path, field) = key.rsplit_once('.').unwrap_or(("", key));
        let (outer, client) = path.split_once('.').unwrap_or((path, ""));
        let mut found = 0..0;
        let mut table = root.get_ref();
        if !outer.is_empty() {
            let mut value = inside(table, outer)?;
            if let DeValue::Array(clients) = value.get_ref() {
                let is_named = |value: &&Spanned<DeValue<'_>>| {
                    let name = value.get_ref().as_table().and_then(|client| inside(client, "name"));
                    name.and_then(|name| name.get_ref().as_str()) == Some(client)
                };
                value = clients.iter().find(is_named)?;
            }
            found = value.span();
            table = value.get_ref().as_table()?;
        }
        Some(inside(table, field).map_or(found, Spanned::span).start)
    };
    let start = place().unwrap_or(0);
    1 + text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count()
}

/// Finds the figures in a scenario that was turned into JSON.
fn collect(key: &str, value: &serde_json::Value, rows: &mut Vec<[String; 3]>) {
    use serde_json::Value;
    let inside = |name: &str| if key.is_empty() { name.into() } else { format!("{key}.{name}") };
    match value {
        Value::Object(map) => match (map.get("value"), map.get("source")) {
            (Some(value), Some(Value::String(source))) => {
                rows.push([key.to_owned(), value.to_string(), source.clone()]);
            }
            _ => map.iter().for_each(|(name, value)| collect(&inside(name), value, rows)),
        },
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str);
                collect(&inside(name.unwrap_or(&at.to_string())), value, rows);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
