//! Changes to a repository, and signing again what expires.

mod roles;

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::AtomicU64;

use rayon::prelude::*;
use tufold_delta::Ladder;
use tufold_meta::names::Advertised;
use tufold_meta::{Root, Time, Version};

use crate::bases::Bases;
use crate::commit::{Committer, Published, advertisement};
use crate::deltas::{DeltaWriter, WrittenFiles};
use crate::digests::Digests;
use crate::error::Error;
use crate::keyring::Keyring;
use crate::memory::Memory;
use crate::plan::{Plan, TimestampPlan, Waiting, next_snapshot};
use crate::private::Publish;
use crate::progress::{Event, Progress, Stage};
use crate::repository::{Repository, State};
use crate::settings::RoleKind;
use crate::targets::{ChangeList, Intake, TargetList};

use roles::{Content, Work};
pub(crate) use roles::{apply, edit};

/// What a publish is given.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: only what is near its expiry is signed again.
    #[default]
    Nothing,
    /// Changes to apply.
    Changes(ChangeList),
    /// The whole new list, which is compared with what is published.
    Targets(TargetList),
    /// The same, read within bounded memory.
    Intake(Intake),
}

/// What is signed again whether it is near its expiry or not.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Refresh {
    /// Every document except the root.
    All,
    /// Every delegated role (PEP 458 does so daily).
    Bins,
    /// The snapshot.
    Snapshot,
    /// The timestamp.
    Timestamp,
    /// One targets role.
    Role(String),
}

impl FromStr for Refresh {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "all" => Self::All,
            "bins" => Self::Bins,
            "snapshot" => Self::Snapshot,
            "timestamp" => Self::Timestamp,
            "root" => return Err("a root is not signed again: it takes a rotation".to_owned()),
            role => Self::Role(role.to_owned()),
        })
    }
}

/// The one writer of a repository.
pub struct Publisher {
    pub(crate) repository: Repository,
    pub(crate) state: State,
    pub(crate) keyring: Keyring,
    /// The version that the bins started at: no delta of theirs leads over it.
    pub(crate) first_version: Version,
    memory: Memory,
    lock: tufold_store::Lock,
}

impl Publisher {
    /// Opens the repository in the folder `path` for writing; an error if somebody else has it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(Repository::open(path)?)
    }

    /// The writer of a repository; an error if somebody else is.
    pub fn of(mut repository: Repository) -> Result<Self, Error> {
        let lock = repository.private.lock()?;
        let private = &repository.private;
        let (state, digests) = rayon::join(|| repository.state(), || private.digests());
        let mut state = state?;
        state.digests = digests;
        let (layout, first_version) = repository.published_layout(&state)?;
        repository.settings.layout = layout;
        if let Some(problem) = state.disagreement(&repository.settings.layout) {
            return Err(repository.private.bad_settings(problem));
        }
        let keyring = repository.private.keyring()?;
        let memory = Memory::default();
        Ok(Self { repository, state, keyring, first_version, memory, lock })
    }

    /// Which deltas this publish and later ones write.
    pub fn set_ladder(&mut self, ladder: Option<Ladder>) {
        self.repository.settings.ladder = ladder;
    }

    /// How much memory a publish may take, beside what its input takes already; one GiB unless this is called.
    pub fn set_memory(&mut self, memory: Memory) {
        self.memory = memory;
    }

    /// Decides what a publish at `now` writes.
    pub fn plan(
        &self,
        input: Input,
        refresh: &BTreeSet<Refresh>,
        now: Time,
        progress: Progress<'_>,
    ) -> Result<Plan, Error> {
        let lifetimes = self.repository.settings.lifetimes;
        let all = refresh.contains(&Refresh::All);
        let idle = matches!(input, Input::Nothing);
        let waiting = self.waiting(now)?;
        let sweep_due = self.repository.private.sweep_due()?;
        let sweep = idle || sweep_due.is_none_or(|due| due <= now);

        let mut work = self.work(input)?;
        self.add_refreshes(refresh, &mut work)?;
        if sweep {
            for role in self.every_role() {
                work.entry(role).or_insert(Work::new(Content::Same));
            }
        }
        progress(Event::Start(Stage::Compare, work.len() as u64));
        let held_bytes = AtomicU64::new(0);
        let copies = !idle || !refresh.is_empty();
        let (planned, snapshot) = rayon::join(
            || {
                let planned = work.into_par_iter().map(|(role, work)| {
                    let planned = self.plan_role(role, work, now, &held_bytes)?;
                    progress(Event::Advance(1));
                    Ok(planned)
                });
                planned.collect::<Result<Vec<_>, Error>>()
            },
            // Its many entries take a while to copy.
            || copies.then(|| next_snapshot(&self.state.snapshot, &lifetimes, now)),
        );
        let planned = planned?;
        let soonest = planned.iter().map(|planned| planned.due_at).min();
        let next_sweep = if sweep {
            // Not at every publish, though some bin is always the next one due.
            let shortest = lifetimes.bins.min(lifetimes.targets).seconds();
            Some(soonest.unwrap_or(now).max(now.plus_seconds(shortest / 16)))
        } else {
            // What is written now is due earlier than the rest if lifetimes were cut, or the clock
            // was ahead.
            soonest.filter(|soonest| sweep_due.is_some_and(|due| *soonest < due))
        };
        let mut roles: Vec<_> = planned.into_iter().filter_map(|planned| planned.plan).collect();
        self.delegate_projects(&mut roles, now);

        let due = |kind, expires| lifetimes.is_due(kind, expires, now);
        let old = &self.state.snapshot;
        let new_snapshot = !roles.is_empty()
            || all
            || refresh.contains(&Refresh::Snapshot)
            || due(RoleKind::Snapshot, old.expires);
        let ladder = self.repository.settings.ladder.map(advertisement).transpose()?;
        let advertised = Advertised::read(&self.state.timestamp.extra);
        let new_timestamp = refresh.contains(&Refresh::Timestamp)
            || advertised != ladder
            || due(RoleKind::Timestamp, self.state.timestamp.expires);
        let timestamp = &self.state.timestamp;
        Ok(Plan {
            now,
            lifetimes,
            root: None,
            roles,
            snapshot: new_snapshot
                .then(|| snapshot.unwrap_or_else(|| next_snapshot(old, &lifetimes, now))),
            timestamp: TimestampPlan {
                version: timestamp.version.next(),
                snapshot: (!new_snapshot && new_timestamp).then(|| timestamp.snapshot.clone()),
                unknown: timestamp.extra.clone(),
                other_meta: timestamp.other_meta.clone(),
            },
            next_sweep,
            regrouping: None,
            waiting,
        })
    }

    /// The documents that are due to be signed again but that a publish cannot, or does not, sign;
    /// an error if that can no longer wait.
    fn waiting(&self, now: Time) -> Result<Vec<Waiting>, Error> {
        let lifetimes = &self.repository.settings.lifetimes;
        let repository = self.repository.private.repository_path();
        let mut waiting = Vec::new();
        for (role, expires) in [
            (RoleKind::Root, self.state.root.expires),
            (RoleKind::Targets, self.state.targets.expires),
        ] {
            let held = self.keyring.reaches(&self.state.root.roles[role.name()]);
            // A publish signs targets that it can sign, and no root.
            if !lifetimes.is_due(role, expires, now) || (held && role == RoleKind::Targets) {
                continue;
            }
            let export = if held { "" } else { " --export DIR" };
            let command =
                format!("tufold rotate {} --role {role} --keep-keys{export}", repository.display());
            if !held && lifetimes.is_urgent(role, expires, now) {
                return Err(Error::Offline { role: role.to_string(), expires, command });
            }
            waiting.push(Waiting { role, expires, command });
        }
        Ok(waiting)
    }

    /// Writes a plan; an empty one writes nothing that is published.
    pub fn commit(self, plan: Plan, progress: Progress<'_>) -> Result<Published, Error> {
        self.write(plan, None, progress)
    }

    /// Writes a plan; what the root signs for is signed by the keys of the next root as well.
    pub(crate) fn write(
        &self,
        plan: Plan,
        next_root: Option<&Root>,
        progress: Progress<'_>,
    ) -> Result<Published, Error> {
        let private = &self.repository.private;
        let (now, next_sweep) = (plan.now, plan.next_sweep);
        // A history that cannot be added to must be found before anything is published.
        private.mend_history()?;
        let public = &*self.repository.public;
        let mut committer = self.committer(public, progress);
        committer.next_root = next_root;
        let ladder = self.repository.settings.ladder;
        committer.deltas = ladder.map(|ladder| {
            let bases = Bases::new(public, private.store());
            DeltaWriter::new(public, bases, ladder, self.first_version, self.memory)
        });
        let regrouped = plan.regrouping.is_some();
        // What a killed writer left is gone before anything of the kind is written.
        let published = committer.commit_beside(plan, || match self.lock.was_left() {
            true => self.repository.remove_temporary().map(|()| self.lock.set_cleared()),
            false => Ok(()),
        })?;
        if private.settings()? != self.repository.settings {
            private.set_settings(&self.repository.settings)?;
        }
        if published.summary.snapshot_version.is_some() {
            private.append_history(Publish { snapshot: published.snapshot()?, time: now })?;
        }
        if let Some(time) = next_sweep {
            private.set_sweep_due(time)?;
        }
        if let Some(noted) = committer.into_noted().filter(|noted| !noted.is_empty()) {
            // What was regrouped has other names.
            let none = Digests::default();
            let old = if regrouped { &none } else { &self.state.digests };
            private.set_digests(&old.with(&noted))?;
        }
        Ok(published)
    }

    /// Does everything but write, and says what would be written.
    pub fn rehearse(&self, plan: Plan, progress: Progress<'_>) -> Result<Published, Error> {
        let store = crate::rehearsal::Discard { store: Some(&*self.repository.public) };
        self.committer(&store, progress).commit(plan)
    }

    /// As [`Publisher::rehearse`], for bins that start at this version, deltas included.
    pub(crate) fn rehearse_bins(
        &self,
        plan: Plan,
        first_version: Version,
        progress: Progress<'_>,
    ) -> Result<Published, Error> {
        let public = &*self.repository.public;
        let store = crate::rehearsal::Discard { store: Some(public) };
        let mut committer = self.committer(&store, progress);
        committer.deltas = self.repository.settings.ladder.map(|ladder| {
            let bases = Bases::new(public, self.repository.private.store());
            let mut deltas = DeltaWriter::new(&store, bases, ladder, first_version, self.memory);
            deltas.written = WrittenFiles::Gone;
            deltas
        });
        committer.commit(plan)
    }

    fn committer<'c>(
        &'c self,
        store: &'c dyn tufold_store::Store,
        progress: Progress<'c>,
    ) -> Committer<'c> {
        Committer {
            store,
            keyring: &self.keyring,
            root: &self.state.root,
            next_root: None,
            form: self.repository.settings.layout.snapshot,
            ladder: self.repository.settings.ladder,
            deltas: None,
            published: Some(&self.state),
            noted: Committer::notes(self.repository.settings.layout.delegation),
            memory: self.memory,
            progress,
        }
    }
}
