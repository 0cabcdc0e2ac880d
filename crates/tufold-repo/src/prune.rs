//! Removing old versions that no client can still want.

use std::collections::BTreeSet;

use serde::Serialize;
use tufold_meta::names::{
    METADATA_FOLDER, meta_name, parse_versioned_file_name, versioned_file_name,
};
use tufold_meta::{Signed, Snapshot, Time, Version};
use tufold_store::{Entry, Store};

use crate::bases::Bases;
use crate::deltas;
use crate::error::Error;
use crate::layout::BINS;
use crate::private::Publish;
use crate::progress::{Event, Progress, Stage};
use crate::repository::{Repository, State, read};
use crate::settings::Lifetime;

/// What a prune removes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PrunePlan {
    /// The oldest snapshot that is kept, and with it every file that it lists.
    pub oldest_snapshot: u64,
    /// How many files are removed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    entries: Vec<Entry>,
    /// Packed bases that go.
    #[serde(skip)]
    packed: Vec<Entry>,
    /// Old versions that stay as bases of deltas.
    #[serde(skip)]
    bases: BTreeSet<(String, Version)>,
    #[serde(skip)]
    history: Vec<Publish>,
}

/// The writer of a repository that is to be pruned.
pub struct Pruner {
    repository: Repository,
    state: State,
    _lock: tufold_store::Lock,
}

impl Pruner {
    /// Opens the repository in the folder `path` for writing; an error if somebody else has it.
    pub fn open(path: &std::path::Path) -> Result<Self, Error> {
        Self::of(Repository::open(path)?)
    }

    /// Takes the repository for writing; an error if somebody else has it.
    pub fn of(repository: Repository) -> Result<Self, Error> {
        let lock = repository.private.lock()?;
        let state = repository.state()?;
        Ok(Self { repository, state, _lock: lock })
    }

    /// Decides what goes: every file but roots whose version is older than what the oldest kept
    /// snapshot lists. A snapshot is kept while it was the current one at any moment of the last
    /// `keep`. Versions never fall, so what that snapshot lists bounds all later ones from below.
    ///
    /// Files that an interrupted publish left are newer than what is current and stay: their names
    /// are spent, and a file is what tells the next publish so.
    pub fn plan(&self, keep: Lifetime, now: Time) -> Result<PrunePlan, Error> {
        let current = self.state.snapshot.version;
        let history = self.repository.private.history()?;
        let horizon = now.minus_seconds(keep.seconds());
        // The last publish before the horizon was still current at it. Where the clock went back,
        // the order of the lines counts.
        let known = history.iter().filter(|publish| publish.snapshot <= current);
        let before = known.take_while(|publish| publish.time <= horizon).last();
        let oldest = before.map(|publish| publish.snapshot);
        let mut plan = PrunePlan {
            oldest_snapshot: oldest
                .unwrap_or_else(|| history.first().map_or(current, |p| p.snapshot.min(current)))
                .get(),
            files: 0,
            bytes: 0,
            entries: Vec::new(),
            packed: Vec::new(),
            bases: self.bases_to_keep()?,
            history,
        };
        if let Some(oldest) = oldest {
            plan.entries = self.older_files(oldest)?;
            plan.history.retain(|publish| publish.snapshot >= oldest);
        }
        let public = &*self.repository.public;
        let ladder = self.repository.settings.ladder;
        let (_, first_version) = self.repository.published_layout(&self.state)?;
        let changes = deltas::BinChanges::of(&self.state, first_version, ladder);
        let unused = deltas::unused(public, ladder, &changes, |role| self.current(role))?;
        plan.entries.extend(unused);
        plan.packed = self
            .bases()
            .unused(|role, version| plan.bases.contains(&(role.to_owned(), version)))?;
        let all = || plan.entries.iter().chain(&plan.packed);
        plan.files = all().count() as u64;
        plan.bytes = all().map(|entry| entry.len_bytes).sum();
        Ok(plan)
    }

    /// The metadata files that are older than what this snapshot lists.
    fn older_files(&self, oldest: Version) -> Result<Vec<Entry>, Error> {
        let snapshot = self.snapshot(oldest)?;
        // Bins that came later are newer than all of it, so what is no newer, and listed by no one, was let go before. Before
        // the bins changed for the first time, it is what a publish left that did not end.
        let (_, first_version) = self.repository.published_layout(&self.state)?;
        let newest = snapshot.meta.iter().filter(|(name, _)| *name != "targets.json");
        let newest = newest.map(|(_, file)| file.version.next()).max();
        let let_go = newest.map(|newest| newest.min(first_version));
        let kept = |role: &str| -> Option<Version> {
            match role {
                "root" => None,
                "snapshot" => Some(oldest),
                role => {
                    let listed = snapshot.meta.get(&meta_name(role)).map(|file| file.version);
                    match (listed, self.current(role)) {
                        // What is current stays, whatever somebody with a withdrawn key has listed.
                        (Some(listed), Some(current)) => Some(listed.min(current)),
                        (None, None) => let_go,
                        _ => None,
                    }
                }
            }
        };
        let mut entries = self.repository.public.list(METADATA_FOLDER)?;
        entries.retain(|entry| {
            parse_metadata_name(&entry.name)
                .is_some_and(|(version, role)| kept(&role).is_some_and(|oldest| version < oldest))
        });
        Ok(entries)
    }

    fn bases(&self) -> Bases<'_> {
        Bases::new(&*self.repository.public, self.repository.private.store())
    }

    /// The current version of the snapshot or of a targets role.
    fn current(&self, role: &str) -> Option<Version> {
        match role {
            "snapshot" => Some(self.state.snapshot.version),
            role => self.state.snapshot.meta.get(&meta_name(role)).map(|file| file.version),
        }
    }

    /// The old versions that deltas of later publishes start from: of each role by its own versions, and what the
    /// snapshots list that later bundles start from.
    fn bases_to_keep(&self) -> Result<BTreeSet<(String, Version)>, Error> {
        let mut kept = BTreeSet::new();
        let Some(ladder) = self.repository.settings.ladder else { return Ok(kept) };
        let (_, first_version) = self.repository.published_layout(&self.state)?;
        let wanted = |newest: Version| {
            let first = newest.get().saturating_sub(ladder.horizon()).max(1);
            let all = (first..=newest.get()).filter(move |&v| ladder.wants(v, newest.get()));
            all.filter_map(Version::new)
        };
        let roles = self.state.snapshot.meta.iter();
        for (name, file) in roles {
            let role = name.strip_suffix(".json").unwrap_or(name);
            let delegates = role == "targets" || role == BINS;
            let first = if delegates { Version::FIRST } else { first_version };
            let wanted = wanted(file.version).filter(|version| *version >= first);
            kept.extend(wanted.map(|version| (role.to_owned(), version)));
        }
        for version in wanted(self.state.snapshot.version) {
            kept.insert(("snapshot".to_owned(), version));
            let Some(file) = self.bases().start("snapshot", version)? else { continue };
            let signed = Signed::<Snapshot>::parse(file).map_err(|error| {
                Error::damaged(&versioned_file_name("snapshot", version), error)
            })?;
            // One that no root vouches for is no base; its entries stay or go with their roles.
            let Ok(snapshot) = self.state.verify_old_snapshot(&signed) else { continue };
            kept.extend(snapshot.meta.iter().map(|(name, file)| {
                (name.strip_suffix(".json").unwrap_or(name).to_owned(), file.version)
            }));
        }
        Ok(kept)
    }

    /// Removes what was planned. Stopped half-way, the next prune removes the rest.
    pub fn commit(&self, plan: &PrunePlan, progress: Progress<'_>) -> Result<(), Error> {
        progress(Event::Start(Stage::Remove, plan.entries.len() as u64));
        // First, so that no later prune, with a longer window, looks for a snapshot that is gone.
        self.repository.private.set_history(&plan.history)?;
        let bases = self.bases();
        for (version, role) in plan.entries.iter().filter_map(|e| parse_metadata_name(&e.name)) {
            let base = (role, version);
            if plan.bases.contains(&base) {
                bases.pack(&base.0, version)?;
            }
        }
        // What was packed is durable before the public file goes.
        self.repository.private.store().sync()?;
        for entry in &plan.entries {
            self.repository.public.remove(&entry.name)?;
            progress(Event::Advance(1));
        }
        for entry in &plan.packed {
            self.repository.private.store().remove(&entry.name)?;
        }
        progress(Event::Finish);
        Ok(())
    }

    fn snapshot(&self, version: Version) -> Result<Snapshot, Error> {
        if version == self.state.snapshot.version {
            return Ok(Snapshot::clone(&self.state.snapshot));
        }
        let file = versioned_file_name("snapshot", version);
        let bytes = read(&*self.repository.public, &file)?
            .ok_or_else(|| Error::damaged(&file, "is missing"))?;
        let signed = Signed::<Snapshot>::parse(bytes).map_err(|e| Error::damaged(&file, e))?;
        let verified = self.state.verify_old_snapshot(&signed);
        Ok(verified.map_err(|error| Error::damaged(&file, error))?.into_payload())
    }
}

fn parse_metadata_name(name: &str) -> Option<(Version, String)> {
    parse_versioned_file_name(name.strip_prefix(METADATA_FOLDER)?)
}
