//! Removing old versions that no client can still want.

use serde::Serialize;
use tufold_meta::names::{
    METADATA_FOLDER, meta_name, parse_versioned_file_name, versioned_file_name,
};
use tufold_meta::{Signed, Snapshot, Time, Version};
use tufold_store::Entry;

use crate::error::Error;
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
        let repository = Repository::open(path)?;
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
        let Some(oldest) = before.map(|publish| publish.snapshot) else {
            let oldest_snapshot =
                history.first().map_or(current, |p| p.snapshot.min(current)).get();
            return Ok(PrunePlan { oldest_snapshot, files: 0, bytes: 0, entries: vec![], history });
        };
        let snapshot = self.snapshot(oldest)?;
        let kept = |role: &str| -> Option<Version> {
            match role {
                "root" => None,
                "snapshot" => Some(oldest),
                role => snapshot.meta.get(&meta_name(role)).map(|file| file.version),
            }
        };
        let mut entries = self.repository.public.list(METADATA_FOLDER)?;
        entries.retain(|entry| {
            let name = entry.name.strip_prefix(METADATA_FOLDER).unwrap_or_default();
            parse_versioned_file_name(name)
                .is_some_and(|(version, role)| kept(&role).is_some_and(|oldest| version < oldest))
        });
        Ok(PrunePlan {
            oldest_snapshot: oldest.get(),
            files: entries.len() as u64,
            bytes: entries.iter().map(|entry| entry.len_bytes).sum(),
            entries,
            history: history.into_iter().filter(|publish| publish.snapshot >= oldest).collect(),
        })
    }

    /// Removes what was planned. Stopped half-way, the next prune removes the rest.
    pub fn commit(&self, plan: &PrunePlan, progress: Progress<'_>) -> Result<(), Error> {
        progress(Event::Start(Stage::Remove, plan.entries.len() as u64));
        // First, so that no later prune, with a longer window, looks for a snapshot that is gone.
        self.repository.private.set_history(&plan.history)?;
        for entry in &plan.entries {
            self.repository.public.remove(&entry.name)?;
            progress(Event::Advance(1));
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
        let root = &self.state.root;
        let signed = Signed::<Snapshot>::parse(bytes).map_err(|e| Error::damaged(&file, e))?;
        let verified = signed.verify(&root.keys, &root.roles["snapshot"]);
        Ok(verified.map_err(|error| Error::damaged(&file, error))?.into_payload())
    }
}
