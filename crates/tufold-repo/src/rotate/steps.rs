//! What is left to be done of a rotation, told from what is published.

use tufold_meta::names::meta_name;
use tufold_meta::{Role, RoleKeys, Root, Signed, Targets, Verified, Version};

use super::draft::Draft;
use super::{Rotation, RotationStep, Rotator};
use crate::error::Error;
use crate::layout::{BINS, BinKeys};
use crate::plan::{Counts, Listing, Plan, RolePlan, TimestampPlan, Why, next_snapshot};
use crate::publish::Publisher;
use crate::repository::State;
use crate::settings::RoleKind;

impl Rotator {
    /// The steps that are left, in their order.
    pub(super) fn steps(&self, rotation: &Rotation) -> Result<Vec<RotationStep>, Error> {
        let mut steps = Vec::new();
        if self.documents_due(rotation)? {
            steps.push(RotationStep::Documents);
        }
        let next = self.root_due(rotation)?;
        if next.is_some() {
            steps.push(RotationStep::Root);
        }
        let state = &self.publisher.state;
        let clean = match next {
            Some(draft) => self.cleaned(rotation).any(|kind| {
                let role = |root: &Root| root.roles[kind.name()].clone();
                let (old, new) = (role(&state.root), role(&draft.payload));
                let withdrawn = old.keyids.iter().any(|id| !new.keyids.contains(id));
                // Until they are kept in `private/`, the new keys are in the rotation.
                let unsaved = rotation.keys.as_ref().and_then(|plan| plan.keyring().ok());
                let reached = self.publisher.keyring.reaches(&new)
                    || unsaved.is_some_and(|keyring| keyring.reaches(&new));
                withdrawn && (kind != RoleKind::Targets || reached)
            }),
            None => self.signed_by_others(rotation).next().is_some(),
        };
        if clean {
            steps.push(RotationStep::Clean);
        }
        Ok(steps)
    }

    /// The new root, unless it is published.
    pub(super) fn root_due<'r>(
        &self,
        rotation: &'r Rotation,
    ) -> Result<Option<&'r Draft<Root>>, Error> {
        let Some(draft) = &rotation.root else { return Ok(None) };
        let version = draft.payload.version;
        let newest = self.publisher.state.root.version;
        match self.published_root(version) {
            None if version == newest.next() => Ok(Some(draft)),
            Some(root) if root.signed().canonical() == draft.canonical => Ok(None),
            _ => Err(Error::Rotation(format!(
                "root version {newest} was published since, and the rotation that is under way \
                 has another version {version}; drop it (--cancel)"
            ))),
        }
    }

    pub(super) fn published_root(&self, version: Version) -> Option<&Verified<Root>> {
        let State { root, former_roots, .. } = &self.publisher.state;
        former_roots.iter().chain([root]).find(|root| root.version == version)
    }

    /// The targets role of the rotation, unless what is published does as well.
    pub(super) fn targets_due<'r>(
        &self,
        rotation: &'r Rotation,
    ) -> Result<Option<&'r Draft<Targets>>, Error> {
        let Some(draft) = &rotation.targets else { return Ok(None) };
        let targets = &self.publisher.state.targets;
        let unsigned = match self.root_due(rotation)? {
            Some(next) => !is_signed(targets.signed(), "targets", &next.payload),
            None => false,
        };
        let due = targets.version < draft.payload.version
            || self.new_bin_keys(rotation)?.is_some()
            || unsigned;
        Ok(due.then_some(draft))
    }

    /// The keys that delegated roles get, unless they have them.
    fn new_bin_keys(&self, rotation: &Rotation) -> Result<Option<BinKeys>, Error> {
        match &rotation.targets {
            Some(draft) if rotation.roles.contains(&RoleKind::Bins) => {
                let new = BinKeys::of(&draft.payload)?;
                let old = BinKeys::of(&self.publisher.state.targets)?;
                Ok((new != old).then_some(new))
            }
            _ => Ok(None),
        }
    }

    /// Whether something has to be published before the root, or instead of one.
    fn documents_due(&self, rotation: &Rotation) -> Result<bool, Error> {
        let State { timestamp, snapshot, .. } = &self.publisher.state;
        let unsigned = match self.root_due(rotation)? {
            Some(next) => {
                !is_signed(timestamp.signed(), "timestamp", &next.payload)
                    || !is_signed(snapshot.signed(), "snapshot", &next.payload)
            }
            None => false,
        };
        Ok(unsigned || self.targets_due(rotation)?.is_some())
    }

    /// The roles of the rotation whose documents keep no signature of a withdrawn key.
    fn cleaned(&self, rotation: &Rotation) -> impl Iterator<Item = RoleKind> {
        let all = [RoleKind::Timestamp, RoleKind::Snapshot, RoleKind::Targets];
        let roles = rotation.roles.clone();
        all.into_iter().filter(move |kind| roles.contains(kind))
    }

    /// Those of them that a key signed which the newest root does not name. What offline keys have
    /// to sign stays as it is: such a signature counts for nothing and does no harm.
    fn signed_by_others(&self, rotation: &Rotation) -> impl Iterator<Item = RoleKind> {
        let Publisher { state, keyring, .. } = &self.publisher;
        self.cleaned(rotation).filter(|&kind| {
            let role = &state.root.roles[kind.name()];
            match kind {
                RoleKind::Timestamp => has_others(state.timestamp.signed(), role),
                RoleKind::Snapshot => has_others(state.snapshot.signed(), role),
                _ => has_others(state.targets.signed(), role) && keyring.reaches(role),
            }
        })
    }

    /// What is published before the root: the targets role that was drafted, every delegated role
    /// if its keys change, the snapshot if it has to list these or to be signed anew, and the
    /// timestamp.
    pub(super) fn plan_documents(
        &self,
        rotation: &Rotation,
        now: tufold_meta::Time,
    ) -> Result<Plan, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let lifetimes = &repository.settings.lifetimes;
        let mut roles = Vec::new();
        if let Some(keys) = self.new_bin_keys(rotation)? {
            let names: Vec<&str> = state.roles().filter(|role| *role != "targets").collect();
            let plans = names.into_iter().map(|role| {
                let listed = &state.snapshot.meta[&meta_name(role)];
                if role != BINS || state.bins.is_none() {
                    let role = role.to_owned();
                    return Ok(RolePlan::again(
                        role,
                        &keys.role,
                        lifetimes,
                        now,
                        listed.version,
                        Vec::new(),
                    ));
                }
                let (mut document, file) =
                    state.targets_role(&*repository.public, role)?.into_parts();
                keys.set(&mut document)?;
                let (role, counts) = (role.to_owned(), Counts::default());
                let mut plan = RolePlan::next(role, &keys.role, lifetimes, now, document, counts);
                plan.replaced = repository.settings.ladder.map(|_| file);
                Ok(plan)
            });
            roles = plans.collect::<Result<Vec<_>, Error>>()?;
        }
        if let Some(draft) = self.targets_due(rotation)? {
            roles.push(RolePlan {
                role: "targets".to_owned(),
                keys: state.root.roles["targets"].clone(),
                document: draft.payload.clone(),
                replaced: None,
                listing: Listing::Document,
                counts: Counts::default(),
                why: Why::Content,
                signatures: Some(draft.signatures.clone()),
            });
        }
        let next = self.root_due(rotation)?.map(|draft| &draft.payload);
        let new_snapshot = !roles.is_empty()
            || next.is_some_and(|next| !is_signed(state.snapshot.signed(), "snapshot", next));
        let mut plan = self.plan_with(roles, new_snapshot, now);
        if let (Some(next), Some(snapshot)) = (next, &mut plan.snapshot)
            && lets_go(&state.root, next)
        {
            for role in state.stale_roles() {
                snapshot.meta.remove(&meta_name(role));
            }
        }
        Ok(plan)
    }

    /// What is published after the root, without the signatures of withdrawn keys.
    pub(super) fn plan_clean(
        &self,
        rotation: &Rotation,
        now: tufold_meta::Time,
    ) -> Result<Plan, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let mut roles = Vec::new();
        let mut new_snapshot = false;
        for kind in self.signed_by_others(rotation) {
            new_snapshot |= kind != RoleKind::Timestamp;
            if kind == RoleKind::Targets {
                let (keys, document) =
                    (&state.root.roles["targets"], Targets::clone(&state.targets));
                let (role, counts) = ("targets".to_owned(), Counts::default());
                let lifetimes = &repository.settings.lifetimes;
                roles.push(RolePlan::next(role, keys, lifetimes, now, document, counts));
            }
        }
        Ok(self.plan_with(roles, new_snapshot, now))
    }

    fn plan_with(&self, roles: Vec<RolePlan>, new_snapshot: bool, now: tufold_meta::Time) -> Plan {
        let Publisher { repository, state, .. } = &self.publisher;
        let lifetimes = repository.settings.lifetimes;
        let State { timestamp, snapshot, .. } = state;
        Plan {
            now,
            lifetimes,
            root: None,
            roles,
            snapshot: new_snapshot.then(|| next_snapshot(snapshot, &lifetimes, now)),
            timestamp: TimestampPlan {
                version: timestamp.version.next(),
                snapshot: (!new_snapshot).then(|| timestamp.snapshot.clone()),
                unknown: timestamp.extra.clone(),
                other_meta: timestamp.other_meta.clone(),
            },
            next_sweep: None,
            regrouping: None,
            waiting: Vec::new(),
        }
    }
}

/// Whether clients let go of the snapshot that they trust when this root comes. The spec has them do so whenever a key of the
/// snapshot goes (TUF 5.3.11), but python-tuf only where the new keys do not vouch for that snapshot.
fn lets_go(root: &Root, next: &Root) -> bool {
    let (old, new) = (&root.roles["snapshot"], &next.roles["snapshot"]);
    let left = old.keyids.iter().filter(|id| new.keyids.contains(id)).count();
    (left as u64) < new.threshold.get()
}

/// Whether a document is signed by the keys that `root` names.
fn is_signed<R: Role + Clone>(signed: &Signed<R>, role: &str, root: &Root) -> bool {
    signed.clone().verify(&root.keys, &root.roles[role]).is_ok()
}

/// Whether a key that is not the role's has signed.
fn has_others<R>(signed: &Signed<R>, role: &RoleKeys) -> bool {
    signed.signatures().iter().any(|signature| !role.keyids.contains(&signature.keyid))
}
