//! What a rotation asks for: whether it can be done, and the root that it makes.

use std::collections::{BTreeMap, BTreeSet};

use tufold_meta::{Key, KeyId, RoleKeys, Root, Time};

use super::{NewKeys, RotateRequest, Rotation};
use crate::error::Error;
use crate::keyring::Quota;
use crate::layout::{BinKeys, Delegation};
use crate::settings::RoleKind;

/// Keys, and which of them, and how many, sign for a role.
pub(super) type NamedKeys = (BTreeMap<KeyId, Key>, RoleKeys);

/// The keys that a root names for a role.
pub(super) fn named_keys(root: &Root, kind: RoleKind) -> NamedKeys {
    let role = root.roles[kind.name()].clone();
    let keys = role.keyids.iter().filter_map(|id| Some((id.clone(), root.keys.get(id)?.clone())));
    (keys.collect(), role)
}

/// Refuses what can never be done.
pub(super) fn check_scope(request: &RotateRequest, delegation: Delegation) -> Result<(), Error> {
    let refused = |problem: String| Err(Error::Rotation(problem));
    if request.roles.is_empty() {
        return refused("no role is named whose keys are to rotate".to_owned());
    }
    if delegation == Delegation::Flat && request.roles.contains(&RoleKind::Bins) {
        return refused("a flat repository has no delegated role whose keys could rotate".into());
    }
    let numbers: Vec<RoleKind> = match &request.keys {
        NewKeys::Same { thresholds } => thresholds.keys().copied().collect(),
        NewKeys::Other(keys) => keys.thresholds.keys().chain(keys.counts.keys()).copied().collect(),
    };
    if let Some(other) = numbers.iter().find(|kind| !request.roles.contains(kind)) {
        return refused(format!("a number of {other} keys is stated, but {other} does not rotate"));
    }
    if let NewKeys::Same { thresholds } = &request.keys {
        let by_publish = [RoleKind::Bins, RoleKind::Snapshot, RoleKind::Timestamp];
        let idle = |kind: &&RoleKind| by_publish.contains(kind) && !thresholds.contains_key(kind);
        if let Some(kind) = request.roles.iter().find(idle) {
            return refused(format!(
                "with the same keys and threshold, {kind} is signed again by `tufold publish \
                 --refresh {kind}`"
            ));
        }
    }
    Ok(())
}

/// The root that gives these keys to roles; `None` if no root is needed for it.
pub(super) fn next_root(
    root: &Root,
    new: &BTreeMap<RoleKind, NamedKeys>,
    expires: Time,
) -> Option<Root> {
    let mut next = root.clone();
    next.version = next.version.next();
    next.expires = expires;
    let named = |root: &Root| -> BTreeSet<KeyId> {
        root.roles.values().flat_map(|role| role.keyids.iter().cloned()).collect()
    };
    let named_before = named(root);
    for (kind, (keys, role)) in new.iter().filter(|(kind, _)| **kind != RoleKind::Bins) {
        let RoleKeys { keyids, threshold, .. } = role.clone();
        next.keys.extend(keys.clone());
        if let Some(role) = next.roles.get_mut(kind.name()) {
            (role.keyids, role.threshold) = (keyids, threshold);
        }
    }
    let named_now = named(&next);
    next.keys.retain(|id, _| named_now.contains(id) || !named_before.contains(id));
    let needed = new.contains_key(&RoleKind::Root) || next.roles != root.roles;
    needed.then_some(next)
}

/// Refuses to take up a rotation that is under way for something else.
pub(super) fn check_same(rotation: &Rotation, request: &RotateRequest) -> Result<(), Error> {
    let other = |what: &str| {
        Err(Error::Rotation(format!(
            "a rotation of {} with other {what} is under way; finish it (`tufold rotate REPO`) or \
             drop it (--cancel)",
            rotation.role_names()
        )))
    };
    if rotation.roles != request.roles {
        return other("roles");
    }
    let mut pending: BTreeMap<RoleKind, NamedKeys> = BTreeMap::new();
    for &kind in &rotation.roles {
        match (kind, &rotation.root, &rotation.targets) {
            (RoleKind::Bins, _, Some(draft)) => {
                let BinKeys { keys, role } = BinKeys::of(&draft.payload)?;
                pending.insert(kind, (keys, role));
            }
            (_, Some(draft), _) => {
                pending.insert(kind, named_keys(&draft.payload, kind));
            }
            // The targets role alone is signed again.
            _ => {}
        }
    }
    let differ = |numbers: &BTreeMap<RoleKind, u64>, number: fn(&RoleKeys) -> u64| {
        numbers.iter().any(|(kind, stated)| {
            pending.get(kind).is_some_and(|(_, role)| number(role) != *stated)
        })
    };
    match &request.keys {
        NewKeys::Same { thresholds } => {
            if differ(thresholds, |role| role.threshold.get()) {
                return other("thresholds");
            }
        }
        NewKeys::Other(keys) => {
            if differ(&keys.thresholds, |role| role.threshold.get()) {
                return other("thresholds");
            }
            if differ(&keys.counts, |role| role.keyids.len() as u64) {
                return other("numbers of keys");
            }
            if keys.folder.is_some() {
                let kinds: Vec<RoleKind> = rotation.roles.iter().copied().collect();
                let plan = keys.fulfil(&kinds, |kind| {
                    let (_, role) = pending.get(&kind)?;
                    let count = role.keyids.len() as u64;
                    Some(Quota { count, threshold: role.threshold.get() })
                })?;
                for kind in kinds {
                    let (_, role) = plan.public(kind)?;
                    let same = pending.get(&kind).is_some_and(|(_, held)| {
                        held.keyids == role.keyids && held.threshold == role.threshold
                    });
                    if !same {
                        return other("keys");
                    }
                }
            }
        }
    }
    Ok(())
}
