//! Repositories in temporary folders, made and changed through the library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tufold_delta::Ladder;
use tufold_meta::{Digest, TargetFile, TargetPath, Time};
use tufold_repo::check::{Report, Strictness, check};
use tufold_repo::layout::{Delegation, Layout};
use tufold_repo::settings::{Lifetime, Lifetimes, RoleKind, Settings, parse_ladder};
use tufold_repo::targets::{Change, ChangeList, Target, TargetList};
use tufold_repo::{
    Error, Input, KeyRequest, NewRepository, PrunePlan, Pruner, Published, Publisher, Refresh,
    Repository,
};

use crate::{project_dir, scratch};

/// When the repositories of the tests are made.
pub const NOW: &str = "2026-11-22T00:00:00Z";

/// Every delegation form with each snapshot form.
pub const ALL_LAYOUTS: [&str; 10] = [
    "flat versions",
    "flat hashes",
    "projects-listed versions",
    "projects-listed hashes",
    "projects-wildcard versions",
    "projects-wildcard hashes",
    "bins-prefixes:4 versions",
    "bins-prefixes:4 hashes",
    "bins-succinct:4 versions",
    "bins-succinct:4 hashes",
];

/// A repository in a temporary folder.
pub struct TestRepo {
    dir: TempDir,
    settings: Settings,
    keys: KeyRequest,
}

impl TestRepo {
    /// What is to be a repository of this layout, with the fixed test keys; nothing is made yet.
    pub fn planned(text: &str) -> Self {
        Self {
            dir: scratch(),
            settings: Settings {
                layout: layout(text),
                lifetimes: Lifetimes::default(),
                ladder: None,
                signers: Default::default(),
            },
            keys: KeyRequest {
                folder: Some(project_dir().join("tests/golden/keys")),
                ..KeyRequest::default()
            },
        }
    }

    /// A repository of this layout with these targets.
    pub fn init(layout: &str, targets: TargetList) -> Self {
        let repo = Self::planned(layout);
        repo.try_init(targets).expect("an init");
        repo
    }

    /// Gives a kind of role another lifetime.
    #[must_use]
    pub fn lifetime(mut self, kind: RoleKind, lifetime: &str) -> Self {
        self.settings.lifetimes.set(kind, parse_lifetime(lifetime));
        self
    }

    /// Lets nothing expire for a century: readers from outside go by the clock on the wall.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        for kind in RoleKind::ALL {
            self = self.lifetime(kind, "36500d");
        }
        self
    }

    /// Asks for deltas.
    #[must_use]
    pub fn ladder(mut self, ladder: Option<Ladder>) -> Self {
        self.settings.ladder = ladder;
        self
    }

    /// Asks for other keys than the fixed ones.
    #[must_use]
    pub fn keys(mut self, keys: KeyRequest) -> Self {
        self.keys = keys;
        self
    }

    /// Begins to make the repository.
    pub fn prepare(&self) -> Result<NewRepository, Error> {
        NewRepository::prepare(&self.path(), self.settings.clone(), &self.keys, after("0s"))
    }

    /// Makes the repository.
    pub fn try_init(&self, targets: TargetList) -> Result<Published, Error> {
        let new = self.prepare()?;
        let plan = new.plan(targets)?;
        new.commit(plan, &|_| ())
    }

    /// Publishes at the time `now`.
    pub fn try_publish(
        &self,
        input: Input,
        refresh: &[&str],
        now: Time,
    ) -> Result<Published, Error> {
        let publisher = Publisher::open(&self.path())?;
        let refresh: BTreeSet<Refresh> =
            refresh.iter().map(|role| role.parse().expect("a role to refresh")).collect();
        let plan = publisher.plan(input, &refresh, now, &|_| ())?;
        publisher.commit(plan, &|_| ())
    }

    /// Publishes with another ladder, or `off`, from now on.
    pub fn publish_with_ladder(&self, ladder: &str, input: Input, now: Time) -> Published {
        let mut publisher = Publisher::open(&self.path()).expect("a repository");
        publisher.set_ladder(parse_ladder(ladder).expect("a ladder"));
        let plan = publisher.plan(input, &BTreeSet::new(), now, &|_| ()).expect("a plan");
        publisher.commit(plan, &|_| ()).expect("a publish")
    }

    /// Publishes, which must work.
    pub fn publish(&self, input: Input, refresh: &[&str], now: Time) -> Published {
        self.try_publish(input, refresh, now).expect("a publish")
    }

    /// Checks the repository.
    pub fn check(&self, now: Time, strictness: Strictness) -> Report {
        let repository = Repository::open(&self.path()).expect("a repository");
        check(&repository, now, strictness, &|_| ()).expect("a report")
    }

    /// The findings of a check, a line each: `fault FILE MESSAGE` or `note …`.
    pub fn findings(&self, now: Time) -> Vec<String> {
        let report = self.check(now, Strictness::Usual);
        let findings = report.findings.into_iter();
        findings
            .map(|f| {
                format!("{:?} {} {}", f.severity, f.file, f.message)
                    .replacen("Fault", "fault", 1)
                    .replacen("Note", "note", 1)
            })
            .collect()
    }

    /// Removes what was not current in the last `keep`.
    pub fn prune(&self, keep: &str, now: Time) -> Result<PrunePlan, Error> {
        let pruner = Pruner::open(&self.path())?;
        let plan = pruner.plan(parse_lifetime(keep), now)?;
        pruner.commit(&plan, &|_| ()).map(|()| plan)
    }

    /// The folder of the repository.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// The folder beside it, for other files.
    pub fn beside(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of the metadata.
    pub fn metadata(&self) -> PathBuf {
        self.path().join("public/metadata")
    }

    /// The folder that is not served.
    pub fn private(&self) -> PathBuf {
        self.path().join("private")
    }

    /// Every metadata file.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        crate::ledger::files(&self.metadata())
    }

    /// The names of all metadata files.
    pub fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }
}

/// A layout, as in `bins-prefixes:16 hashes`.
pub fn layout(text: &str) -> Layout {
    let (form, snapshot) = text.split_once(' ').expect("a form and a snapshot form");
    let (form, bins) = match form.split_once(':') {
        Some((form, bins)) => (form, Some(bins.parse().expect("a number"))),
        None => (form, None),
    };
    Layout {
        delegation: Delegation::from_parts(form, bins).expect("a form"),
        snapshot: snapshot.parse().expect("a snapshot form"),
    }
}

/// So long after [`NOW`], as in `36h`.
pub fn after(time: &str) -> Time {
    let now: Time = NOW.parse().expect("a time");
    if time == "0s" { now } else { now.plus_seconds(parse_lifetime(time).seconds()) }
}

fn parse_lifetime(text: &str) -> Lifetime {
    text.parse().expect("a lifetime")
}

/// The target at `path` whose content is `content`.
pub fn target(path: &str, content: &str) -> Target {
    Target {
        path: TargetPath::new(path).expect("a target path"),
        file: TargetFile::new(content.len() as u64, Digest::of(content.as_bytes())),
    }
}

/// A list of targets, each with its path for content.
pub fn list<'p>(paths: impl IntoIterator<Item = &'p str>) -> TargetList {
    TargetList::from_rows(paths.into_iter().map(|path| target(path, path)).collect())
        .expect("paths that differ")
}

/// The target at `path` takes another content.
pub fn put(path: &str, content: &str) -> Change {
    Change::Put(target(path, content))
}

/// The target at `path` goes.
pub fn remove(path: &str) -> Change {
    Change::Remove(TargetPath::new(path).expect("a target path"))
}

/// Changes as the input of a publish.
pub fn changes(rows: impl IntoIterator<Item = Change>) -> Input {
    let list = ChangeList::from_rows(rows.into_iter().collect()).expect("paths that differ");
    Input::Changes(list)
}
