//! A new repository.

use std::collections::BTreeMap;
use std::path::Path;

use tufold_meta::names::TOP_LEVEL_ROLES;
use tufold_meta::{
    BitLength, DelegatedRole, DelegatedRoles, Delegations, Role, RoleKeys, Root, SPEC_VERSION,
    Selector, Signed, Snapshot, Terminating, Time, Version,
};
use tufold_store::Store;

use crate::bases::Bases;
use crate::commit::{Committer, Published};
use crate::deltas::DeltaWriter;
use crate::digests::Digests;
use crate::error::Error;
use crate::keyring::{KeyPlan, KeyRequest, Keyring};
use crate::layout::{BINS, BinKeys, Delegation};
use crate::memory::Memory;
use crate::place::{Place, remove_temporary};
use crate::plan::{Listing, Plan, RolePlan, TimestampPlan};
use crate::private::{Private, Publish};
use crate::progress::Progress;
use crate::project::Project;
use crate::settings::{RoleKind, Settings};
use crate::targets::{Intake, Run, Target};

/// A repository that is about to be made: its keys and its root, nothing written yet.
pub struct NewRepository {
    place: Place,
    settings: Settings,
    keys: KeyPlan,
    root: Root,
    root_bytes: Vec<u8>,
    now: Time,
}

impl NewRepository {
    /// Reads or makes the keys and signs the root. If an init of this folder was interrupted, its
    /// keys and its root are taken up again, as its files may be in a cache already.
    pub fn prepare(
        path: &Path,
        settings: Settings,
        request: &KeyRequest,
        now: Time,
    ) -> Result<Self, Error> {
        Self::prepare_at(Place::folder(path), settings, request, now)
    }

    /// As [`NewRepository::prepare`], at any place.
    pub fn prepare_at(
        place: Place,
        mut settings: Settings,
        request: &KeyRequest,
        now: Time,
    ) -> Result<Self, Error> {
        place.require_unused()?;
        let private = place.private().to_owned();
        let unfinished = match private.is_dir() {
            false => None,
            true => match Private::open(&private)?.root()? {
                Some(root) => Some(root),
                None => {
                    let folder = private.display().to_string();
                    return Err(Error::NotARepository(folder, "root.json".to_owned()));
                }
            },
        };
        let keys = match (&unfinished, &request.folder) {
            (Some(_), None) => {
                let folder = Some(private.join("keys"));
                let request = KeyRequest { folder, counts: BTreeMap::new(), ..request.clone() };
                request.fulfil(&RoleKind::ALL, |_| None)?
            }
            _ => request.fulfil(&RoleKind::ALL, |_| None)?,
        };
        settings.signers = keys.signers().clone();
        let root = first_root(&settings, &keys, now)?;
        let keyring = keys.keyring()?;
        for kind in RoleKind::ALL {
            keyring.require(kind.name(), &keys.public(kind)?.1)?;
        }
        let (root, root_bytes) = match unfinished {
            None => {
                let role = &root.roles["root"];
                let bytes = keyring.sign("root", role, None, &root.to_canonical())?;
                (root, bytes)
            }
            Some(bytes) => {
                let file = "private/root.json";
                let old = Signed::<Root>::parse(bytes)
                    .map_err(|error| Error::damaged(file, error))?
                    .verify_by_itself()
                    .map_err(|error| Error::damaged(file, error))?;
                let same_keys =
                    Keyring::read(&private.join("keys"), keys.signers())?.has_the_keys_of(&keyring);
                if !same_keys || (&old.keys, &old.roles) != (&root.keys, &root.roles) {
                    return Err(Error::Keys(format!(
                        "{} is left of an init with other keys or thresholds; remove the folder \
                         or give the same",
                        private.display()
                    )));
                }
                (Root::clone(&old), old.bytes().to_vec())
            }
        };
        Ok(Self { place, settings, keys, root, root_bytes, now })
    }

    /// Decides every document of the repository. `targets` become its targets: a list, or one that was read within bounded
    /// memory.
    pub fn plan(&self, targets: impl Into<Intake>) -> Result<Plan, Error> {
        let targets = targets.into();
        let Settings { layout, lifetimes, .. } = &self.settings;
        let (keys, role) = self.keys.public(RoleKind::Bins)?;
        let bin_keys = BinKeys { keys, role };
        let first = |role: String, listing| {
            RolePlan::first(role, &bin_keys.role, lifetimes, self.now, listing)
        };
        let mut top = first("targets".to_owned(), Listing::Document);
        top.keys = self.root.roles["targets"].clone();
        top.document.delegations = layout.delegation.top_delegations(&bin_keys);
        let mut roles = match layout.delegation {
            Delegation::Flat => {
                fits_one_document("targets", &targets)?;
                top.counts.added = targets.rows();
                top.listing = Listing::Targets(targets.into_list()?.into_rows());
                Vec::new()
            }
            Delegation::BinsPrefixes(bits) | Delegation::BinsSuccinct(bits) => {
                let runs = bits.bins().zip(sorted_into_bins(bits, targets)?);
                runs.map(|(bin, run)| first(bits.role_name(BINS, bin), Listing::Run(run))).collect()
            }
            Delegation::ProjectsListed | Delegation::ProjectsWildcard => {
                let mut projects: BTreeMap<String, Vec<Target>> = BTreeMap::new();
                fits_one_document("targets", &targets)?;
                let targets = targets.into_list()?;
                if targets.rows().is_empty() {
                    bin_keys.check_without_projects()?;
                }
                for target in targets.into_rows() {
                    let role = Project::of(target.path.as_str()).role_name();
                    projects.entry(role).or_default().push(target);
                }
                if let Some(delegations) = &mut top.document.delegations {
                    for (role, rows) in &projects {
                        let paths = rows.iter().map(|target| target.path.as_str());
                        let selector = project_selector(layout.delegation, paths);
                        delegate(delegations, role, &bin_keys.role, selector);
                    }
                }
                let listed = projects.into_iter();
                listed.map(|(role, rows)| first(role, Listing::Targets(rows))).collect()
            }
        };
        if let Some(delegations) = layout.delegation.bins_delegations(&bin_keys) {
            let mut bins = first(BINS.to_owned(), Listing::Document);
            bins.document.delegations = Some(delegations);
            roles.push(bins);
        }
        roles.push(top);
        Ok(Plan {
            now: self.now,
            lifetimes: *lifetimes,
            root: Some(self.root_bytes.clone()),
            roles,
            snapshot: Some(Snapshot {
                spec_version: SPEC_VERSION.to_owned(),
                version: Version::FIRST,
                expires: lifetimes.expiry(RoleKind::Snapshot, self.now),
                meta: BTreeMap::new(),
                extra: Default::default(),
            }),
            timestamp: TimestampPlan {
                version: Version::FIRST,
                snapshot: None,
                unknown: Default::default(),
                other_meta: Default::default(),
            },
            next_sweep: Some(self.first_due()),
            regrouping: None,
            waiting: Vec::new(),
        })
    }

    /// Writes the repository: `private/` as a whole first, then `public/`.
    pub fn commit(self, plan: Plan, progress: Progress<'_>) -> Result<Published, Error> {
        let beside = self.place.beside_private();
        std::fs::create_dir_all(beside).map_err(Error::io("make", beside))?;
        let path = self.place.private();
        if !path.is_dir() {
            self.create_private(path)?;
        }
        let private = Private::open(path)?;
        let lock = private.lock()?;
        // Another init may have been first.
        if private.root()?.as_ref() != Some(&self.root_bytes) || self.place.is_published()? {
            return Err(Error::Exists(self.place.name().to_owned()));
        }
        self.remove_scratch()?;
        self.place.with_public(|public| {
            private.remove_temporary()?;
            remove_temporary(self.place.public_folder())?;
            lock.set_cleared();
            if private.settings()? != self.settings {
                private.set_settings(&self.settings)?;
            }
            let keyring = self.keys.keyring()?;
            let mut committer = self.committer(public, &keyring, progress);
            let bases = Bases::new(public, private.store());
            committer.deltas = self.settings.ladder.map(|ladder| {
                DeltaWriter::new(public, bases, ladder, Version::FIRST, Memory::default())
            });
            let published = committer.commit(plan)?;
            private.append_history(Publish { snapshot: published.snapshot()?, time: self.now })?;
            private.set_sweep_due(self.first_due())?;
            if let Some(noted) = committer.into_noted() {
                private.set_digests(&Digests::default().with(&noted))?;
            }
            Ok(published)
        })
    }

    /// Does everything but write, and says what would be written.
    pub fn rehearse(&self, plan: Plan, progress: Progress<'_>) -> Result<Published, Error> {
        self.place.with_public_if_any(|store| {
            let store = crate::rehearsal::Discard { store };
            self.committer(&store, &self.keys.keyring()?, progress).commit(plan)
        })
    }

    /// When the first targets role is due to be signed again.
    fn first_due(&self) -> Time {
        let lifetimes = &self.settings.lifetimes;
        let due = |kind| lifetimes.due_at(kind, lifetimes.expiry(kind, self.now));
        due(RoleKind::Targets).min(due(RoleKind::Bins))
    }

    fn committer<'c>(
        &'c self,
        store: &'c dyn Store,
        keyring: &'c Keyring,
        progress: Progress<'c>,
    ) -> Committer<'c> {
        let form = self.settings.layout.snapshot;
        Committer {
            store,
            keyring,
            root: &self.root,
            next_root: None,
            form,
            ladder: self.settings.ladder,
            deltas: None,
            published: None,
            noted: Committer::notes(self.settings.layout.delegation),
            memory: Memory::default(),
            progress,
        }
    }

    /// Makes `private/` under another name and renames it, so that it is there whole or not at all.
    fn create_private(&self, path: &Path) -> Result<(), Error> {
        let beside = self.place.beside_private();
        let scratch = tempfile::Builder::new()
            .prefix(&self.place.scratch())
            .tempdir_in(beside)
            .map_err(Error::io("create a folder in", beside))?;
        let private = Private::create(scratch.path())?;
        private.begin(&self.keys, &self.settings, &self.root_bytes)?;
        std::fs::rename(scratch.path(), path).map_err(Error::io("rename a folder to", path))?;
        // It is no temporary folder any more.
        let _ = scratch.keep();
        Ok(())
    }

    /// Removes the keys that a killed init had made before `private/` was there. No other init is
    /// at that point, since the lock in `private/` is held.
    fn remove_scratch(&self) -> Result<(), Error> {
        let (beside, scratch) = (self.place.beside_private(), self.place.scratch());
        for entry in std::fs::read_dir(beside).map_err(Error::io("read", beside))? {
            let entry = entry.map_err(Error::io("read", beside))?;
            if entry.file_name().to_string_lossy().starts_with(&scratch) {
                let path = entry.path();
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Root version 1.
fn first_root(settings: &Settings, plan: &KeyPlan, now: Time) -> Result<Root, Error> {
    let mut keys = BTreeMap::new();
    let mut roles = BTreeMap::new();
    for name in TOP_LEVEL_ROLES {
        let kind: RoleKind = name.parse().map_err(Error::Keys)?;
        let (role_keys, role) = plan.public(kind)?;
        keys.extend(role_keys);
        roles.insert(name.to_owned(), role);
    }
    Ok(Root {
        spec_version: SPEC_VERSION.to_owned(),
        version: Version::FIRST,
        expires: settings.lifetimes.expiry(RoleKind::Root, now),
        consistent_snapshot: Some(true),
        keys,
        roles,
        extra: Default::default(),
    })
}

/// The targets of each bin; an error if a path is there twice, or if the documents of the bins that are made at once
/// do not fit.
pub(crate) fn sorted_into_bins(bits: BitLength, targets: Intake) -> Result<Vec<Run>, Error> {
    let memory = targets.memory();
    let runs = targets.into_bins(bits)?.into_runs();
    let longest = runs.iter().enumerate().max_by_key(|(_, run)| run.len_bytes());
    if let Some((nth, run)) = longest {
        // Packed, its canonical text and its file, of one bin for each core.
        let needed = run.len_bytes() as u64 * 5 * rayon::current_num_threads() as u64;
        if needed > memory.bytes() {
            let bin = u32::try_from(nth).ok().and_then(|nth| bits.nth(nth));
            return Err(Error::Memory {
                role: bin.map_or_else(String::new, |bin| bits.role_name(BINS, bin)),
                targets: run.count(),
                needed: Memory::from_bytes(needed),
                allowed: memory,
            });
        }
    }
    Ok(runs)
}

/// An error if one document of all these targets does not fit into memory.
pub(crate) fn fits_one_document(role: &str, targets: &Intake) -> Result<(), Error> {
    let (needed, allowed) = (targets.estimate_bytes(), targets.memory());
    if needed <= allowed.bytes() {
        return Ok(());
    }
    let (role, targets) = (role.to_owned(), targets.rows());
    Err(Error::Memory { role, targets, needed: Memory::from_bytes(needed), allowed })
}

/// What a project's delegation covers: its targets one by one, or the project's patterns.
pub(crate) fn project_selector<'p>(
    form: Delegation,
    mut paths: impl Iterator<Item = &'p str>,
) -> Selector {
    match form {
        Delegation::ProjectsWildcard => {
            Selector::Paths(paths.next().map_or_else(Vec::new, |path| Project::of(path).patterns()))
        }
        _ => Selector::Paths(paths.map(crate::project::escape_path).collect()),
    }
}

/// Adds a role to a list of delegations.
pub(crate) fn delegate(
    delegations: &mut Delegations,
    role: &str,
    keys: &RoleKeys,
    selector: Selector,
) {
    if let DelegatedRoles::List(roles) = &mut delegations.roles {
        roles.push(DelegatedRole {
            name: role.to_owned(),
            keys: keys.clone(),
            terminating: Terminating::Yes,
            selector,
            extra: Default::default(),
        });
    }
}
