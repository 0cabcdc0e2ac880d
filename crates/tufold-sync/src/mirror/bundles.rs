//! All that changed in a repository, one bundle a step, from what the mirror holds.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use tufold_delta::{Edge, Limits, apply};
use tufold_meta::names::{
    DeltaName, METADATA_FOLDER, parse_versioned_file_name, versioned_file_name,
};
use tufold_meta::{
    Bundle, BundleError, Request, RoleChain, RoleChanges, Tally, Version, canonical_parts,
    listed_versions, without_stale,
};
use tufold_store::{DirectoryStore, Store};

use crate::Error;
use crate::choose::{HeldSnapshot, Way, mirror_way};
use crate::deltas::Reason;
use crate::mirror::Sync;
use crate::obtain::{Obtained, Origin};
use crate::parallel::in_parallel;
use crate::rebin::Bins;
use crate::rebuild::{Base, kind, next_snapshot};

/// A document of the mirror's own.
const HELD_MAX_LEN_BYTES: u64 = 1 << 30;

/// The newest state that the mirror holds, older than the one that it wants.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The version of each role.
    versions: BTreeMap<String, Version>,
}

/// How long what a bundle rebuilds may be.
#[derive(Clone, Copy)]
struct Caps {
    snapshot_len_bytes: u64,
    roles_len_bytes: u64,
}

/// A state on the way from one snapshot to another.
struct State<'s> {
    public: &'s DirectoryStore,
    /// The length of each file in the mirror.
    lengths: &'s HashMap<String, u64>,
    snapshot: Vec<u8>,
    versions: BTreeMap<String, Version>,
    /// What was rebuilt and is not in the mirror yet.
    rebuilt: HashMap<String, (Version, Vec<u8>)>,
}

impl Sync<'_> {
    /// Rebuilds all that changed since what the mirror holds, if bundles are the cheapest way. Nothing
    /// is verified here, and whatever goes wrong leaves the documents to be got one by one.
    pub(super) fn bundles(&mut self) -> Result<(), Error> {
        let (Some(ladder), Some(timestamp)) = (self.visit.documents.ladder, self.set().timestamp())
        else {
            return Ok(());
        };
        let (to, listed_len_bytes) = (timestamp.snapshot.version, timestamp.snapshot.length);
        let lengths = self.lengths()?;
        let Some((held, state)) = self.newest_before(to, &lengths)? else { return Ok(()) };
        self.shown = Shown { versions: state.versions.clone() };
        let has_new = lengths.contains_key(&versioned_file_name("snapshot", to));
        if has_new || !state.is_whole() {
            // Files were lost, or an interrupted sync came to its end but for the timestamp.
            return Ok(());
        }
        let documents = &self.visit.documents;
        let limits = &documents.client.limits;
        let lacking = self.lacking(to, &lengths);
        let Way::Path(path) = mirror_way(ladder, held, to.get(), lacking, limits.max_parallel)
        else {
            return Ok(());
        };
        let name = |edge: &Edge| {
            let (from, to) = (Version::new(edge.from)?, Version::new(edge.to)?);
            Some(DeltaName::Mirror { from, to })
        };
        let names: Vec<DeltaName> = path.iter().filter_map(name).collect();
        let (bundles, round_trips) = in_parallel(&names, limits.max_parallel, |name| {
            documents.fetch_delta(name, limits.bundle_len_bytes)
        });
        documents.count_round_trips(round_trips);
        let usual = limits.metadata.snapshot_len_bytes;
        let caps = Caps {
            snapshot_len_bytes: usual.max(listed_len_bytes.unwrap_or(0).saturating_mul(2)),
            roles_len_bytes: limits.bundle_len_bytes,
        };
        match state.walk(bundles, caps) {
            Ok((state, bundles)) => {
                let all = bundles.iter().map(|bundle| bundle.len() as u64).sum();
                documents.bring(state.brought(to, all));
                self.bundles = names.into_iter().zip(bundles).collect();
            }
            Err(Reason::Missing) => documents.meter.deltas.count_missing_bundle(),
            Err(reason) => documents.meter.deltas.count_fallback(reason),
        }
        Ok(())
    }

    /// The files that the mirror holds, by name.
    fn lengths(&self) -> Result<HashMap<String, u64>, Error> {
        let entries = self.public.list(METADATA_FOLDER)?.into_iter();
        let named = entries.filter_map(|entry| {
            Some((entry.name.strip_prefix(METADATA_FOLDER)?.to_owned(), entry.len_bytes))
        });
        Ok(named.collect())
    }

    /// The newest state before a version that the mirror holds the snapshot of.
    fn newest_before<'l>(
        &self,
        to: Version,
        lengths: &'l HashMap<String, u64>,
    ) -> Result<Option<(HeldSnapshot, State<'l>)>, Error>
    where
        Self: 'l,
    {
        let snapshots = lengths.keys().filter_map(|name| parse_versioned_file_name(name));
        let older = |(version, role): (Version, String)| {
            (role == "snapshot" && version < to).then_some(version)
        };
        let Some(from) = snapshots.filter_map(older).max() else { return Ok(None) };
        let file = self.held(&versioned_file_name("snapshot", from), HELD_MAX_LEN_BYTES)?;
        let Some(snapshot) = file else { return Ok(None) };
        let Ok((signed, _)) = canonical_parts(&snapshot) else { return Ok(None) };
        let Some((tally, versions)) = Tally::of(&signed).zip(listed_versions(&signed)) else {
            return Ok(None);
        };
        drop(signed);
        let held = HeldSnapshot { version: from.get(), tally };
        let rebuilt = HashMap::new();
        Ok(Some((held, State { public: self.public, lengths, snapshot, versions, rebuilt })))
    }

    /// An older version of a role, which a delta can start from.
    pub(super) fn base(&self, chain: &RoleChain, request: &Request) -> Result<Option<Base>, Error> {
        let documents = &self.visit.documents;
        let role = chain.role();
        let version = self.shown.versions.get(role).copied();
        let is_older = |version: &Version| request.version.is_some_and(|wanted| *version < wanted);
        let bins = Bins::of(self.set(), chain);
        let is_of_today = |version: &Version| bins.as_ref().is_none_or(|b| b.is_of_today(*version));
        let older = version.filter(is_older).filter(is_of_today);
        let Some(version) = older.filter(|_| documents.meter.deltas.asks()) else {
            return Ok(None);
        };
        if documents.is_brought(role) {
            return Ok(None);
        }
        let file = self.held(&versioned_file_name(role, version), HELD_MAX_LEN_BYTES)?;
        Ok(file.and_then(|file| Base::of_file(&file)).filter(|base| base.version == version))
    }

    /// How many documents of the new snapshot the mirror lacks, if an interrupted sync accepted that
    /// snapshot before.
    fn lacking(&self, to: Version, lengths: &HashMap<String, u64>) -> Option<u64> {
        let file = self.visit.documents.cached("snapshot", HELD_MAX_LEN_BYTES).ok()??;
        let base = Base::of_file(&file).filter(|base| base.version == to)?;
        let is_lacking = |(role, version): &(&String, &Version)| {
            !lengths.contains_key(&versioned_file_name(role, **version))
        };
        Some(listed_versions(&base.signed)?.iter().filter(is_lacking).count() as u64)
    }
}

impl State<'_> {
    /// Goes through all bundles, one after the other.
    fn walk(
        mut self,
        bundles: Vec<Result<Vec<u8>, Reason>>,
        caps: Caps,
    ) -> Result<(Self, Vec<Vec<u8>>), Reason> {
        let is_own = |bundle: &&Result<_, Reason>| !matches!(bundle, Err(Reason::NotAsked));
        if let Some(Err(reason)) = bundles.iter().filter(is_own).find(|bundle| bundle.is_err()) {
            return Err(*reason);
        }
        let bundles: Vec<Vec<u8>> = bundles.into_iter().collect::<Result<_, _>>()?;
        for bundle in &bundles {
            self.step(bundle, caps)?;
        }
        Ok((self, bundles))
    }

    fn step(&mut self, bundle: &[u8], caps: Caps) -> Result<(), Reason> {
        let (signed, _) = canonical_parts(&self.snapshot).map_err(|_| Reason::Damaged)?;
        let bundle = Bundle::parse(bundle)?;
        let outline = next_snapshot(Some(&signed), bundle.outline, caps.snapshot_len_bytes)?;
        let changes = RoleChanges::between(&signed, outline)?;
        let held_len_bytes: u64 = changes.new_roles().map(|role| self.len_bytes(role)).sum();
        if held_len_bytes > caps.roles_len_bytes {
            return Err(Reason::TooLong);
        }
        let held = |role: &str| self.held(role);
        let before = changes.flatten_old(kind(bundle.roles)?, &held)?;
        let limits =
            Limits { max_delta_len_bytes: u64::MAX, max_result_len_bytes: caps.roles_len_bytes };
        let after = apply(Some(&before), bundle.roles, &limits)?;
        drop(before);
        let rebuilt = changes.rebuild(&after, &held)?;
        let (signed, _) = canonical_parts(&rebuilt.snapshot).map_err(|_| Reason::Damaged)?;
        self.versions = listed_versions(&signed).ok_or(Reason::Damaged)?;
        for (role, version, file) in rebuilt.roles {
            self.rebuilt.insert(role, (version, file));
        }
        self.snapshot = rebuilt.snapshot;
        Ok(())
    }

    /// Whether the mirror has each file that a bundle can start from. What is stale it never fetched, unless it was there before.
    fn is_whole(&self) -> bool {
        let is_there = |role: &str| {
            let listed = self.versions.get(role);
            listed.is_some_and(|&v| self.lengths.contains_key(&versioned_file_name(role, v)))
        };
        let roles = self.versions.keys().map(String::as_str);
        roles.clone().all(is_there)
            || without_stale(roles, &|role| self.held(role))
                .is_ok_and(|kept| kept.into_iter().all(is_there))
    }

    fn held(&self, role: &str) -> Option<Cow<'_, [u8]>> {
        if role == "snapshot" {
            return Some(Cow::Borrowed(&self.snapshot));
        }
        let version = *self.versions.get(role)?;
        if let Some((rebuilt, file)) = self.rebuilt.get(role)
            && *rebuilt == version
        {
            return Some(Cow::Borrowed(file));
        }
        let path = format!("{METADATA_FOLDER}{}", versioned_file_name(role, version));
        self.public.get(&path, HELD_MAX_LEN_BYTES).ok().flatten().map(Cow::Owned)
    }

    fn len_bytes(&self, role: &str) -> u64 {
        match (self.rebuilt.get(role), self.versions.get(role)) {
            (Some((_, file)), _) => file.len() as u64,
            (None, Some(version)) => {
                self.lengths.get(&versioned_file_name(role, *version)).copied().unwrap_or(0)
            }
            (None, None) => 0,
        }
    }

    /// The documents of the last state, each with its share of the bundles' bytes.
    fn brought(
        mut self,
        to: Version,
        bundles_len_bytes: u64,
    ) -> HashMap<String, (Version, Obtained)> {
        self.rebuilt.insert("snapshot".into(), (to, self.snapshot));
        let listed =
            |role: &str, version| role == "snapshot" || self.versions.get(role) == Some(&version);
        self.rebuilt.retain(|role, (version, _)| listed(role, *version));
        let all: u64 = self.rebuilt.values().map(|(_, file)| file.len() as u64).sum();
        let (mut before, mut seen) = (0, 0);
        let document = |(role, (version, bytes)): (String, (Version, Vec<u8>))| {
            seen += bytes.len() as u64;
            // The shares add up to the whole.
            let until = u128::from(bundles_len_bytes) * u128::from(seen) / u128::from(all.max(1));
            let until = u64::try_from(until).unwrap_or(bundles_len_bytes);
            let origin = Origin::Rebuilt { delta_len_bytes: until - before };
            before = until;
            (role, (version, Obtained { bytes, origin }))
        };
        self.rebuilt.into_iter().map(document).collect()
    }
}

impl From<BundleError> for Reason {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Missing(_)
            | BundleError::NotCanonical(_)
            | BundleError::Version { .. } => Self::OtherBase,
            BundleError::Damaged(_) | BundleError::NotDelegated(_) | BundleError::Elsewhere(_) => {
                Self::Damaged
            }
        }
    }
}
