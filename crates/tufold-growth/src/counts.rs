//! What happened, in numbers that no codec has a say in: how many documents list how much, which deltas hold what.
//!
//! A history is counted (`replay/ledger.rs`), a scenario alone gives expected numbers (`workload.rs`), and both are priced
//! alike (`predict.rs`). All of it adds up, so a mean of counts is priced as the mean of prices.

use serde::{Deserialize, Serialize};
use tufold_sync::Way;

use crate::math::choice_bytes;

/// What adds up.
pub(crate) trait Add {
    /// Adds `other` so many times.
    fn add(&mut self, other: &Self, times: f64);
}

impl Add for f64 {
    fn add(&mut self, other: &Self, times: f64) {
        *self += times * other;
    }
}

/// Structs whose fields add up.
macro_rules! adds_up {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Add for $name {
            fn add(&mut self, other: &Self, times: f64) {
                $(self.$field.add(&other.$field, times);)*
            }
        }
    )*};
}

/// How many documents list so many targets.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spread(pub(crate) Vec<(f64, f64)>);

impl Add for Spread {
    fn add(&mut self, other: &Self, times: f64) {
        for &(entries, documents) in &other.0 {
            match self.0.binary_search_by(|held| held.0.total_cmp(&entries)) {
                Ok(at) => self.0[at].1 += times * documents,
                Err(at) => self.0.insert(at, (entries, times * documents)),
            }
        }
    }
}

/// Targets roles, whole.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Documents {
    /// How many.
    pub(crate) count: f64,
    /// Those of them that list nothing.
    pub(crate) empty: f64,
    /// The digits of their versions.
    pub(crate) digits: f64,
    /// Bytes of what they list, each entry with a comma.
    pub(crate) entry_bytes: f64,
    /// How much each lists.
    pub(crate) spread: Spread,
}

/// Deltas of targets roles.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Steps {
    /// How many.
    pub(crate) count: f64,
    /// Targets that they add.
    pub(crate) added: f64,
    /// Bytes of the paths of those.
    pub(crate) added_bytes: f64,
    /// Targets that they change.
    pub(crate) changed: f64,
    /// Targets that they remove.
    pub(crate) removed: f64,
    /// Bytes that tell which targets of all changed or went.
    pub(crate) places: f64,
    /// For each target that is added, the logarithm of how many it comes to stand among: the more neighbours, the better its
    /// path is told by them.
    pub(crate) neighbours: f64,
    /// For each of them, how alone it is: 1 among none, 1/2 beside one.
    pub(crate) alone: f64,
    /// Deltas of those that add targets to a list that stays short; see [`SHORT`].
    #[serde(default)]
    pub(crate) short: f64,
    /// Targets that these add.
    #[serde(default)]
    pub(crate) short_added: f64,
}

/// A list of fewer targets is short: the codec lets what is listed already tell what comes in an object of so many entries,
/// before or after, and tells it anew in a smaller one.
pub(crate) const SHORT: u64 = 17;

/// Deltas of snapshots.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct SnapshotSteps {
    /// How many.
    pub(crate) count: f64,
    /// Those of them that carry signatures.
    pub(crate) signed: f64,
    /// Bytes that tell which versions rose, and by how much.
    pub(crate) entropy: f64,
    /// Digests that they bring.
    pub(crate) digests: f64,
    /// Roles that they bring.
    pub(crate) names: f64,
    /// Bytes of the names of those.
    pub(crate) name_bytes: f64,
}

/// Deltas of the top-level role where each project has a delegation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct TopSteps {
    /// How many.
    pub(crate) count: f64,
    /// Projects that they bring.
    pub(crate) projects: f64,
    /// Bytes of the names of those.
    pub(crate) name_bytes: f64,
    /// Paths that they add to a list of paths.
    pub(crate) paths: f64,
    /// Bytes of those.
    pub(crate) path_bytes: f64,
    /// Paths that they take away.
    pub(crate) gone: f64,
    /// Projects whose lists change.
    pub(crate) touched: f64,
    /// Bytes that tell which projects those are, and where in their lists paths come and go.
    pub(crate) places: f64,
    /// The logarithm of the bytes of new names: the first of them takes more than the next, since it brings what all say alike.
    #[serde(default)]
    pub(crate) novelty: f64,
}

/// Bundles for mirrors.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Bundles {
    /// How many.
    pub(crate) count: f64,
    /// What their outlines say of the snapshot; digests are left out.
    pub(crate) outline: SnapshotSteps,
    /// Roles that they rebuild, and what changed in them.
    pub(crate) roles: Steps,
    /// What changed in the top-level role.
    pub(crate) top: TopSteps,
}

/// Deltas of documents that list roles, over a change of the bins: all new bins start at one version, so that only their
/// names cost, and those only where the digits of a bin's number grow.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Crossing {
    /// How many.
    pub(crate) count: f64,
    /// Those of them that carry signatures of their own.
    pub(crate) signed: f64,
    /// New bins whose names have as many digits as those before.
    pub(crate) kept: f64,
    /// New bins whose names have a digit more.
    pub(crate) renamed: f64,
    /// Digests that they bring.
    pub(crate) digests: f64,
    /// Bytes that tell which versions of old bins rose on the way that stay listed.
    #[serde(default)]
    pub(crate) entropy: f64,
}

/// What makes a reader's bins of those that it holds, and leads over the change elsewhere.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Regrouped {
    /// Objects that make new bins of old ones.
    pub(crate) objects: f64,
    /// Their bytes.
    pub(crate) object_bytes: f64,
    /// The snapshot's edges over the change.
    pub(crate) snapshot: Crossing,
    /// The bundles over it; what else they bring is counted with the other bundles.
    pub(crate) bundles: Crossing,
    /// The edges of the top-level role that delegates to other succinct bins now.
    pub(crate) top: f64,
    /// The edges of `bins` that delegates to others.
    pub(crate) bins: Crossing,
}

/// The documents above the bins, or above the projects' roles.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Listing {
    /// The digits of the snapshot's own version, which is the timestamp's.
    pub(crate) own_digits: f64,
    /// Roles in the snapshot.
    pub(crate) roles: f64,
    /// Bytes of their names.
    pub(crate) name_bytes: f64,
    /// Digits of their versions.
    pub(crate) digits: f64,
    /// Digits of their lengths.
    pub(crate) length_digits: f64,
    /// Bytes that tell their versions.
    pub(crate) entropy: f64,
    /// The top-level role, and `bins`.
    pub(crate) top: Top,
    /// The digits of the version of `bins`.
    pub(crate) bins_digits: f64,
    /// What the role that delegates to the bins says of those before.
    #[serde(default)]
    pub(crate) history_bytes: f64,
    /// Roles that are no longer delegated and stay in the snapshot.
    #[serde(default)]
    pub(crate) stale: Stale,
    /// What zstd makes of the whole snapshot, where a history tells it; 0 where rates do.
    #[serde(default)]
    pub(crate) zstd_bytes: f64,
}

/// See [`Listing::stale`]: the same numbers of these alone.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Stale {
    pub(crate) roles: f64,
    pub(crate) name_bytes: f64,
    pub(crate) digits: f64,
    pub(crate) length_digits: f64,
    pub(crate) entropy: f64,
}

/// The top-level targets role.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Top {
    /// How many such documents.
    pub(crate) count: f64,
    /// The digits of its version.
    pub(crate) digits: f64,
    /// Delegations to projects.
    pub(crate) projects: f64,
    /// Their bytes, each with a comma.
    pub(crate) delegation_bytes: f64,
    /// What it lists itself.
    pub(crate) flat: Documents,
}

/// A visit by deltas.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct DeltaReads {
    /// Requests, the one for the next root included.
    pub(crate) requests: f64,
    /// Requests that wait for one another.
    pub(crate) round_trips: f64,
    /// The snapshot by its edges, and from nothing.
    pub(crate) snapshot: SnapshotSteps,
    /// See `snapshot`.
    pub(crate) cold_snapshot: SnapshotSteps,
    /// The top-level role by its edges (in the flat form `flat_top`), or how often whole.
    pub(crate) top: TopSteps,
    /// See `top`.
    pub(crate) flat_top: Steps,
    /// See `top`.
    pub(crate) top_whole: f64,
    /// The role `bins` by its edges, or how often whole.
    pub(crate) bins: Steps,
    /// See `bins`.
    pub(crate) bins_whole: f64,
    /// The other roles by their edges.
    pub(crate) roles: Steps,
    /// And whole.
    pub(crate) whole: Documents,
    /// All of it by bundles.
    pub(crate) bundles: Bundles,
    /// What a change of the bins takes.
    #[serde(default)]
    pub(crate) regrouped: Regrouped,
}

/// A visit.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Reads {
    /// Roles that list what is looked up.
    pub(crate) needed: f64,
    /// Whether there is a new snapshot, top-level role and role `bins`: 0 or 1 in one visit.
    pub(crate) snapshot: f64,
    /// See `snapshot`.
    pub(crate) top: f64,
    /// See `snapshot`.
    pub(crate) bins: f64,
    /// The other roles that are fetched.
    pub(crate) roles: Documents,
    /// Requests that wait for one another, without deltas.
    pub(crate) round_trips: f64,
    /// With deltas.
    pub(crate) delta: DeltaReads,
}

impl DeltaReads {
    /// The role that delegates to other bins now: by a way whose last edge crosses the change, or whole. `delegated` is what crosses
    /// in `bins`; without it the top-level role delegates.
    pub(crate) fn take_delegator(&mut self, way: &Way, delegated: Option<Crossing>) {
        let edges = match way {
            Way::Path(path) => Some(path.len() as f64),
            Way::Full | Way::FromNothing => None,
        };
        match (edges, delegated) {
            (Some(edges), Some(crossing)) => {
                self.bins.count = edges - 1.0;
                self.regrouped.bins = crossing;
            }
            (Some(edges), None) => self.regrouped.top = edges,
            (None, Some(_)) => self.bins_whole = 1.0,
            (None, None) => self.top_whole = 1.0,
        }
        self.requests += edges.unwrap_or(1.0);
        self.round_trips += 1.0;
    }
}

/// A publish.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Writes {
    /// What the snapshot says. Its top-level role and `bins` are as often there as they are written.
    pub(crate) listing: Listing,
    /// How often `bins` is written.
    pub(crate) bins: f64,
    /// The other roles.
    pub(crate) roles: Documents,
    /// Delta files.
    pub(crate) delta_files: f64,
    /// The edges of the snapshot, and what the one from nothing says.
    pub(crate) snapshot: SnapshotSteps,
    /// See `snapshot`.
    pub(crate) cold_snapshot: SnapshotSteps,
    /// The edges of the top-level role; those of the flat form.
    pub(crate) top: TopSteps,
    /// See `top`.
    pub(crate) flat_top: Steps,
    /// The edges of `bins`.
    pub(crate) bins_steps: Steps,
    /// The edges of the other roles.
    pub(crate) steps: Steps,
    /// The bundles.
    pub(crate) bundles: Bundles,
    /// What a change of the bins takes.
    #[serde(default)]
    pub(crate) regrouped: Regrouped,
}

/// A history.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Counts {
    /// The mean visit of each client, in the scenario's order.
    pub(crate) reads: Vec<Reads>,
    /// The mean publish.
    pub(crate) writes: Writes,
    /// What there is at the end.
    pub(crate) listing: Listing,
    /// All roles below the top-level one at the end.
    pub(crate) roles: Documents,
    /// Bytes of entries of the longest of them.
    pub(crate) longest: f64,
    /// Roles that are no longer delegated, and whose last files stay.
    #[serde(default)]
    pub(crate) stale: Documents,
}

adds_up! {
    Documents { count, empty, digits, entry_bytes, spread }
    Steps { count, added, added_bytes, changed, removed, places, neighbours, alone, short, short_added }
    SnapshotSteps { count, signed, entropy, digests, names, name_bytes }
    TopSteps { count, projects, name_bytes, paths, path_bytes, gone, touched, places, novelty }
    Bundles { count, outline, roles, top }
    Crossing { count, signed, kept, renamed, digests, entropy }
    Regrouped { objects, object_bytes, snapshot, bundles, top, bins }
    Listing { own_digits, roles, name_bytes, digits, length_digits, entropy, top, bins_digits, history_bytes, stale, zstd_bytes }
    Stale { roles, name_bytes, digits, length_digits, entropy }
    Top { count, digits, projects, delegation_bytes, flat }
    DeltaReads {
        requests, round_trips, snapshot, cold_snapshot, top, flat_top, top_whole, bins, bins_whole, roles, whole, bundles,
        regrouped
    }
    Reads { needed, snapshot, top, bins, roles, round_trips, delta }
    Writes {
        listing, bins, roles, delta_files, snapshot, cold_snapshot, top, flat_top, bins_steps, steps, bundles, regrouped
    }
}

impl Documents {
    /// One that lists so many targets.
    pub(crate) fn one(version: u64, entries: u64, entry_bytes: u64) -> Self {
        Self {
            count: 1.0,
            empty: f64::from(u8::from(entries == 0)),
            digits: crate::math::digits(version) as f64,
            entry_bytes: entry_bytes as f64,
            spread: Spread(vec![(entries as f64, 1.0)]),
        }
    }

    /// So many, each of which lists its part of so many targets, as far as chance allows.
    pub(crate) fn alike(count: f64, entries: f64, entry_bytes: f64, version_digits: f64) -> Self {
        if count <= 0.0 {
            return Self::default();
        }
        let each = entries / count;
        Self {
            count,
            empty: count * (-each).exp(),
            digits: count * version_digits,
            entry_bytes,
            spread: Spread(vec![(each, count)]),
        }
    }
}

impl Steps {
    /// Tells the places of what changed among so many targets.
    pub(crate) fn placed(self, entries: f64) -> Self {
        let Self { added, changed, removed, .. } = self;
        let held = entries.max(0.0);
        Self {
            places: choice_bytes(held, changed + removed),
            neighbours: added * (1.0 + held).log2(),
            alone: added / (1.0 + held),
            ..self
        }
    }

    /// Says how likely the lists stay short, and how likely one of these deltas adds any target to its list.
    pub(crate) fn shortly(self, is_short: f64, adds: f64) -> Self {
        Self { short: self.count * is_short * adds, short_added: self.added * is_short, ..self }
    }

    /// What the rates of a role's edges are rates of.
    pub(crate) fn features(&self) -> Vec<f64> {
        let Self { count, added, added_bytes, changed, removed, places, .. } = *self;
        let Self { neighbours, alone, short, short_added, .. } = *self;
        vec![
            count,
            added,
            added_bytes,
            changed,
            removed,
            places,
            neighbours,
            alone,
            short,
            short_added,
        ]
    }
}

impl SnapshotSteps {
    /// What the rates of a snapshot's edges are rates of; signatures are not.
    pub(crate) fn features(&self) -> Vec<f64> {
        vec![self.count, self.entropy, self.digests, self.names, self.name_bytes]
    }
}

impl Crossing {
    /// What the rates of such deltas are rates of; signatures of their own are not.
    pub(crate) fn features(&self) -> Vec<f64> {
        vec![self.count, self.kept, self.renamed, self.digests, self.entropy]
    }
}

impl TopSteps {
    /// Tells the places of what changed: among so many projects, and in lists of so many paths.
    pub(crate) fn placed(self, projects: f64, listed: f64) -> Self {
        let places = choice_bytes(projects, self.touched)
            + choice_bytes(listed.max(1.0), (self.paths + self.gone).min(listed));
        let places = if self.touched > 0.0 { places } else { 0.0 };
        // Of a fraction of a project: all of one, now and then.
        let chance = if self.projects < 1.0 { -(-self.projects).exp_m1() } else { 1.0 };
        let novelty = chance * (1.0 + self.name_bytes / chance.max(1e-12)).log2();
        Self { places, novelty, ..self }
    }

    /// What the rates of the edges of a list of projects are rates of.
    pub(crate) fn features(&self) -> Vec<f64> {
        vec![
            self.count,
            self.projects,
            self.name_bytes,
            self.paths,
            self.path_bytes,
            self.gone,
            self.touched,
            self.places,
            self.novelty,
        ]
    }
}

impl Bundles {
    /// What the rates of bundles are rates of.
    pub(crate) fn features(&self) -> Vec<f64> {
        let Self { count, outline, roles, top } = self;
        let mut features = vec![*count, outline.entropy];
        // Among so many neighbours as a bundle has, none is alone.
        features.extend(&roles.features()[..6]);
        // The roles that the outline brings are the projects that the top-level role brings.
        features.extend(&top.features()[2..]);
        features
    }
}

/// What features cost at their rates.
pub(crate) fn weigh(rates: &[f64], features: &[f64]) -> f64 {
    rates.iter().zip(features).map(|(rate, feature)| rate * feature).sum::<f64>().max(0.0)
}

/// The mean of some counts.
pub(crate) fn mean<T: Add + Default>(counts: impl ExactSizeIterator<Item = T>) -> T {
    let times = 1.0 / counts.len().max(1) as f64;
    let mut sum = T::default();
    counts.for_each(|count| sum.add(&count, times));
    sum
}
