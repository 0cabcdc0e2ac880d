//! Other bins: the same targets in another number of bins, or in bins for the first time, by one publish.
//!
//! Names of bins repeat: 2^13 to 2^16 bins share four hex digits, so `bins-0001` lists other targets than before. Hence all
//! bins are written at one version, *the first version* of these bins, which is higher than any that a delegated role ever
//! had: no name goes back, however often the bins change and whatever a rotation drops. No delta leads over it, for
//! what had the name before is no base; and a snapshot of so many equal versions compresses to next to nothing.
//!
//! What loses its delegation keeps its entry in the snapshot and its last file (TUF 5.5.5: a client refuses a snapshot from
//! which a role has gone), until a rotation withdraws the snapshot's keys.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use tufold_meta::{BitLength, TargetFile, Targets, Time, Version};

use crate::commit::Published;
use crate::error::Error;
use crate::keyring::KeyRequest;
use crate::layout::{BINS, BinKeys, Delegation, Layout};
use crate::plan::{Counts, Listing, Plan, RolePlan, TimestampPlan, Why, next_snapshot};
use crate::progress::{Event, Progress, Stage};
use crate::publish::Publisher;
use crate::repository::{Repository, State};
use crate::settings::RoleKind;

/// The one writer of a repository that gets other bins.
pub struct Rebinner {
    publisher: Publisher,
}

/// Other bins, decided and not yet written.
#[derive(Debug)]
pub struct RebinPlan {
    plan: Plan,
    bins: NewBins,
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

/// What the next visit of each kind of reader takes: bytes of uncompressed files, without deltas.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RebinCost {
    /// One new bin, on average.
    pub mean_bin_bytes: u64,
    /// A client that holds everything of the old layout and looks up one target.
    pub warm_bytes: u64,
    /// A client that holds nothing, from the newest root on.
    pub cold_bytes: u64,
    /// A mirror that holds everything of the old layout.
    pub mirror_bytes: u64,
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
        let first_version = first_version(state);
        let lifetimes = &repository.settings.lifetimes;
        let first = |role: String| {
            let mut plan = RolePlan::first(role, &bin_keys.role, lifetimes, now, Listing::Document);
            plan.document.version = first_version;
            plan
        };

        let listed = self.listed_by_bin(from, bits, progress)?;
        let targets = listed.iter().map(|bin| bin.len() as u64).sum();
        let mut roles: Vec<RolePlan> = bits
            .bins()
            .zip(listed)
            .map(|(bin, targets)| {
                let mut plan = first(bits.role_name(BINS, bin));
                plan.document.targets = targets;
                plan
            })
            .collect();
        if let Some(delegations) = to.bins_delegations(&bin_keys) {
            let mut bins = first(BINS.to_owned());
            bins.document.delegations = Some(delegations);
            roles.push(bins);
        }
        let mut top = Targets::clone(&state.targets);
        top.delegations = to.top_delegations(&bin_keys);
        if from == Delegation::Flat {
            top.targets.clear();
        }
        if top != *state.targets {
            let keys = &state.root.roles["targets"];
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
        Ok(self.rebinned((from, to), bins, targets, stale_roles, published))
    }

    /// Does everything but write, and says what would be written.
    pub fn rehearse(&self, plan: RebinPlan, progress: Progress<'_>) -> Result<Rebinned, Error> {
        let RebinPlan { plan, bins, targets, stale_roles } = plan;
        let from = self.publisher.repository.settings.layout;
        let to = Layout { delegation: bins.delegation, ..from };
        let published = self.publisher.rehearse(plan, progress)?;
        Ok(self.rebinned((from, to), bins, targets, stale_roles, published))
    }

    fn rebinned(
        &self,
        (from, to): (Layout, Layout),
        bins: NewBins,
        targets: u64,
        stale_roles: u64,
        published: Published,
    ) -> Rebinned {
        let count = bins.delegation.bit_length().map_or(1, BitLength::bin_count);
        let Published { targets_bytes, delegating_bytes, snapshot_bytes, timestamp_bytes, .. } =
            published;
        let mean_bin_bytes = (targets_bytes - delegating_bytes).div_ceil(count);
        let warm_bytes = timestamp_bytes + snapshot_bytes + delegating_bytes + mean_bin_bytes;
        let top_is_written = published.summary.roles > count + u64::from(bins.has_bins_role());
        let unchanged_top =
            if top_is_written { 0 } else { self.publisher.state.targets.bytes().len() as u64 };
        let cost = RebinCost {
            mean_bin_bytes,
            warm_bytes,
            cold_bytes: warm_bytes + unchanged_top,
            mirror_bytes: timestamp_bytes + snapshot_bytes + targets_bytes,
        };
        let first_version = bins.first_version.get();
        let (from, to) = (from.to_string(), to.to_string());
        Rebinned { from, to, targets, first_version, stale_roles, published, cost }
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

    /// The targets of each new bin.
    fn listed_by_bin(
        &self,
        from: Delegation,
        bits: BitLength,
        progress: Progress<'_>,
    ) -> Result<Vec<BTreeMap<String, TargetFile>>, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let sources = match from {
            Delegation::Flat => vec!["targets".to_owned()],
            _ => state.leaf_roles(),
        };
        progress(Event::Start(Stage::Compare, sources.len() as u64));
        let parts = sources
            .into_par_iter()
            .map(|role| {
                let targets = match role.as_str() {
                    "targets" => state.targets.targets.clone(),
                    role => state.targets_role(&*repository.public, role)?.into_payload().targets,
                };
                let mut parts: BTreeMap<usize, BTreeMap<String, TargetFile>> = BTreeMap::new();
                for (path, file) in targets {
                    // No client finds it there, and none must find it from now on.
                    if from.role_of(&path) != role {
                        let problem = format!("lists {path}, which is not its to list");
                        return Err(Error::damaged(&role, problem));
                    }
                    let bin = bits.bin(&path).number() as usize;
                    parts.entry(bin).or_default().insert(path, file);
                }
                progress(Event::Advance(1));
                Ok(parts)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let mut bins = vec![BTreeMap::new(); bits.bins().count()];
        for (bin, mut targets) in parts.into_iter().flatten() {
            bins[bin].append(&mut targets);
        }
        Ok(bins)
    }
}

impl NewBins {
    fn has_bins_role(self) -> bool {
        matches!(self.delegation, Delegation::BinsPrefixes(_))
    }
}

/// A version that no delegated role has had. What a rotation dropped was older than the bins that came after it.
fn first_version(state: &State) -> Version {
    let roles = state.snapshot.meta.iter().filter(|(name, _)| *name != "targets.json");
    roles.map(|(_, file)| file.version.next()).max().unwrap_or(Version::FIRST)
}
