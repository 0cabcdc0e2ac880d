//! What a publish makes of each role: from the input to the roles that are written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use tufold_meta::names::meta_name;
use tufold_meta::{DelegatedRoles, Edit, MetaFile, Renewal, RoleKeys, Signed, Targets, Time};

use super::{Input, Publisher, Refresh};
use crate::error::Error;
use crate::init::{delegate, fits_one_document, project_selector, sorted_into_bins};
use crate::layout::{BINS, BinKeys, Delegation};
use crate::plan::{Counts, Listing, RolePlan, Why};
use crate::settings::RoleKind;
use crate::targets::{Change, Intake, Target};

/// What there is to do for one role.
pub(super) struct Work {
    /// What the input says of it.
    content: Content,
    /// When it is signed again though that changes nothing.
    resign: Resign,
}

pub(super) enum Content {
    Same,
    Change(Vec<Change>),
    List(Listing),
}

pub(super) enum Resign {
    Now,
    IfDue,
}

/// What planning one role gave: the role to be written, and when it is due otherwise.
pub(super) struct Planned {
    pub(super) plan: Option<RolePlan>,
    pub(super) due_at: Time,
}

impl Publisher {
    /// What the input asks of each role.
    pub(super) fn work(&self, input: Input) -> Result<BTreeMap<String, Work>, Error> {
        let delegation = self.repository.settings.layout.delegation;
        Ok(match input {
            Input::Nothing => BTreeMap::new(),
            Input::Targets(list) => self.work_of_list(list.into())?,
            Input::Intake(list) => self.work_of_list(list)?,
            Input::Changes(changes) => {
                let roles: Vec<String> = changes
                    .rows()
                    .par_iter()
                    .map(|change| delegation.role_of(change.path().as_str()))
                    .collect();
                let mut groups: BTreeMap<String, Vec<Change>> = BTreeMap::new();
                for (role, change) in roles.into_iter().zip(changes.into_rows()) {
                    groups.entry(role).or_default().push(change);
                }
                groups
                    .into_iter()
                    .map(|(role, rows)| (role, Work::new(Content::Change(rows))))
                    .collect()
            }
        })
    }

    /// What a whole new list asks of each role.
    fn work_of_list(&self, list: Intake) -> Result<BTreeMap<String, Work>, Error> {
        let delegation = self.repository.settings.layout.delegation;
        let listed = |(role, listing)| (role, Work::new(Content::List(listing)));
        if let Some(bits) = delegation.bit_length() {
            let runs = bits.bins().zip(sorted_into_bins(bits, list)?);
            let runs = runs.map(|(bin, run)| (bits.role_name(BINS, bin), Listing::Run(run)));
            return Ok(runs.map(listed).collect());
        }
        fits_one_document("targets", &list)?;
        let mut groups: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        for target in list.into_list()?.into_rows() {
            let role = delegation.role_of(target.path.as_str());
            groups.entry(role).or_default().push(target);
        }
        for role in self.state.leaf_roles() {
            groups.entry(role).or_default();
        }
        if delegation == Delegation::Flat {
            groups.entry("targets".to_owned()).or_default();
        }
        let groups = groups.into_iter().map(|(role, rows)| (role, Listing::Targets(rows)));
        Ok(groups.map(listed).collect())
    }

    pub(super) fn every_role(&self) -> Vec<String> {
        self.state.roles().map(str::to_owned).collect()
    }

    pub(super) fn add_refreshes(
        &self,
        refresh: &BTreeSet<Refresh>,
        work: &mut BTreeMap<String, Work>,
    ) -> Result<(), Error> {
        for refresh in refresh {
            let roles = match refresh {
                Refresh::All => self.every_role(),
                Refresh::Bins => {
                    let mut roles = self.every_role();
                    roles.retain(|role| role != "targets");
                    roles
                }
                Refresh::Snapshot | Refresh::Timestamp => Vec::new(),
                Refresh::Role(role) if self.state.roles().any(|other| other == role) => {
                    vec![role.clone()]
                }
                Refresh::Role(role) => {
                    let problem = "no role of this name is published".to_owned();
                    return Err(Error::Change { path: role.clone(), problem });
                }
            };
            for role in roles {
                work.entry(role).or_insert(Work::new(Content::Same)).resign = Resign::Now;
            }
        }
        Ok(())
    }

    /// Decides what becomes of one role. `held_bytes` is what the plan keeps of all that was read for it.
    pub(super) fn plan_role(
        &self,
        role: String,
        work: Work,
        now: Time,
        held_bytes: &AtomicU64,
    ) -> Result<Planned, Error> {
        let lifetimes = &self.repository.settings.lifetimes;
        let kind = RoleKind::of_targets_role(&role);
        let Some(listed) = self.state.snapshot.meta.get(&meta_name(&role)) else {
            return self.plan_new_role(role, work, now);
        };
        let (_, keys) = self.state.keys_of(&role).ok_or_else(|| {
            Error::damaged(&role, "is in the snapshot, but no role delegates to it")
        })?;
        let delegates = role == "targets" || (role == BINS && self.state.bins.is_some());
        if let (Content::Same, Resign::Now, false) = (&work.content, &work.resign, delegates) {
            let plan = RolePlan::again(role, keys, lifetimes, now, listed.version, Vec::new());
            let due_at = lifetimes.due_at(kind, plan.document.expires);
            return Ok(Planned { plan: Some(plan), due_at });
        }
        if let Content::Change(changes) = &work.content
            && !delegates
            && let Some(plan) = self.plan_edit(&role, keys, listed, changes, now, held_bytes)?
        {
            let due_at = lifetimes.due_at(kind, plan.document.expires);
            return Ok(Planned { plan: Some(plan), due_at });
        }
        let (mut document, replaced) = match role.as_str() {
            "targets" => (Targets::clone(&self.state.targets), None),
            role => {
                let document = self.state.targets_role(&*self.repository.public, role)?;
                let (document, file) = document.into_parts();
                (document, Some(file))
            }
        };
        let due = match work.resign {
            Resign::Now => true,
            // What cannot be signed waits (see `waiting`), unless it changes.
            Resign::IfDue => {
                lifetimes.is_due(kind, document.expires, now)
                    && (kind != RoleKind::Targets || self.keyring.reaches(keys))
            }
        };
        let due_at = lifetimes.due_at(kind, document.expires);
        // Parsed, a document takes some three times the bytes of its file.
        let len_bytes = replaced.as_ref().map_or(0, |file| file.bytes().len() as u64);
        let held = held_bytes.fetch_add(4 * len_bytes, Ordering::Relaxed);
        let fits = held + 4 * len_bytes <= self.memory.for_documents();
        let in_bins = self.repository.settings.layout.delegation.bit_length().is_some();
        let (counts, listing) = match work.content {
            Content::Same => (Counts::default(), None),
            // A project's delegation is made of its targets.
            Content::Change(changes) if fits || delegates || !in_bins => {
                (apply(&role, &mut document, changes)?, None)
            }
            Content::Change(changes) => {
                let counts = apply(&role, &mut document, changes.clone())?;
                (counts, Some(Listing::Published(changes)))
            }
            Content::List(listing) => {
                let read = Error::io("read what was sorted in", self.repository.private.path());
                let counts = match &listing {
                    Listing::Run(run) => Counts::between(&document, &run.targets().map_err(read)?),
                    Listing::Targets(rows) => Counts::between(&document, rows),
                    Listing::Document | Listing::Published(_) | Listing::Edited(..) => {
                        Counts::default()
                    }
                };
                (counts, (!counts.is_zero()).then_some(listing))
            }
        };
        if counts.is_zero() && !due {
            held_bytes.fetch_sub(4 * len_bytes, Ordering::Relaxed);
            return Ok(Planned { plan: None, due_at });
        }
        if counts.is_zero() && !delegates {
            held_bytes.fetch_sub(4 * len_bytes, Ordering::Relaxed);
            let plan = RolePlan::again(role, keys, lifetimes, now, listed.version, Vec::new());
            let due_at = lifetimes.due_at(kind, plan.document.expires);
            return Ok(Planned { plan: Some(plan), due_at });
        }
        if listing.is_some() {
            document.targets.clear();
        }
        let mut plan = RolePlan::next(role, keys, lifetimes, now, document, counts);
        // Only deltas start from it.
        plan.replaced = replaced.filter(|_| self.repository.settings.ladder.is_some() && fits);
        plan.listing = listing.unwrap_or(Listing::Document);
        let due_at = lifetimes.due_at(kind, plan.document.expires);
        Ok(Planned { plan: Some(plan), due_at })
    }

    /// Changes to a bin, which is not parsed for them. `None` if nothing comes of them, or if it has to be parsed.
    fn plan_edit(
        &self,
        role: &str,
        keys: &RoleKeys,
        listed: &MetaFile,
        changes: &[Change],
        now: Time,
        held_bytes: &AtomicU64,
    ) -> Result<Option<RolePlan>, Error> {
        let settings = &self.repository.settings;
        if settings.layout.delegation.bit_length().is_none() {
            return Ok(None);
        }
        let lifetimes = &settings.lifetimes;
        let old = self.state.signed_role(&*self.repository.public, role)?;
        let Some(edit) = edit(&old, changes) else { return Ok(None) };
        let counts = edit_counts(&edit);
        let mut plan =
            RolePlan::again(role.to_owned(), keys, lifetimes, now, listed.version, Vec::new());
        let Some(renewal) =
            Renewal::of_targets(&edit.canonical, listed.version, plan.document.expires)
        else {
            return Ok(None);
        };
        if counts.is_zero() {
            return Ok(None);
        }
        plan.why = Why::Content;
        plan.counts = counts;
        let keeps_old = settings.ladder.is_some();
        let old_bytes = if keeps_old { old.bytes().len() } else { 0 };
        let len_bytes = (edit.canonical.len() + old_bytes) as u64;
        let held = held_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        if held + len_bytes > self.memory.for_documents() {
            held_bytes.fetch_sub(len_bytes, Ordering::Relaxed);
            plan.listing = Listing::Published(changes.to_vec());
            return Ok(Some(plan));
        }
        // Only deltas start from it.
        plan.replaced = keeps_old.then_some(old);
        plan.listing = Listing::Edited(edit.canonical, renewal);
        Ok(Some(plan))
    }

    /// A project that is new. (Every bin is published from the start.)
    fn plan_new_role(&self, role: String, work: Work, now: Time) -> Result<Planned, Error> {
        let lifetimes = &self.repository.settings.lifetimes;
        let rows = match work.content {
            Content::List(Listing::Targets(rows)) => rows,
            Content::Change(changes) => changes
                .into_iter()
                .map(|change| match change {
                    Change::Put(target) => Ok(target),
                    Change::Remove(path) => Err(not_listed(path.as_str(), &role)),
                })
                .collect::<Result<_, _>>()?,
            Content::Same | Content::List(_) => Vec::new(),
        };
        let keys = BinKeys::of(&self.state.targets)?.role;
        let plan = (!rows.is_empty())
            .then(|| RolePlan::first(role, &keys, lifetimes, now, Listing::Targets(rows)));
        Ok(Planned {
            plan,
            due_at: lifetimes.due_at(RoleKind::Bins, lifetimes.expiry(RoleKind::Bins, now)),
        })
    }

    /// In the forms with a role a project: delegates to new projects and, where every path is
    /// listed, lists the paths of changed ones again.
    pub(super) fn delegate_projects(&self, roles: &mut Vec<RolePlan>, now: Time) {
        let settings = &self.repository.settings;
        let form = settings.layout.delegation;
        if !matches!(form, Delegation::ProjectsListed | Delegation::ProjectsWildcard) {
            return;
        }
        let old = roles.iter().position(|plan| plan.role == "targets");
        let mut top = match old {
            Some(at) => roles[at].document.clone(),
            None => Targets::clone(&self.state.targets),
        };
        let Some(delegations) = &mut top.delegations else { return };
        let before = delegations.clone();
        let places: HashMap<String, usize> = match &delegations.roles {
            DelegatedRoles::List(list) => {
                list.iter().enumerate().map(|(i, role)| (role.name.clone(), i)).collect()
            }
            DelegatedRoles::Succinct(_) => return,
        };
        for plan in roles.iter().filter(|plan| !plan.counts.is_zero()) {
            let old = plan.document.targets.keys().map(String::as_str);
            let rows = match &plan.listing {
                Listing::Targets(rows) => &rows[..],
                _ => &[],
            };
            let paths = old.chain(rows.iter().map(|target| target.path.as_str()));
            match (places.get(&plan.role), &mut delegations.roles) {
                (None, _) => {
                    let selector = project_selector(form, paths);
                    delegate(delegations, &plan.role, &plan.keys, selector);
                }
                (Some(&at), DelegatedRoles::List(list)) if form == Delegation::ProjectsListed => {
                    list[at].selector = project_selector(form, paths);
                }
                _ => {}
            }
        }
        if *delegations == before {
            return;
        }
        match old {
            Some(at) => {
                roles[at].document = top;
                roles[at].why = Why::Content;
            }
            None => {
                let keys = &self.state.root.roles["targets"];
                let role = "targets".to_owned();
                let counts = Counts::default();
                let mut plan = RolePlan::next(role, keys, &settings.lifetimes, now, top, counts);
                plan.why = Why::Content;
                roles.push(plan);
            }
        }
    }
}

impl Work {
    pub(super) fn new(content: Content) -> Self {
        Self { content, resign: Resign::IfDue }
    }
}

/// Makes changes to a document without parsing it; `None` if it has to be parsed.
pub(crate) fn edit(old: &Signed<()>, changes: &[Change]) -> Option<Edit> {
    let changes = changes.iter().map(|change| match change {
        Change::Put(Target { path, file }) => (path.as_str(), Some(file)),
        Change::Remove(path) => (path.as_str(), None),
    });
    Edit::of_targets(old.canonical(), changes)
}

fn edit_counts(edit: &Edit) -> Counts {
    Counts { added: edit.added, changed: edit.changed, removed: edit.removed }
}

/// Applies changes to a document.
pub(crate) fn apply(
    role: &str,
    document: &mut Targets,
    changes: Vec<Change>,
) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    for change in changes {
        match change {
            Change::Put(Target { path, file }) => {
                match document.targets.get(path.as_str()) {
                    Some(old) if *old == file => continue,
                    Some(_) => counts.changed += 1,
                    None => counts.added += 1,
                }
                document.targets.insert(path.into(), file);
            }
            Change::Remove(path) => {
                if document.targets.remove(path.as_str()).is_none() {
                    return Err(not_listed(path.as_str(), role));
                }
                counts.removed += 1;
            }
        }
    }
    Ok(counts)
}

fn not_listed(path: &str, role: &str) -> Error {
    let problem = format!("it cannot be removed, for {role} does not list it");
    Error::Change { path: path.to_owned(), problem }
}
