//! Other bins: the same targets in another number of bins, or in bins for the first time, by one publish.
//!
//! Names of bins repeat: 2^13 to 2^16 bins share four hex digits, so `bins-0001` lists other targets than before. Hence all
//! bins are written at one version, *the first version* of these bins, which is higher than any that a delegated role ever
//! had: no name goes back, however often the bins change and whatever a rotation drops. No edge of a bin leads over it, for
//! what had the name before is no base; and a snapshot of so many equal versions compresses to next to nothing. Readers that
//! hold old bins make the new ones of them, by one delta a group (`Regroup`).
//!
//! What loses its delegation keeps its entry in the snapshot and its last file (TUF 5.5.5: a client refuses a snapshot from
//! which a role has gone), until a rotation withdraws the snapshot's keys.

mod auto;
mod cost;
mod groups;
mod lists;

use serde::Serialize;
use tufold_meta::names::{
    DELTAS_FOLDER, DeltaName, METADATA_FOLDER, meta_name, parse_versioned_file_name,
};
use tufold_meta::{BinHistory, BinsSince, Regroup, Targets, Time, Version};

use crate::commit::Published;
use crate::error::Error;
use crate::keyring::KeyRequest;
use crate::layout::{BINS, BinKeys, Delegation, Layout};
use crate::memory::Memory;
use crate::plan::{Counts, Listing, Plan, Regrouping, RolePlan, TimestampPlan, Why, next_snapshot};
use crate::progress::Progress;
use crate::publish::Publisher;
use crate::repository::Repository;
use crate::settings::RoleKind;

pub use auto::{Advice, Bounds, Passed};
pub use cost::RebinCost;

/// The one writer of a repository that gets other bins.
pub struct Rebinner {
    publisher: Publisher,
}

/// Other bins, decided and not yet written.
#[derive(Debug)]
pub struct RebinPlan {
    plan: Plan,
    bins: NewBins,
    /// How many targets the plan holds; those of bins are counted when they are read.
    targets: u64,
    stale_roles: u64,
}

/// Bins that were decided: which, and the version that they all start at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NewBins {
    pub(crate) delegation: Delegation,
    pub(crate) first_version: Version,
}

/// What other bins came to, or would.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Rebinned {
    /// The layout before.
    pub from: String,
    /// The layout now.
    pub to: String,
    /// How many targets have moved.
    pub targets: u64,
    /// The version that every new bin starts at.
    pub first_version: u64,
    /// How many roles are no longer delegated, and stay in the snapshot until its keys rotate.
    pub stale_roles: u64,
    /// What the publish wrote.
    #[serde(flatten)]
    pub published: Published,
    /// What readers pay for it.
    pub cost: RebinCost,
}

impl Rebinner {
    /// The writer of a repository; an error if somebody else is.
    pub fn of(repository: Repository) -> Result<Self, Error> {
        let publisher = Publisher::of(repository)?;
        if let Some(roles) = crate::rotate::under_way(&publisher.repository.private)? {
            return Err(Error::Rotation(format!(
                "a rotation of {roles} is under way; finish it (`tufold rotate REPO`) or drop it \
                 (--cancel) before the bins change"
            )));
        }
        Ok(Self { publisher })
    }

    /// How much memory it may take; one GiB unless this is called. Without bins so far, all targets are held in any case. Where
    /// there is no room for a mirror's bundle, none is written: mirrors then make each group of bins out of their own.
    pub fn set_memory(&mut self, memory: Memory) {
        self.publisher.set_memory(memory);
    }

    /// How the targets are spread now.
    pub fn delegation(&self) -> Delegation {
        self.publisher.repository.settings.layout.delegation
    }

    /// Decides every document of the new bins; `None` if these are the ones that there are. `threshold` is how many keys
    /// sign for bins where there were none.
    pub fn plan(
        &self,
        to: Delegation,
        threshold: Option<u64>,
        now: Time,
        progress: Progress<'_>,
    ) -> Result<Option<RebinPlan>, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let from = self.delegation();
        if from == to {
            return Ok(None);
        }
        let Some(bits) = to.bit_length() else {
            let problem = format!("targets move into bins, and {} has none", to.name());
            return Err(repository.private.bad_settings(problem));
        };
        let bin_keys = self.bin_keys(threshold)?;
        let first_version = self.first_version()?;
        let lifetimes = &repository.settings.lifetimes;
        let first = |role: String| {
            let mut plan = RolePlan::first(role, &bin_keys.role, lifetimes, now, Listing::Document);
            plan.document.version = first_version;
            plan
        };

        let mut roles = Vec::new();
        let regrouping = from.bit_length().map(|from| Regrouping {
            change: Regroup { from, to: bits },
            first: first_version,
            expires: lifetimes.expiry(RoleKind::Bins, now),
            keys: bin_keys.role.clone(),
        });
        if regrouping.is_none() {
            let listed = self.listed_by_bin(from, bits, progress)?;
            roles.extend(bits.bins().zip(listed).map(|(bin, targets)| {
                let mut plan = first(bits.role_name(BINS, bin));
                plan.document.targets = targets;
                plan
            }));
        }
        let targets = roles.iter().map(|plan| plan.document.targets.len() as u64).sum();
        let history = self.history(BinsSince { bits, first: first_version });
        let mut top = Targets::clone(&state.targets);
        top.delegations = to.top_delegations(&bin_keys);
        match to.bins_delegations(&bin_keys) {
            None => history.set(&mut top.extra),
            Some(delegations) => {
                BinHistory::default().set(&mut top.extra);
                let mut bins = first(BINS.to_owned());
                // It is the same role as ever, so edges lead from the one before.
                if let Some(listed) = state.snapshot.meta.get(&meta_name(BINS)) {
                    bins.document.version = listed.version.next();
                }
                bins.document.delegations = Some(delegations);
                history.set(&mut bins.document.extra);
                roles.push(bins);
            }
        }
        if from == Delegation::Flat {
            top.targets.clear();
        }
        if top != *state.targets {
            let keys = &state.root.roles["targets"];
            if !self.publisher.keyring.reaches(keys) {
                return Err(Error::Keys(format!(
                    "targets delegates to the bins and has to sign that they are others, and fewer than {} of its \
                     private keys are at hand: bring them for this one command (only bins-prefixes that stay \
                     bins-prefixes are delegated by another role)",
                    keys.threshold.get()
                )));
            }
            let (role, counts) = ("targets".to_owned(), Counts::default());
            let mut plan = RolePlan::next(role, keys, lifetimes, now, top, counts);
            plan.why = Why::Content;
            roles.push(plan);
        }
        let written = |role: &str| roles.iter().any(|plan| plan.role == role);
        let is_stale = |role: &&str| match bits.parse_role_name(BINS, role) {
            Some(_) => false,
            None => *role != "targets" && !written(role),
        };
        let stale_roles = state.listed_roles().filter(is_stale).count() as u64;
        let timestamp = &state.timestamp;
        let plan = Plan {
            now,
            lifetimes: *lifetimes,
            root: None,
            roles,
            regrouping,
            snapshot: Some(next_snapshot(&state.snapshot, lifetimes, now)),
            timestamp: TimestampPlan {
                version: timestamp.version.next(),
                snapshot: None,
                unknown: timestamp.extra.clone(),
                other_meta: timestamp.other_meta.clone(),
            },
            next_sweep: Some(
                lifetimes.due_at(RoleKind::Bins, lifetimes.expiry(RoleKind::Bins, now)),
            ),
            waiting: Vec::new(),
        };
        let bins = NewBins { delegation: to, first_version };
        Ok(Some(RebinPlan { plan, bins, targets, stale_roles }))
    }

    /// Writes the new bins by one publish: stopped anywhere before its timestamp, clients see the old ones.
    pub fn commit(mut self, plan: RebinPlan, progress: Progress<'_>) -> Result<Rebinned, Error> {
        let RebinPlan { plan, bins, targets, stale_roles } = plan;
        let from = self.publisher.repository.settings.layout;
        let to = Layout { delegation: bins.delegation, ..from };
        // Until the timestamp tells which layout is published, both are noted.
        self.publisher.repository.private.append_rebin(bins)?;
        self.publisher.first_version = bins.first_version;
        self.publisher.repository.settings.layout = to;
        let published = self.publisher.write(plan, None, progress)?;
        let targets = targets + published.regrouped_targets;
        Ok(self.rebinned((from, to), bins, targets, stale_roles, published))
    }

    /// Does everything but write, and says what would be written.
    pub fn rehearse(&self, plan: RebinPlan, progress: Progress<'_>) -> Result<Rebinned, Error> {
        let RebinPlan { plan, bins, targets, stale_roles } = plan;
        let from = self.publisher.repository.settings.layout;
        let to = Layout { delegation: bins.delegation, ..from };
        let published = self.publisher.rehearse_bins(plan, bins.first_version, progress)?;
        let targets = targets + published.regrouped_targets;
        Ok(self.rebinned((from, to), bins, targets, stale_roles, published))
    }

    /// The bins that there were, and these.
    fn history(&self, bins: BinsSince) -> BinHistory {
        let Publisher { state, first_version: first, .. } = &self.publisher;
        let known = state.bin_history();
        let before = self.delegation().bit_length().map(|bits| BinsSince { bits, first: *first });
        match before {
            Some(before) if known.last() != Some(before) => known.then(before),
            _ => known,
        }
        .then(bins)
    }

    /// A version that no delegated role has had, and that nothing was written for. What a rotation dropped was older than
    /// the bins that came after it; a change of the bins that was interrupted left files, whose names are spent.
    fn first_version(&self) -> Result<Version, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let listed = state.snapshot.meta.iter().filter(|(name, _)| *name != "targets.json");
        let mut newest = listed.map(|(_, file)| file.version).max();
        for entry in repository.public.list(METADATA_FOLDER)? {
            let name = entry.name.strip_prefix(METADATA_FOLDER).unwrap_or(&entry.name);
            let Some((version, role)) = parse_versioned_file_name(name) else { continue };
            if !["root", "snapshot", "targets"].contains(&role.as_str()) {
                newest = newest.max(Some(version));
            }
        }
        for entry in repository.public.list(&format!("{DELTAS_FOLDER}bins/"))? {
            if let Some(DeltaName::Bins { first, .. }) = DeltaName::parse_path(&entry.name) {
                newest = newest.max(Some(first));
            }
        }
        Ok(newest.map_or(Version::FIRST, Version::next))
    }

    /// The keys of bins: those that delegated roles have, or those that were made for them.
    fn bin_keys(&self, threshold: Option<u64>) -> Result<BinKeys, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        if state.targets.delegations.is_some() {
            if threshold.is_some() {
                return Err(Error::Keys(
                    "delegated roles have a threshold already; `tufold rotate` changes it".into(),
                ));
            }
            return BinKeys::of(&state.targets);
        }
        let request = KeyRequest {
            folder: Some(repository.private.keys_path()),
            thresholds: threshold
                .map(|threshold| (RoleKind::Bins, threshold))
                .into_iter()
                .collect(),
            ..KeyRequest::default()
        };
        let (keys, role) = request.fulfil(&[RoleKind::Bins], |_| None)?.public(RoleKind::Bins)?;
        Ok(BinKeys { keys, role })
    }
}

impl NewBins {
    fn has_bins_role(self) -> bool {
        matches!(self.delegation, Delegation::BinsPrefixes(_))
    }
}
