//! Other keys for roles, and new versions of what offline keys sign.
//!
//! Keys of `root`, `timestamp`, `snapshot` and `targets` change by a new root, which is live as soon
//! as it stands, while the documents that it vouches for are other files. So a rotation publishes in
//! three steps, and whoever stops after any of them leaves a repository that every client can read:
//!
//! 1. *Documents*: whatever the new keys are for is published signed by the old keys and the new.
//! 2. *Root*: version N + 1, signed by a threshold of the old root keys and of the new (TUF 5.3.4).
//! 3. *Clean*: the same documents again, signed by the new keys alone.
//!
//! The keys of delegated roles stand in a targets role, and one snapshot lists that with the bins. So
//! the delegation and all bins, signed by the new keys alone, are one publish: a client sees the old
//! timestamp and all that hangs from it, or the new one.
//!
//! Roles that nothing delegates to any more, since the bins changed, leave the snapshot where its keys are replaced. No order of the
//! steps spares every client: whoever takes the snapshot that both roots vouch for will want all of its entries under the new
//! root, so the entries must not be in it; and whoever visits under the old root then finds them gone. So they go with the
//! documents, the root follows at once, and a visit of a warm client that falls between fails and works when it is tried
//! again.
//!
//! Versions only rise here, too. That clients take lower ones after a fast-forward attack is their part
//! (TUF 5.3.11): a root that withdraws the timestamp's or the snapshot's keys makes them drop both files.
//! Deltas are written as in any publish; where two roots may be a reader's, the signatures travel in
//! full.
//!
//! What is decided once (the new root, and a targets role that changes) is kept in
//! `private/rotation.json` with its signatures, which may come from elsewhere (`ceremony`). What is
//! left to be done is told from what is published, so that running again goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::path::Path;

use serde::Serialize;
use tufold_meta::names::versioned_file_name;
use tufold_meta::{KeyId, Root, Signature, Targets, Time};

use crate::commit::Published;
use crate::deltas::metadata_name;
use crate::error::Error;
use crate::keyring::{KeyPlan, KeyRequest, Keyring, Quota, check_threshold};
use crate::layout::BinKeys;
use crate::private::Private;
use crate::progress::Progress;
use crate::publish::Publisher;
use crate::repository::{State, read};
use crate::settings::RoleKind;

mod ceremony;
mod change;
mod draft;
mod steps;

pub use ceremony::Imported;
pub use draft::{DocumentStatus, KeyStatus, Quorum};

use draft::{Draft, Group};

/// What a rotation is to change.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// Whose keys.
    pub roles: BTreeSet<RoleKind>,
    /// What they become.
    pub keys: NewKeys,
}

/// The keys after a rotation.
#[derive(Clone, Debug)]
pub enum NewKeys {
    /// The same ones: the root or the top-level targets role is signed again, with a new expiry
    /// and perhaps another threshold.
    Same {
        /// How many have to sign, where that changes.
        thresholds: BTreeMap<RoleKind, u64>,
    },
    /// Other ones.
    Other(KeyRequest),
}

/// A rotation that was decided: the documents that take it, with the signatures that there are.
#[derive(Debug)]
pub struct Rotation {
    pub(crate) roles: BTreeSet<RoleKind>,
    /// The new root, if one is needed.
    pub(crate) root: Option<Draft<Root>>,
    /// The top-level targets role, if it has to be signed for the rotation.
    pub(crate) targets: Option<Draft<Targets>>,
    /// The new keys, until they are kept in `private/`.
    pub(crate) keys: Option<KeyPlan>,
}

/// A step of a rotation; stopped after any, clients go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RotationStep {
    /// What the new keys are for is published, signed by the old keys and the new; delegated roles by
    /// the new ones alone.
    Documents,
    /// The new root is published.
    Root,
    /// What the withdrawn keys signed as well is published without their signatures.
    Clean,
}

/// A step that was done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Done {
    /// Which one.
    pub step: RotationStep,
    /// What it wrote, but for the root.
    #[serde(flatten)]
    pub published: Option<Published>,
}

/// What a rotation came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Rotated {
    /// Whose keys.
    pub roles: BTreeSet<RoleKind>,
    /// Whether everything is done.
    pub finished: bool,
    /// The version of the newest root.
    pub root_version: u64,
    /// The documents that were, or are, to be signed.
    pub documents: Vec<DocumentStatus>,
    /// The steps that are left.
    pub steps: Vec<RotationStep>,
    /// The steps that were done.
    pub done: Vec<Done>,
    /// The key files that were put aside in `private/retired/`.
    pub retired: Vec<String>,
}

/// The one writer of a repository whose keys rotate.
pub struct Rotator {
    publisher: Publisher,
}

impl Rotator {
    /// Opens the repository in the folder `path` for writing; an error if somebody else has it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { publisher: Publisher::open(path)? })
    }

    /// The rotation that is under way; `None` if there is none.
    pub fn resume(&self, now: Time) -> Result<Option<Rotation>, Error> {
        let private = &self.publisher.repository.private;
        let Some(bytes) = private.rotation()? else { return Ok(None) };
        let mut rotation =
            Rotation::from_bytes(&bytes).map_err(|problem| private.bad_rotation(problem))?;
        self.draft_again(&mut rotation, now)?;
        self.check_expiries(&rotation, now)?;
        self.sign(&mut rotation, &self.publisher.keyring)?;
        Ok(Some(rotation))
    }

    /// Decides a rotation, or takes up the one that is under way if it is for the same. Makes or
    /// reads the new keys, and signs with those that are at hand; nothing is written.
    pub fn begin(&self, request: &RotateRequest, now: Time) -> Result<Rotation, Error> {
        if let Some(rotation) = self.resume(now)? {
            change::check_same(&rotation, request)?;
            return Ok(rotation);
        }
        let state = &self.publisher.state;
        let settings = &self.publisher.repository.settings;
        change::check_scope(request, settings.layout.delegation)?;
        let kinds: Vec<RoleKind> = request.roles.iter().copied().collect();
        let (plan, new) = match &request.keys {
            NewKeys::Other(keys) => {
                let plan = keys.fulfil(&kinds, |kind| self.quota(kind))?;
                let new = kinds.iter().map(|&kind| Ok((kind, plan.public(kind)?)));
                let new: BTreeMap<_, _> = new.collect::<Result<_, Error>>()?;
                (Some(plan), new)
            }
            NewKeys::Same { thresholds } => {
                let same = kinds.iter().map(|&kind| Ok((kind, self.same_keys(kind, thresholds)?)));
                (None, same.collect::<Result<_, Error>>()?)
            }
        };
        let root =
            change::next_root(&state.root, &new, settings.lifetimes.expiry(RoleKind::Root, now));
        let mut rotation = Rotation {
            roles: request.roles.clone(),
            root: root.map(Draft::new),
            targets: None,
            keys: plan,
        };
        if [RoleKind::Targets, RoleKind::Bins].iter().any(|kind| request.roles.contains(kind)) {
            let bins = new
                .get(&RoleKind::Bins)
                .map(|(keys, role)| BinKeys { keys: keys.clone(), role: role.clone() });
            rotation.targets = Some(self.draft_targets(bins.as_ref(), now)?);
        }
        let mut keyring = self.publisher.repository.private.keyring()?;
        if let Some(plan) = &rotation.keys {
            keyring.extend(plan.keyring()?);
        }
        for kind in [RoleKind::Timestamp, RoleKind::Snapshot, RoleKind::Bins] {
            if let Some((_, role)) = new.get(&kind).filter(|(_, role)| !keyring.reaches(role)) {
                let (held, threshold) = (keyring.held(role), role.threshold);
                return Err(Error::Rotation(format!(
                    "publishes sign {kind}, so {threshold} of its new keys have to be at hand or \
                     have a program that signs, and {held} do"
                )));
            }
        }
        self.sign(&mut rotation, &keyring)?;
        Ok(rotation)
    }

    /// The documents of a rotation that are not published yet, and who has signed them.
    pub fn documents(&self, rotation: &Rotation) -> Result<Vec<DocumentStatus>, Error> {
        let mut documents = Vec::new();
        if let Some(draft) = self.root_due(rotation)? {
            documents.push(draft.status(RoleKind::Root, &self.root_groups(draft)));
        }
        if let Some(draft) = self.targets_due(rotation)? {
            let groups = self.targets_groups(rotation)?;
            documents.push(draft.status(RoleKind::Targets, &groups));
        }
        Ok(documents)
    }

    /// An error if a signature is still missing.
    pub fn require_signatures(&self, rotation: &Rotation) -> Result<(), Error> {
        for document in self.documents(rotation)? {
            let missing = document.quorums.iter().find(|quorum| quorum.signed < quorum.threshold);
            if let Some(Quorum { named_by, threshold, signed, .. }) = missing {
                return Err(Error::Rotation(format!(
                    "{} needs {threshold} signatures of the keys that {named_by} names, and the \
                     keys at hand made {signed}; export it to have it signed elsewhere (--export \
                     DIR)",
                    document.file
                )));
            }
        }
        Ok(())
    }

    /// What a rotation comes to, nothing done yet.
    pub fn preview(&self, rotation: &Rotation) -> Result<Rotated, Error> {
        Ok(Rotated {
            roles: rotation.roles.clone(),
            finished: false,
            root_version: self.publisher.state.root.version.get(),
            documents: self.documents(rotation)?,
            steps: self.steps(rotation)?,
            done: Vec::new(),
            retired: Vec::new(),
        })
    }

    /// Keeps a rotation and its new keys in `private/`, and publishes nothing.
    pub fn save(&mut self, rotation: &mut Rotation) -> Result<(), Error> {
        let private = &self.publisher.repository.private;
        // The keys come first: no document may be signed by a key that a crash takes away.
        if let Some(plan) = rotation.keys.take() {
            private.set_keys(&plan)?;
            if !plan.signers().is_empty() {
                let mut settings = private.settings()?;
                settings.signers.extend(plan.signers().clone());
                private.set_settings(&settings)?;
                self.publisher.repository.settings = settings;
            }
        }
        let private = &self.publisher.repository.private;
        private.set_rotation(&rotation.to_bytes())?;
        self.publisher.keyring = private.keyring()?;
        Ok(())
    }

    /// Keeps a rotation and does what is left of it. Where signatures are missing, it only keeps it.
    pub fn commit(
        mut self,
        mut rotation: Rotation,
        now: Time,
        progress: Progress<'_>,
    ) -> Result<Rotated, Error> {
        self.save(&mut rotation)?;
        let mut rotated = self.preview(&rotation)?;
        if !rotated.documents.iter().all(DocumentStatus::is_ready) {
            return Ok(rotated);
        }
        while let Some(done) = self.step(&rotation, now, progress)? {
            rotated.done.push(done);
        }
        rotated.retired = self.finish()?;
        rotated.finished = true;
        rotated.steps = Vec::new();
        rotated.root_version = self.publisher.state.root.version.get();
        Ok(rotated)
    }

    /// Does the next step, if there is one.
    pub fn step(
        &mut self,
        rotation: &Rotation,
        now: Time,
        progress: Progress<'_>,
    ) -> Result<Option<Done>, Error> {
        self.require_signatures(rotation)?;
        let Some(&step) = self.steps(rotation)?.first() else { return Ok(None) };
        let published = match step {
            RotationStep::Documents => {
                let plan = self.plan_documents(rotation, now)?;
                let next = self.root_due(rotation)?.map(|draft| &draft.payload);
                Some(self.publisher.write(plan, next, progress)?)
            }
            RotationStep::Root => {
                if let Some(draft) = self.root_due(rotation)? {
                    self.publisher.repository.private.remove_temporary()?;
                    let name = metadata_name("root", draft.payload.version);
                    // Clients take it as soon as it stands, so it must not stand there in part.
                    self.publisher.repository.public.replace(&name, &draft.to_file())?;
                }
                None
            }
            RotationStep::Clean => {
                Some(self.publisher.write(self.plan_clean(rotation, now)?, None, progress)?)
            }
        };
        self.publisher.state = self.publisher.repository.state()?;
        Ok(Some(Done { step, published }))
    }

    /// Drops the rotation that is under way; an error if its root is published, for then it has to
    /// be finished.
    pub fn cancel(mut self) -> Result<Rotated, Error> {
        let private = &self.publisher.repository.private;
        let Some(bytes) = private.rotation()? else {
            return Err(Error::Rotation("no rotation is under way".to_owned()));
        };
        let rotation =
            Rotation::from_bytes(&bytes).map_err(|problem| private.bad_rotation(problem))?;
        if let Some(draft) = &rotation.root
            && self
                .published_root(draft.payload.version)
                .is_some_and(|root| root.signed().canonical() == draft.canonical)
        {
            let file = versioned_file_name("root", draft.payload.version);
            return Err(Error::Rotation(format!(
                "{file} is published already, so the rotation has to be finished"
            )));
        }
        let root_version = self.publisher.state.root.version.get();
        let retired = self.finish()?;
        Ok(Rotated {
            roles: rotation.roles,
            finished: false,
            root_version,
            documents: Vec::new(),
            steps: Vec::new(),
            done: Vec::new(),
            retired,
        })
    }

    /// Puts aside the keys that no role names, and forgets the rotation.
    fn finish(&mut self) -> Result<Vec<String>, Error> {
        let State { root, targets, bins, .. } = &self.publisher.state;
        let delegating = [Some(targets), bins.as_ref()].into_iter().flatten();
        let delegated = delegating.filter_map(|document| document.delegations.as_ref());
        let mut named: BTreeSet<(RoleKind, KeyId)> = delegated
            .flat_map(|delegations| delegations.keys.keys())
            .map(|id| (RoleKind::Bins, id.clone()))
            .collect();
        for kind in RoleKind::ALL.into_iter().filter(|kind| *kind != RoleKind::Bins) {
            let role = &root.roles[kind.name()];
            named.extend(role.keyids.iter().map(|id| (kind, id.clone())));
        }
        let repository = &mut self.publisher.repository;
        let retired = repository.private.retire_keys(&named)?;
        let signers = repository.settings.signers.len();
        repository.settings.signers.retain(|id, _| named.iter().any(|(_, other)| other == id));
        if repository.settings.signers.len() < signers {
            repository.private.set_settings(&repository.settings)?;
        }
        repository.private.remove_rotation()?;
        Ok(retired)
    }

    /// How many keys a kind of role has now, and how many have to sign.
    fn quota(&self, kind: RoleKind) -> Option<Quota> {
        let (_, role) = self.current_keys(kind).ok()?;
        Some(Quota { count: role.keyids.len() as u64, threshold: role.threshold.get() })
    }

    fn current_keys(&self, kind: RoleKind) -> Result<change::NamedKeys, Error> {
        let State { root, targets, .. } = &self.publisher.state;
        if kind == RoleKind::Bins {
            let BinKeys { keys, role } = BinKeys::of(targets)?;
            return Ok((keys, role));
        }
        Ok(change::named_keys(root, kind))
    }

    /// The keys that a kind of role has, with another threshold if one is stated.
    fn same_keys(
        &self,
        kind: RoleKind,
        thresholds: &BTreeMap<RoleKind, u64>,
    ) -> Result<change::NamedKeys, Error> {
        let (keys, mut role) = self.current_keys(kind)?;
        if let Some(&threshold) = thresholds.get(&kind) {
            check_threshold(kind, threshold, role.keyids.len() as u64)?;
            role.threshold = NonZeroU64::new(threshold).unwrap_or(NonZeroU64::MIN);
        }
        Ok((keys, role))
    }

    /// The next version of the top-level targets role, with other keys for delegated roles if they
    /// change.
    fn draft_targets(&self, bins: Option<&BinKeys>, now: Time) -> Result<Draft<Targets>, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let mut targets = Targets::clone(&state.targets);
        if let Some(bins) = bins {
            bins.set(&mut targets)?;
        }
        targets.expires = repository.settings.lifetimes.expiry(RoleKind::Targets, now);
        // A name that an interrupted publish spent would not take other bytes later.
        targets.version = targets.version.next();
        while read(&*repository.public, &versioned_file_name("targets", targets.version))?.is_some()
        {
            targets.version = targets.version.next();
        }
        Ok(Draft::new(targets))
    }

    /// Makes the targets role anew if a publish has changed it since, or signed it by itself, or if its
    /// name was spent on half of it.
    fn draft_again(&self, rotation: &mut Rotation, now: Time) -> Result<(), Error> {
        let Some(draft) = self.targets_due(rotation)? else { return Ok(()) };
        let bins = if rotation.roles.contains(&RoleKind::Bins) {
            Some(BinKeys::of(&draft.payload)?)
        } else {
            None
        };
        let file = versioned_file_name("targets", draft.payload.version);
        let held = read(&*self.publisher.repository.public, &file)?;
        let spent = held.is_some_and(|held| held != draft.to_file());
        let mut expected = Targets::clone(&self.publisher.state.targets);
        if let Some(bins) = &bins {
            bins.set(&mut expected)?;
        }
        let follows = expected.version < draft.payload.version;
        (expected.version, expected.expires) = (draft.payload.version, draft.payload.expires);
        if spent || !follows || expected != draft.payload {
            rotation.targets = Some(self.draft_targets(bins.as_ref(), now)?);
        }
        Ok(())
    }

    /// What was made long ago must not be published when it has expired.
    fn check_expiries(&self, rotation: &Rotation, now: Time) -> Result<(), Error> {
        for document in self.documents(rotation)? {
            if document.expires <= now {
                return Err(Error::Rotation(format!(
                    "{} of the rotation that is under way expired at {}; drop it (--cancel) and \
                     begin again",
                    document.file, document.expires
                )));
            }
        }
        Ok(())
    }

    /// Adds the signatures that are missing and can be made.
    fn sign(&self, rotation: &mut Rotation, keyring: &Keyring) -> Result<(), Error> {
        let of_root = match self.root_due(rotation)? {
            Some(draft) => draft.missing(RoleKind::Root, &self.root_groups(draft), keyring)?,
            None => Vec::new(),
        };
        let of_targets = match self.targets_due(rotation)? {
            Some(draft) => {
                draft.missing(RoleKind::Targets, &self.targets_groups(rotation)?, keyring)?
            }
            None => Vec::new(),
        };
        rotation.add(RoleKind::Root, of_root);
        rotation.add(RoleKind::Targets, of_targets);
        Ok(())
    }

    /// TUF 5.3.4: the keys of the root before it, and its own.
    fn root_groups<'g>(&'g self, draft: &'g Draft<Root>) -> Vec<Group<'g>> {
        let roots = [&*self.publisher.state.root, &draft.payload];
        distinct(roots.map(|root| Group::of(root, RoleKind::Root)))
    }

    /// The keys of the newest root, and of the next.
    fn targets_groups<'g>(&'g self, rotation: &'g Rotation) -> Result<Vec<Group<'g>>, Error> {
        let next = self.root_due(rotation)?.map(|draft| &draft.payload);
        let roots = [Some(&*self.publisher.state.root), next].into_iter().flatten();
        Ok(distinct(roots.map(|root| Group::of(root, RoleKind::Targets))))
    }
}

impl Rotation {
    fn role_names(&self) -> String {
        let names: Vec<_> = self.roles.iter().map(|kind| kind.name()).collect();
        names.join(", ")
    }

    fn add(&mut self, role: RoleKind, signatures: Vec<Signature>) {
        for signature in signatures {
            match (role, &mut self.root, &mut self.targets) {
                (RoleKind::Root, Some(draft), _) => draft.add(signature),
                (_, _, Some(draft)) => draft.add(signature),
                _ => {}
            }
        }
    }
}

/// The roles of the rotation that is under way, if there is one.
pub(crate) fn under_way(private: &Private) -> Result<Option<String>, Error> {
    let Some(bytes) = private.rotation()? else { return Ok(None) };
    let rotation = Rotation::from_bytes(&bytes).map_err(|problem| private.bad_rotation(problem))?;
    Ok(Some(rotation.role_names()))
}

/// Leaves out a group that is like the one before.
fn distinct<'g>(groups: impl IntoIterator<Item = Group<'g>>) -> Vec<Group<'g>> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.dedup_by(|next, before| next.role == before.role);
    groups
}
